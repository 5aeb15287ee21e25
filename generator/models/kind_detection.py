"""Detects the kind of model from a safetensors header by names and shapes. No torch.

It decides nothing: files are of the kind of the folder that they lie in. It suggests that folder.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from generator.models import adapter_names
from generator.models.families.architecture import (
    IP_ADAPTERS,
    PARTS,
    Architecture,
    Shapes,
    architecture_by_context_width,
)
from generator.models.families.detection import architecture_of, describe_architecture
from generator.models.families.ldm import controlnet
from generator.models.kinds import FOLDERS_BY_KIND, ModelKind
from generator.models.trainer_notes import MODELSPEC, TRAINER

CONTEXT = ("attn2.to_k.weight", "attn2_to_k.lora_down.weight", "attn2.to_k.lora_A.weight")
MODELSPEC_KINDS = {
    "lora": ModelKind.LORA,
    "textual-inversion": ModelKind.EMBEDDING,
    "controlnet": ModelKind.CONTROLNET,
    "control-lora": ModelKind.CONTROLNET,
    "vae": ModelKind.VAE,
}
_ADAPTER_NAMES = re.compile(
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
    (re.compile(r"^(params(_ema)?\.)?stylegan_decoder\."), ModelKind.GFPGAN),
    (re.compile(r"^(params(_ema)?\.)?idx_pred_layer\."), ModelKind.CODEFORMER),
    (re.compile(r"^(params(_ema)?\.)?quantize\.embedding\."), ModelKind.GFPGAN),  # RestoreFormer
    (re.compile(r"^(module\.)?LandmarkHead\.0\."), ModelKind.FACE_DETECTION),
    (re.compile(r"^out_mask_conv\.conv2d\."), ModelKind.FACE_DETECTION),
)


@dataclass(frozen=True, slots=True)
class DetectedKind:
    """A kind, the folder of it below the data directory, and the architecture in words."""

    kind: ModelKind | None = None  # None: nothing that Easel has a folder for
    folder: str = ""
    architecture: str = ""


def detect_kind(shapes: Shapes, metadata: Mapping[str, str]) -> DetectedKind:
    """What the file with these tensors and metadata is, as far as one can tell."""
    kind, folder = _kind_of(shapes, metadata)
    if kind is None:
        return DetectedKind()
    return DetectedKind(
        kind, folder or FOLDERS_BY_KIND[kind].created[0], _architecture_name(kind, shapes, metadata)
    )


def _kind_of(shapes: Shapes, metadata: Mapping[str, str]) -> tuple[ModelKind | None, str]:
    declared = MODELSPEC_KINDS.get(metadata.get(MODELSPEC, "").partition("/")[2])
    if declared is not None:
        return declared, ""
    if _is_control_adapter(shapes):
        return ModelKind.CONTROLNET, ""
    if any(_ADAPTER_NAMES.search(name) for name in shapes):
        return ModelKind.LORA, ""
    for pattern, folder in _UPSCALERS:
        if any(pattern.search(name) for name in shapes):
            return ModelKind.UPSCALER, folder
    for pattern, kind in _FACES:
        if any(pattern.search(name) for name in shapes):
            return kind, ""
    return _by_architecture(shapes), ""


def _is_control_adapter(shapes: Shapes) -> bool:
    marks = [mark for mark, _ in controlnet.KIND_BY_MARK if mark != controlnet.TRANSFORMER_MARK]
    return any(part in name for name in shapes for part in marks)


def _by_architecture(shapes: Shapes) -> ModelKind | None:
    architecture = architecture_of(shapes)
    if architecture is Architecture.LORA:
        return ModelKind.LORA
    if architecture is Architecture.VAE:
        return ModelKind.VAE
    bare = {controlnet.strip_prefix(name): shape for name, shape in shapes.items()}
    if controlnet.kind_of(bare) in controlnet.KIND_BY_CONTEXT_WIDTH.values():
        return ModelKind.CONTROLNET
    if architecture is Architecture.EMBEDDING or _is_embedding(shapes):
        return ModelKind.EMBEDDING
    if architecture is Architecture.CONTROLNET:
        return ModelKind.CONTROLNET
    return None if architecture in PARTS else ModelKind.CHECKPOINT


def _is_embedding(shapes: Shapes) -> bool:
    """One or two lists of vectors: a word, or a word for the two encoders of SDXL."""
    plain = all(
        len(shape) in (1, 2) and shape[-1] in (768, 1024, 1280) for shape in shapes.values()
    )
    return 1 <= len(shapes) <= 2 and plain


def _architecture_name(kind: ModelKind, shapes: Shapes, metadata: Mapping[str, str]) -> str:
    declared = metadata.get(MODELSPEC, "").partition("/")[0] or metadata.get(TRAINER, "")
    if kind is ModelKind.CHECKPOINT:
        return describe_architecture(shapes)
    if kind is ModelKind.LORA:
        architecture = adapter_names.architecture_of_keys(shapes)
        if architecture is None and (width := _context_width(shapes)):
            architecture = architecture_by_context_width(width)
        return declared if architecture is None else architecture.label
    if kind is ModelKind.CONTROLNET and (architecture := architecture_of(shapes)) in IP_ADAPTERS:
        return architecture.label
    return declared


def _context_width(shapes: Shapes) -> int:
    widths = (shape[-1] for name, shape in shapes.items() if name.endswith(CONTEXT) and shape)
    return next(widths, 0)
