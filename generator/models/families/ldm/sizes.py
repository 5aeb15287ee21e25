"""Reads the sizes of a checkpoint's networks from the shapes of their tensors.

Shapes tell everything but the number of attention heads and of norm groups: those come from
:class:`Hints`, else the family's rule holds. The answers are configurations of diffusers'
``UNet2DConditionModel`` and ``AutoencoderKL`` and of transformers' ``CLIPTextModel``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.models.families.architecture import Shapes
from generator.models.families.family import (
    AddedCondition,
    Family,
    LatentFormat,
    Prediction,
    TextEncoderSpec,
)
from generator.models.families.ldm.edm import Edm

Config = dict[str, Any]

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model.transformer.text_model."
VECTOR = f"{UNET}label_emb.0.0.weight"  # reads pooled text and the added numbers
HEAD_WIDTH = 64  # of every CLIP text encoder
UNET_CONFIG: Mapping[str, Any] = {
    "sample_size": 64,
    "act_fn": "silu",
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
}
VAE_CONFIG: Mapping[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "act_fn": "silu",
    "norm_num_groups": 32,
    "sample_size": 512,
}
TEXT_CONFIG: Mapping[str, Any] = {
    "layer_norm_eps": 1e-05,
    "attention_dropout": 0.0,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
}


@dataclass(frozen=True, slots=True)
class Hints:
    """What metadata, a ``.yaml`` or markers say beyond shapes. Empty: the family's rule."""

    unet: Config = field(default_factory=dict)
    vae: Config = field(default_factory=dict)
    text: Config = field(default_factory=dict)
    texts: tuple[Config, ...] = ()  # in place of ``text``: of each text encoder its own
    prediction: Prediction | None = None  # None: nothing says it
    zero_terminal_snr: bool = False  # trained on a schedule that ends in pure noise
    default_size: int | None = None  # pixels a side that the model was trained at
    edm: Edm | None = None  # continuous noise levels


def unet_config(shapes: Shapes, hints: Hints, family: Family) -> Config:
    """The U-Net's configuration: channels, levels, blocks, attention, context width."""
    layout = unet_layout(shapes)
    cross = [_unet_level(kind, layout.attention) for kind in ("Down", "Up")]
    width = next(shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight"))
    sizes = {
        "in_channels": shapes[f"{UNET}input_blocks.0.0.weight"][1],
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "block_out_channels": list(layout.channels),
        "layers_per_block": layout.blocks,
        "down_block_types": cross[0],
        "up_block_types": cross[1][::-1],
        "transformer_layers_per_block": list(layout.depths),
        "cross_attention_dim": width,
        "use_linear_projection": len(shapes[f"{UNET}middle_block.1.proj_in.weight"]) == 2,
    }
    return (
        dict(UNET_CONFIG)
        | {"attention_head_dim": [family.heads.of(each) for each in layout.channels]}
        | _chosen_hints(hints.unet, "attention_head_dim", "norm_num_groups")
        | sizes
        | _added_config(shapes, family)
    )


def _added_config(shapes: Shapes, family: Family) -> Config:
    """How diffusers builds the network that reads the pooled text and the added numbers."""
    if family.added is AddedCondition.NONE:
        return {}
    pooled = sum(_projection_width(shapes, each) for each in family.text_encoders if each.pooled)
    inputs, numbers = shapes[VECTOR][1], count_added_numbers(family.added)
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": (inputs - pooled) // numbers,
        "projection_class_embeddings_input_dim": inputs,
    }


def count_added_numbers(added: AddedCondition) -> int:
    """How many numbers a U-Net reads beside the pooled vector."""
    counts = {AddedCondition.SIZE_AND_CROP: 6, AddedCondition.SIZE_AND_SCORE: 5}
    return counts.get(added, 0)


def _projection_width(shapes: Shapes, spec: TextEncoderSpec) -> int:
    return shapes[f"{spec.prefix}text_projection.weight"][0]


@dataclass(frozen=True, slots=True)
class UnetLayout:
    """How LDM's flat list of blocks divides into levels."""

    channels: tuple[int, ...]  # of each level, finest first
    blocks: int  # residual blocks a level on the way down
    attention: tuple[bool, ...]  # whether a level has transformers
    depths: tuple[int, ...]  # transformer layers of each level; the last is the middle's, too


def unet_layout(shapes: Shapes) -> UnetLayout:
    """Divide ``input_blocks`` at the downsamplers (``.0.op.weight``)."""
    levels: list[list[tuple[int, int]]] = [[]]  # of each block: channels, transformer layers
    for index in range(1, count_entries(shapes, f"{UNET}input_blocks.")):
        prefix = f"{UNET}input_blocks.{index}."
        if f"{prefix}0.op.weight" in shapes:
            levels.append([])
        else:
            out = shapes[f"{prefix}0.out_layers.3.weight"][0]
            levels[-1].append((out, count_entries(shapes, f"{prefix}1.transformer_blocks.")))
    if not all(levels):
        raise KeyError(f"{UNET}input_blocks.1.0.out_layers.3.weight")
    middle = count_entries(shapes, f"{UNET}middle_block.1.transformer_blocks.")
    depths = [level[-1][1] for level in levels]
    return UnetLayout(
        channels=tuple(level[-1][0] for level in levels),
        blocks=len(levels[0]),
        attention=tuple(depth > 0 for depth in depths),
        depths=tuple(depth or middle for depth in depths),
    )


def layout_of_config(config: Mapping[str, Any]) -> UnetLayout:
    """The layout of a U-Net that was built of ``config`` (diffusers' keys)."""
    return UnetLayout(
        channels=tuple(config["block_out_channels"]),
        blocks=config["layers_per_block"],
        attention=tuple("CrossAttn" in kind for kind in config["down_block_types"]),
        depths=_depths_of(config),
    )


def _depths_of(config: Mapping[str, Any]) -> tuple[int, ...]:
    depths = config["transformer_layers_per_block"]
    return (depths,) * len(config["block_out_channels"]) if isinstance(depths, int) else (*depths,)


def vae_config(shapes: Shapes, hints: Hints, latent: LatentFormat) -> Config:
    """The VAE's configuration. ``shapes`` carry the prefix of the whole checkpoint."""
    levels = count_entries(shapes, f"{VAE}encoder.down.")
    channels = [
        shapes[f"{VAE}encoder.down.{level}.block.0.conv2.weight"][0] for level in range(levels)
    ]
    sizes = {
        "latent_channels": shapes[f"{VAE}post_quant_conv.weight"][0],
        "block_out_channels": channels,
        "layers_per_block": count_entries(shapes, f"{VAE}encoder.down.0.block."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "mid_block_add_attention": f"{VAE}decoder.mid.attn_1.q.weight" in shapes,
    }
    return (
        dict(VAE_CONFIG)
        | latent_config(latent)
        | _chosen_hints(hints.vae, "norm_num_groups", "scaling_factor")
        | sizes
    )


def latent_config(latent: LatentFormat) -> Config:
    """How a VAE's latents are scaled for the U-Net."""
    return {
        "scaling_factor": latent.scale,
        "shift_factor": latent.shift or None,
        "latents_mean": list(latent.mean) or None,
        "latents_std": list(latent.deviation) or None,
    }


def text_config(shapes: Shapes, hints: Hints, spec: TextEncoderSpec) -> Config:
    """The configuration of one text encoder, whose tensors are named as transformers names them."""
    prefix = spec.prefix
    tokens, width = shapes[f"{prefix}embeddings.token_embedding.weight"]
    projection = shapes.get(f"{prefix}text_projection.weight", (width,))
    sizes = {
        "vocab_size": tokens,
        "hidden_size": width,
        "projection_dim": projection[0],
        "intermediate_size": shapes[f"{prefix}encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": count_entries(shapes, f"{prefix}encoder.layers."),
        "max_position_embeddings": shapes[f"{prefix}embeddings.position_embedding.weight"][0],
    }
    heads = {"num_attention_heads": max(1, width // HEAD_WIDTH)}
    return (
        dict(TEXT_CONFIG)
        | {"hidden_act": spec.activation}
        | heads
        | _chosen_hints(hints.text, "num_attention_heads", "hidden_act")
        | sizes
    )


def count_entries(shapes: Shapes, prefix: str) -> int:
    """How many numbers follow ``prefix`` in the names: blocks in a list."""
    numbers = {
        name.removeprefix(prefix).partition(".")[0] for name in shapes if name.startswith(prefix)
    }
    return len(numbers)


def _unet_level(kind: str, attention: tuple[bool, ...]) -> list[str]:
    return [f"CrossAttn{kind}Block2D" if has else f"{kind}Block2D" for has in attention]


def _chosen_hints(hints: Config, *keys: str) -> Config:
    return {key: hints[key] for key in keys if hints.get(key) is not None}
