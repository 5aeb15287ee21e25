"""A ControlNet in a single file: which kind a file is, its sizes, its tensors' names.

Two layouts are known: the original one (LDM's block numbers, with or without the prefix
``control_model.``) and diffusers'.
"""

from collections.abc import Mapping
from enum import Enum

from generator.models.families.architecture import Shapes
from generator.models.families.family import AttentionHeads
from generator.models.families.ldm import keys, sizes
from generator.models.families.ldm.sizes import UNET, Config, Hints, UnetLayout

PREFIX = "control_model."
ORIGINAL, DIFFUSERS = "zero_convs.0.0.weight", "controlnet_down_blocks.0.weight"
ADDED_LAYERS = ("label_emb.0.0.weight", "add_embedding.linear_1.weight")
TASKS = "task_embedding"  # a row for each kind of map, in a ControlNet Union
ADDED_WIDTH = 256  # of each added number's sinusoid
TRANSFORMER_MARK = "transformer_blocks.0.attn.to_q.weight"


class ControlKind(Enum):
    """What a file in a folder of ControlNets is. Compare members; :attr:`label` is for messages."""

    SD1 = "a ControlNet for Stable Diffusion 1.x"
    SD2 = "a ControlNet for Stable Diffusion 2"
    SDXL = "a ControlNet for Stable Diffusion XL"
    LLLITE = "a ControlNet-LLLite"
    CONTROL_LORA = "a Control-LoRA"
    IP_ADAPTER = "an IP-Adapter"
    T2I_ADAPTER = "a T2I-Adapter"
    UNION = "a ControlNet Union"
    TRANSFORMER = "a ControlNet for a transformer"
    NONE = "no ControlNet"

    @property
    def label(self) -> str:
        """Its name in words, for people."""
        return self.value


KIND_BY_CONTEXT_WIDTH: Mapping[int, ControlKind] = {
    768: ControlKind.SD1,
    1024: ControlKind.SD2,
    2048: ControlKind.SDXL,
}
KIND_BY_MARK = (  # a part of a tensor's name, what it tells
    ("lllite_", ControlKind.LLLITE),
    ("lora_controlnet", ControlKind.CONTROL_LORA),
    ("ip_adapter", ControlKind.IP_ADAPTER),
    ("image_proj", ControlKind.IP_ADAPTER),
    ("body.0.block1.weight", ControlKind.T2I_ADAPTER),
    ("adapter.body.0", ControlKind.T2I_ADAPTER),
    (TASKS, ControlKind.UNION),
    (TRANSFORMER_MARK, ControlKind.TRANSFORMER),
)
HINT_LAYERS = {"0": "conv_in", "14": "conv_out"} | {str(2 * i + 2): f"blocks.{i}" for i in range(6)}


def strip_prefix(name: str) -> str:
    """A tensor's name without the original layout's prefix."""
    return name.removeprefix(PREFIX)


def kind_of(shapes: Shapes) -> ControlKind:
    """What a file is. ``shapes`` has bare names."""
    for part, kind in KIND_BY_MARK:
        if any(part in name for name in shapes):
            return kind
    if ORIGINAL not in shapes and DIFFUSERS not in shapes:
        return ControlKind.NONE
    if any(name in shapes for name in ADDED_LAYERS):
        return ControlKind.SDXL
    return KIND_BY_CONTEXT_WIDTH.get(context_width(shapes), ControlKind.SD1)


def context_width(shapes: Shapes) -> int:
    """Width of the text vectors that it reads; 0 where it reads none."""
    widths = (shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight"))
    return next(widths, 0)


def config_of(shapes: Shapes, hints: Hints, heads: AttentionHeads) -> Config:
    """The configuration of diffusers' ``ControlNetModel``. ``shapes`` has bare names."""
    original = ORIGINAL in shapes
    layout = sizes.unet_layout(_as_unet(shapes)) if original else _diffusers_layout(shapes)
    stem = "middle_block.1" if original else "mid_block.attentions.0"
    first = "input_blocks.0.0" if original else "conv_in"
    levels = ["CrossAttnDownBlock2D" if has else "DownBlock2D" for has in layout.attention]
    counts = [heads.of(channels) for channels in layout.channels]
    own = {"attention_head_dim": counts, "norm_num_groups": 32} | {
        key: hints.unet[key]
        for key in ("attention_head_dim", "norm_num_groups")
        if hints.unet.get(key) is not None
    }
    return own | {
        "in_channels": shapes[f"{first}.weight"][1],
        "conditioning_channels": shapes[_hint_name(original, "conv_in")][1],
        "block_out_channels": list(layout.channels),
        "layers_per_block": layout.blocks,
        "down_block_types": levels,
        "transformer_layers_per_block": list(layout.depths),
        "cross_attention_dim": context_width(shapes),
        "use_linear_projection": len(shapes[f"{stem}.proj_in.weight"]) == 2,
        "conditioning_embedding_out_channels": _hint_channels(shapes, original),
        **_added_config(shapes),
        **_union_config(shapes),
    }


def _added_config(shapes: Shapes) -> Config:
    """Of one that reads the pooled text and the picture's size, as those for SDXL do."""
    shape = next((shapes[name] for name in ADDED_LAYERS if name in shapes), None)
    if shape is None:
        return {}
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": ADDED_WIDTH,
        "projection_class_embeddings_input_dim": shape[1],
    }


def _union_config(shapes: Shapes) -> Config:
    """Of one that is told which kind of map it gets."""
    if TASKS not in shapes:
        return {}
    tasks, width = shapes[TASKS]
    return {
        "num_control_type": tasks,
        "num_trans_channel": width,
        "num_trans_layer": sizes.count_entries(shapes, "transformer_layes."),
        "num_proj_channel": shapes["spatial_ch_projs.weight"][0],
    }


def diffusers_names(shapes: Shapes) -> dict[str, str]:
    """Each tensor's bare name with its name in ``ControlNetModel``."""
    if ORIGINAL not in shapes:
        return {name: name for name in shapes}
    unet = _as_unet(shapes)
    names_in_unet = keys.unet_names(unet, sizes.unet_layout(unet))
    return {name: _own_name(names_in_unet[f"{UNET}{name}"]) for name in shapes}


def _as_unet(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {f"{UNET}{name}": shape for name, shape in shapes.items()}


def _own_name(name: str) -> str:
    """A name in the U-Net's sense, or of a part that a U-Net lacks."""
    head, _, rest = name.partition(".")
    number, _, last = rest.partition(".")
    if head == "zero_convs":
        return f"controlnet_down_blocks.{number}.{last.removeprefix('0.')}"
    if head == "middle_block_out":
        return f"controlnet_mid_block.{last}"
    if head == "input_hint_block" and number in HINT_LAYERS:
        return f"controlnet_cond_embedding.{HINT_LAYERS[number]}.{last}"
    return name


def _hint_name(original: bool, place: str) -> str:
    if not original:
        return f"controlnet_cond_embedding.{place}.weight"
    number = next(number for number, own in HINT_LAYERS.items() if own == place)
    return f"input_hint_block.{number}.weight"


def _hint_channels(shapes: Shapes, original: bool) -> list[int]:
    places = ("conv_in", "blocks.1", "blocks.3", "blocks.5")
    return [shapes[_hint_name(original, place)][0] for place in places]


def _diffusers_layout(shapes: Shapes) -> UnetLayout:
    levels = range(sizes.count_entries(shapes, "down_blocks."))
    channels = [shapes[f"down_blocks.{level}.resnets.0.conv1.weight"][0] for level in levels]
    return UnetLayout(
        channels=tuple(channels),
        blocks=sizes.count_entries(shapes, "down_blocks.0.resnets."),
        attention=tuple(
            f"down_blocks.{level}.attentions.0.norm.weight" in shapes for level in levels
        ),
        depths=tuple(
            sizes.count_entries(shapes, f"down_blocks.{level}.attentions.0.transformer_blocks.")
            or sizes.count_entries(shapes, "mid_block.attentions.0.transformer_blocks.")
            for level in levels
        ),
    )
