"""Detects the architecture of a set of tensors by names and shapes (contract section 5.11)."""

from collections.abc import Mapping
from enum import Enum

Shapes = Mapping[str, tuple[int, ...]]

CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"


class Architecture(Enum):
    """What a file of tensors is: a family of networks, or a part that is no checkpoint.

    Compare members; :attr:`label` is for messages.
    """

    SD1 = "Stable Diffusion 1.x"
    SD1_INPAINTING = "Stable Diffusion 1.x inpainting"
    SD1_EDITING = "InstructPix2Pix (Stable Diffusion 1.x)"
    SD2 = "Stable Diffusion 2"
    SD2_DEPTH = "Stable Diffusion 2 depth"
    SD3 = "Stable Diffusion 3"
    SDXL = "Stable Diffusion XL"
    SDXL_REFINER = "Stable Diffusion XL refiner"
    UNCLIP = "Stable Diffusion unCLIP"
    ALT_DIFFUSION = "AltDiffusion"
    FLUX = "Flux"
    FLUX_TRANSFORMER = "Flux (without text encoder and VAE)"
    OTHER_UNET = "a U-Net of another number of input channels"
    CONTROLNET = "a ControlNet"
    LORA = "a LoRA"
    VAE = "a VAE"
    EMBEDDING = "an embedding (textual inversion)"
    DIFFUSERS_UNET = "a U-Net in diffusers' layout (not a single-file checkpoint)"
    OTHER = "another architecture"  # of the width of its text nothing more is known
    UNKNOWN = "no architecture that Easel knows"

    @property
    def label(self) -> str:
        """Its name in words, for people."""
        return self.value


DRAWABLE = frozenset({Architecture.SD1, Architecture.SD1_INPAINTING, Architecture.SD1_EDITING})
"""Those that Easel draws with."""


def architecture_of(shapes: Shapes) -> Architecture:
    """The architecture of these tensors; :data:`DRAWABLE` are those we draw with.

    The order matters: families share keys, and a later rule may hold for an earlier family.
    """
    for key, architecture in _MARKS:
        if any(tensor_name.startswith(key) for tensor_name in shapes):
            return architecture
    channels = _input_channels(shapes)
    if channels is not None:
        return _BY_INPUT_CHANNELS.get(channels, Architecture.OTHER_UNET)
    return _detect_part(shapes)


def describe_architecture(shapes: Shapes) -> str:
    """The label of their architecture; of a U-Net that is none of ours, its input channels."""
    architecture = architecture_of(shapes)
    if architecture is Architecture.OTHER_UNET:
        return f"a U-Net of {_input_channels(shapes)} input channels"
    return architecture.label


def architecture_by_context_width(width: int) -> Architecture:
    """The architecture whose cross-attention reads text of ``width`` numbers."""
    return _BY_CONTEXT_WIDTH.get(width, Architecture.OTHER)


_MARKS = (
    ("model.diffusion_model.x_embedder.proj.weight", Architecture.SD3),
    ("model.diffusion_model.double_blocks.", Architecture.FLUX),
    ("double_blocks.", Architecture.FLUX_TRANSFORMER),
    ("conditioner.embedders.1.model.ln_final.weight", Architecture.SDXL),
    ("conditioner.embedders.0.model.ln_final.weight", Architecture.SDXL_REFINER),
    ("depth_model.", Architecture.SD2_DEPTH),
    ("embedder.model.ln_final.weight", Architecture.UNCLIP),
    ("cond_stage_model.model.", Architecture.SD2),
    ("cond_stage_model.roberta.", Architecture.ALT_DIFFUSION),
    ("control_model.", Architecture.CONTROLNET),
)
_BY_INPUT_CHANNELS: Mapping[int, Architecture] = {
    4: Architecture.SD1,
    8: Architecture.SD1_EDITING,
    9: Architecture.SD1_INPAINTING,
}
_BY_CONTEXT_WIDTH: Mapping[int, Architecture] = {
    768: Architecture.SD1,
    1024: Architecture.SD2,
    2048: Architecture.SDXL,
}


def _input_channels(shapes: Shapes) -> int | None:
    """Channels that the U-Net of a checkpoint reads; None where there is no such U-Net."""
    shape = shapes.get(CONV_IN, ())
    return shape[1] if len(shape) > 1 else None


def _detect_part(shapes: Shapes) -> Architecture:
    names = list(shapes)
    if any(name.startswith(("lora_unet_", "lora_te", "lycoris_")) for name in names):
        return Architecture.LORA
    if any(name.removeprefix("first_stage_model.").startswith("decoder.") for name in names):
        return Architecture.VAE
    if "emb_params" in names or "string_to_param" in names:
        return Architecture.EMBEDDING
    if any(name.startswith("down_blocks.") for name in names):
        return Architecture.DIFFUSERS_UNET
    return Architecture.UNKNOWN
