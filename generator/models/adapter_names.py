"""Normalises layer names in adapter files to kohya's form.

Known: kohya's sd-scripts and LyCORIS (``lora_unet_mid_block_...``, ``lora_te_text_model_...``,
``lora_te1_...``, ``oft_unet_...``, ``lycoris_...``), the same with LDM's names of the blocks, and
the dotted names of diffusers and PEFT (``unet.mid_block...lora_A.weight``), and those of programs
that keep the text encoder under ``clip_l``. Pure; no torch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from generator.models.families.architecture import Architecture

UNET = "lora_unet_"
TEXT = "lora_te_text_model_"
SECOND_TEXT = "lora_te2_text_model_"  # SDXL's OpenCLIP
BUNDLE = "bundle_emb."
MAGNITUDE = "lora_magnitude_vector"  # PEFT's DoRA

_TEXT_PARTS = r"(?=(?:encoder.layers|embeddings|final_layer_norm)(?:[._]|$))"
_FLAT_PREFIXES = (  # layers without dots; the first that fits is replaced
    (
        re.compile(
            r"(?:lora|lycoris|oft|boft)_(?:te2|text_encoder_2|(?:te2?_)?clip_g)_"
            r"(?:transformer_)?(?:text_model_)?(?=(?:encoder_layers|embeddings|final_layer_norm"
            r"|text_projection)(?:[._]|$))"
        ),
        SECOND_TEXT,
    ),
    (
        re.compile(
            r"(?:lora|lycoris|oft|boft)_(?:te1?|text_encoder|te1?_clip_l|clip_l)?_?"
            r"(?:transformer_)?(?:text_model_)?" + _TEXT_PARTS
        ),
        TEXT,
    ),
    (re.compile(r"lora_te1?_text_model_"), TEXT),
    (re.compile(r"(?:lora|lycoris|oft|boft)_unet_"), UNET),
    (re.compile(r"lycoris_"), UNET),
)
_DOTTED_PREFIXES = (
    (
        re.compile(
            r"(?:(?:lora_te2|te2|text_encoder_2|(?:text_encoders?\.)?clip_g)\.)"
            r"(?:transformer\.)?(?:text_model\.)?"
        ),
        SECOND_TEXT,
    ),
    (
        re.compile(
            r"(?:(?:lora_te1?|te1?|text_encoders?|cond_stage_model|conditioner\.embedders\.0)\.)?"
            r"(?:clip_l\.)?(?:transformer\.)?(?:text_model\.)?" + _TEXT_PARTS
        ),
        TEXT,
    ),
    (re.compile(r"(?:text_encoder\.)?text_model\.|text_encoder\."), TEXT),
    (re.compile(r"(?:lora_)?unet\.|(?:model\.)?diffusion_model\."), UNET),
)
_BLOCKS = ("down_blocks.", "mid_block.", "up_blocks.", "conv_in.", "conv_out.", "time_embedding.")
_WRAPPER = re.compile(r"\bbase_model\.model\.")  # PEFT saves its own wrapping along
_FACTOR_NAMES = {  # endings of dotted names -> kohya's
    **{
        f"{own}{weight}": f"{kohya}.weight"
        for own, kohya in (
            ("lora_A", "lora_down"), ("lora_B", "lora_up"),
            ("lora_down", "lora_down"), ("lora_up", "lora_up"), ("lora_mid", "lora_mid"),
        )
        for weight in (".weight", "")
    },
    "lora.down.weight": "lora_down.weight",
    "lora.up.weight": "lora_up.weight",
    "lora_linear_layer.down.weight": "lora_down.weight",
    "lora_linear_layer.up.weight": "lora_up.weight",
    MAGNITUDE: MAGNITUDE,
    f"{MAGNITUDE}.weight": MAGNITUDE,
    "lora.alpha": "alpha",
    **{
        name: name
        for name in (
            "alpha", "scale", "dora_scale", "diff", "diff_b", "oft_blocks", "oft_diag", "rescale",
            "w_norm", "b_norm", "bias_indices", "bias_values", "bias_size",
            "a1.weight", "a2.weight", "b1.weight", "b2.weight",
            "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
            "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
        )
    },
}  # fmt: skip
_ENDINGS = tuple(sorted(_FACTOR_NAMES, key=len, reverse=True))  # "lora.alpha" before "alpha"
_PROCESSOR = re.compile(r"(?:\.processor)?\.to_(q|k|v|out)_lora\.(down|up)\.(weight|alpha)$")
_TEXT_PROJECTIONS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "out_proj"}
_ADAPTER_NAME = re.compile(  # PEFT writes ".default" behind the factor
    r"\b(lora_(?:A|B|down|up|mid)|lora_magnitude_vector|(?:hada|lokr)_[wt]\d(?:_[ab])?)"
    r"\.(?!weight$)[^.]+(?=\.weight$|$)"
)


@dataclass(frozen=True, slots=True)
class LayerFactor:
    """What one tensor is: a factor of the change of one layer, both in kohya's words."""

    layer: str
    factor: str


def parse_key(key: str) -> LayerFactor | None:
    """Where the tensor ``key`` of a file belongs; None for a name of no known kind."""
    key = _ADAPTER_NAME.sub(r"\1", _WRAPPER.sub("", key))
    layer, _, factor = key.partition(".")
    for prefix, own in _FLAT_PREFIXES:
        found = prefix.match(layer)
        if found is not None:
            factor = _FACTOR_NAMES.get(factor, factor)
            return LayerFactor(own + layer[found.end() :], factor) if factor else None
    return _parse_dotted(key)


def architecture_of_keys(keys: Mapping[str, object] | set[str]) -> Architecture | None:
    """The only architecture that has layers named like these; None if they do not tell."""
    for pattern, architecture in _FOREIGN_PATTERNS:
        if any(pattern.search(key) for key in keys):
            return architecture
    return None


_FOREIGN_PATTERNS = (
    (
        re.compile(r"^((lora|oft|lycoris)_te2_|text_encoder_2\.|(text_encoders\.)?clip_g\.)"),
        Architecture.SDXL,
    ),
    (re.compile(r"(double_blocks|single_transformer_blocks|single_blocks)[._]"), Architecture.FLUX),
    (
        re.compile(r"^(transformer\.(?!text_model\.)|lora_transformer_)|joint_blocks[._]"),
        Architecture.SD3,
    ),
)


def _parse_dotted(key: str) -> LayerFactor | None:
    matches = ((prefix.match(key), own) for prefix, own in _DOTTED_PREFIXES)
    own, rest = next(((own, key[found.end() :]) for found, own in matches if found), ("", key))
    if not own and not key.startswith(_BLOCKS):
        return None
    own = own or UNET
    old = _PROCESSOR.search(rest)
    if old is not None:
        return LayerFactor(
            to_kohya_name(own, rest[: old.start()] + _projection(own, old[1])), _old_factor(old)
        )
    ending = next((e for e in _ENDINGS if rest.endswith(f".{e}")), None)
    if ending is None:
        return None
    return LayerFactor(to_kohya_name(own, rest.removesuffix(f".{ending}")), _FACTOR_NAMES[ending])


def _projection(own: str, letter: str) -> str:
    """The layer behind ``to_q_lora`` in diffusers' first LoRA files."""
    if own in (TEXT, SECOND_TEXT):
        return f".{_TEXT_PROJECTIONS[letter]}"
    return ".to_out.0" if letter == "out" else f".to_{letter}"


def _old_factor(match: re.Match[str]) -> str:
    return "alpha" if match[3] == "alpha" else f"lora_{match[2]}.weight"


def to_kohya_name(own: str, layer: str) -> str:
    """The name of a layer in kohya's spelling, behind its network's prefix ``own``."""
    return own + layer.replace(".", "_")
