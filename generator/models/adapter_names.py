"""How files name the layers that they change, brought to one form: kohya's.

Known: kohya's sd-scripts and LyCORIS (``lora_unet_mid_block_...``, ``lora_te_text_model_...``,
``lora_te1_...``, ``oft_unet_...``, ``lycoris_...``), the same with LDM's names of the blocks, and
the dotted names of diffusers and PEFT (``unet.mid_block...lora_A.weight``). Pure; no torch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

UNET = "lora_unet_"
TEXT = "lora_te_text_model_"
BUNDLE = "bundle_emb."
MAGNITUDE = "lora_magnitude_vector"  # PEFT's DoRA

_FLAT = (  # layers without dots; the first that fits is replaced
    ("lora_unet_", UNET),
    ("lora_te_text_model_", TEXT),
    ("lora_te1_text_model_", TEXT),
    ("oft_unet_", UNET),
    ("oft_te_text_model_", TEXT),
    ("lycoris_text_model_", TEXT),
    ("lycoris_unet_", UNET),
    ("lycoris_", UNET),
)
_DOTTED = (
    ("unet.", UNET),
    ("model.diffusion_model.", UNET),
    ("diffusion_model.", UNET),
    ("text_encoder.text_model.", TEXT),
    ("text_model.", TEXT),
    ("text_encoder.", TEXT),
)
_BLOCKS = ("down_blocks.", "mid_block.", "up_blocks.", "conv_in.", "conv_out.", "time_embedding.")
_WRAPPER = "base_model.model."  # PEFT saves its own wrapping along
_PLAIN = {  # endings of dotted names -> kohya's
    "lora_A.weight": "lora_down.weight",
    "lora_B.weight": "lora_up.weight",
    "lora.down.weight": "lora_down.weight",
    "lora.up.weight": "lora_up.weight",
    "lora_linear_layer.down.weight": "lora_down.weight",
    "lora_linear_layer.up.weight": "lora_up.weight",
    "lora_down.weight": "lora_down.weight",
    "lora_up.weight": "lora_up.weight",
    "lora_mid.weight": "lora_mid.weight",
    MAGNITUDE: MAGNITUDE,
    f"{MAGNITUDE}.weight": MAGNITUDE,
    "lora.alpha": "alpha",
    **{
        name: name
        for name in (
            "alpha", "scale", "dora_scale", "diff", "diff_b", "oft_blocks", "oft_diag", "rescale",
            "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
            "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
        )
    },
}  # fmt: skip
_ENDINGS = tuple(sorted(_PLAIN, key=len, reverse=True))  # "lora.alpha" before "alpha"
_PROCESSOR = re.compile(r"(?:\.processor)?\.to_(q|k|v|out)_lora\.(down|up)\.(weight|alpha)$")
_TEXT_PROJECTIONS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "out_proj"}
_ADAPTER_NAME = re.compile(r"\b(lora_[AB]|lora_magnitude_vector)\.(?!weight$)\w+(?=\.weight$|$)")


@dataclass(frozen=True, slots=True)
class Place:
    """What one tensor is: a factor of the change of one layer, both in kohya's words."""

    layer: str
    factor: str


def place(key: str) -> Place | None:
    """Where the tensor ``key`` of a file belongs; None for a name of no known kind."""
    key = key.removeprefix(_WRAPPER)
    layer, _, factor = key.partition(".")
    for prefix, own in _FLAT:
        if layer.startswith(prefix):
            return Place(own + layer.removeprefix(prefix), factor) if factor else None
    return _dotted(key)


def architecture(keys: Mapping[str, object] | set[str]) -> str:
    """The architecture that only one can have made names like these for; "" if they do not tell."""
    for pattern, name in _FOREIGN:
        if any(pattern.search(key) for key in keys):
            return name
    return ""


_FOREIGN = (
    (re.compile(r"^(lora_te2_|text_encoder_2\.|oft_te2_)"), "Stable Diffusion XL"),
    (re.compile(r"(double_blocks|single_transformer_blocks|single_blocks)[._]"), "Flux"),
    (re.compile(r"^(transformer\.|lora_transformer_)|joint_blocks[._]"), "Stable Diffusion 3"),
)


def _dotted(key: str) -> Place | None:
    key = _ADAPTER_NAME.sub(r"\1", key)
    prefix, own = next(((p, o) for p, o in _DOTTED if key.startswith(p)), ("", ""))
    if not own and not key.startswith(_BLOCKS):
        return None
    rest, own = key.removeprefix(prefix), own or UNET
    old = _PROCESSOR.search(rest)
    if old is not None:
        return Place(_flat(own, rest[: old.start()] + _projection(own, old[1])), _old_factor(old))
    ending = next((e for e in _ENDINGS if rest.endswith(f".{e}")), None)
    if ending is None:
        return None
    return Place(_flat(own, rest.removesuffix(f".{ending}")), _PLAIN[ending])


def _projection(own: str, letter: str) -> str:
    """The layer behind ``to_q_lora`` in diffusers' first LoRA files."""
    if own == TEXT:
        return f".{_TEXT_PROJECTIONS[letter]}"
    return ".to_out.0" if letter == "out" else f".to_{letter}"


def _old_factor(found: re.Match[str]) -> str:
    return "alpha" if found[3] == "alpha" else f"lora_{found[2]}.weight"


def _flat(own: str, layer: str) -> str:
    return own + layer.replace(".", "_")
