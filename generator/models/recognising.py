"""What kind of model a safetensors header is of, told by names and shapes. No torch.

It decides nothing: files are of the kind of the folder that they lie in. It suggests that folder.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from generator.models import adapter_names
from generator.models.families import Shapes, architecture, by_context_width
from generator.models.families.sd1 import control
from generator.models.kinds import SHELVES, Kind

CONTEXT = ("attn2.to_k.weight", "attn2_to_k.lora_down.weight", "attn2.to_k.lora_A.weight")
MODELSPEC = "modelspec.architecture"  # "stable-diffusion-v1/lora"
TRAINER = "ss_base_model_version"  # "sd_v1", "sdxl_base_v1-0"
SPECIFIED = {
    "lora": Kind.LORA,
    "textual-inversion": Kind.EMBEDDING,
    "controlnet": Kind.CONTROLNET,
    "control-lora": Kind.CONTROLNET,
    "vae": Kind.VAE,
}
_ADAPTED = re.compile(
    r"(^(lora|lycoris|oft)_(unet|te|te1|te2|transformer|prior|text_model)_)"
    r"|(\.(lora_[AB]|lora_(up|down|mid)|lora\.(up|down)|lora_linear_layer\.(up|down))\b)"
    r"|(_lora\.(up|down)\.weight$)"
    r"|(\.(hada_w[12]_[ab]|lokr_w[12](_[ab])?|oft_(blocks|diag)|dora_scale)$)"
)
_UPSCALERS = (  # names that only one family of upscalers has, and its folder
    (re.compile(r"^(params(_ema)?\.)?layers\.0\.residual_group\.blocks\."), "models/SwinIR"),
    (re.compile(r"^(params(_ema)?\.)?layers\.0\.blocks\.\d+\.attn\."), "models/DAT"),
    (re.compile(r"^m_(head|down1)\.0\."), "models/ScuNET"),
    (re.compile(r"(^|\.)(RRDB_trunk|body)\.\d+\.(RDB|rdb)1\.conv1\."), "models/ESRGAN"),
    (re.compile(r"^model\.1\.sub\.\d+\.RDB1\."), "models/ESRGAN"),
)
_FACES = (
    (re.compile(r"^(params(_ema)?\.)?stylegan_decoder\."), Kind.GFPGAN),
    (re.compile(r"^(params(_ema)?\.)?quantize\.embedding\."), Kind.CODEFORMER),
)


@dataclass(frozen=True, slots=True)
class Recognised:
    """A kind, the folder of it below the data directory, and the architecture in words."""

    kind: Kind | None = None  # None: nothing that Easel has a folder for
    folder: str = ""
    architecture: str = ""


def recognise(shapes: Shapes, metadata: Mapping[str, str]) -> Recognised:
    """What the file with these tensors and metadata is, as far as one can tell."""
    kind, folder = _kind(shapes, metadata)
    if kind is None:
        return Recognised()
    return Recognised(kind, folder or SHELVES[kind].made[0], _architecture(kind, shapes, metadata))


def _kind(shapes: Shapes, metadata: Mapping[str, str]) -> tuple[Kind | None, str]:
    told = SPECIFIED.get(metadata.get(MODELSPEC, "").partition("/")[2])
    if told is not None:
        return told, ""
    if _is_control_adapter(shapes):
        return Kind.CONTROLNET, ""
    if any(_ADAPTED.search(name) for name in shapes):
        return Kind.LORA, ""
    for pattern, folder in _UPSCALERS:
        if any(pattern.search(name) for name in shapes):
            return Kind.UPSCALER, folder
    for pattern, kind in _FACES:
        if any(pattern.search(name) for name in shapes):
            return kind, ""
    return _by_architecture(shapes), ""


def _is_control_adapter(shapes: Shapes) -> bool:
    marks = [part for part, _ in control.OTHERS if part != "transformer_blocks.0.attn.to_q.weight"]
    return any(part in name for name in shapes for part in marks)


def _by_architecture(shapes: Shapes) -> Kind | None:
    found = architecture(shapes)
    if found in ("a LoRA", "a VAE"):
        return Kind.LORA if found == "a LoRA" else Kind.VAE
    bare = {control.bare(name): shape for name, shape in shapes.items()}
    if control.kind(bare) in control.CONTEXTS.values():
        return Kind.CONTROLNET
    if found.startswith("an embedding") or _is_embedding(shapes):
        return Kind.EMBEDDING
    nothing = ("no architecture", "a U-Net in diffusers' layout")
    return None if found.startswith(nothing) else Kind.CHECKPOINT


def _is_embedding(shapes: Shapes) -> bool:
    """One or two lists of vectors: a word, or a word for the two encoders of SDXL."""
    plain = all(
        len(shape) in (1, 2) and shape[-1] in (768, 1024, 1280) for shape in shapes.values()
    )
    return 1 <= len(shapes) <= 2 and plain


def _architecture(kind: Kind, shapes: Shapes, metadata: Mapping[str, str]) -> str:
    told = metadata.get(MODELSPEC, "").partition("/")[0] or metadata.get(TRAINER, "")
    if kind is Kind.CHECKPOINT:
        return architecture(shapes)
    if kind is Kind.LORA:
        foreign = adapter_names.architecture(shapes)
        width = _context_width(shapes)
        return foreign or (by_context_width(width) if width else told)
    return told


def _context_width(shapes: Shapes) -> int:
    widths = (shape[-1] for name, shape in shapes.items() if name.endswith(CONTEXT) and shape)
    return next(widths, 0)
