"""Which architecture a set of tensors is (contract section 5.11), told from names and shapes."""

from collections.abc import Mapping

Shapes = Mapping[str, tuple[int, ...]]

SD1 = "Stable Diffusion 1.x"
SD1_INPAINTING = "Stable Diffusion 1.x inpainting"
SD1_EDITING = "InstructPix2Pix (Stable Diffusion 1.x)"
DRAWABLE = frozenset({SD1, SD1_INPAINTING, SD1_EDITING})  # what we draw with

CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"


def architecture_of(shapes: Shapes) -> str:
    """The architecture's name in words, for a message; :data:`DRAWABLE` are those we draw with.

    The order matters: families share keys, and a later rule may hold for an earlier family.
    """
    for key, name in _MARKS:
        if any(tensor_name.startswith(key) for tensor_name in shapes):
            return name
    if len(shapes.get(CONV_IN, ())) > 1:
        return _by_input_channels(shapes[CONV_IN][1])
    return _name_non_checkpoint(shapes)


def architecture_by_context_width(width: int) -> str:
    """The architecture whose cross-attention reads text of ``width`` numbers, in words."""
    named = {768: SD1, 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
    return named.get(width, "another architecture")


_MARKS = (
    ("model.diffusion_model.x_embedder.proj.weight", "Stable Diffusion 3"),
    ("model.diffusion_model.double_blocks.", "Flux"),
    ("double_blocks.", "Flux (without text encoder and VAE)"),
    ("conditioner.embedders.1.model.ln_final.weight", "Stable Diffusion XL"),
    ("conditioner.embedders.0.model.ln_final.weight", "Stable Diffusion XL refiner"),
    ("depth_model.", "Stable Diffusion 2 depth"),
    ("embedder.model.ln_final.weight", "Stable Diffusion unCLIP"),
    ("cond_stage_model.model.", "Stable Diffusion 2"),
    ("cond_stage_model.roberta.", "AltDiffusion"),
    ("control_model.", "a ControlNet"),
)


def _by_input_channels(channels: int) -> str:
    named = {
        4: SD1,
        8: SD1_EDITING,
        9: SD1_INPAINTING,
    }
    return named.get(channels, f"a U-Net of {channels} input channels")


def _name_non_checkpoint(shapes: Shapes) -> str:
    names = list(shapes)
    if any(name.startswith(("lora_unet_", "lora_te", "lycoris_")) for name in names):
        return "a LoRA"
    if any(name.removeprefix("first_stage_model.").startswith("decoder.") for name in names):
        return "a VAE"
    if "emb_params" in names or "string_to_param" in names:
        return "an embedding (textual inversion)"
    if any(name.startswith("down_blocks.") for name in names):
        return "a U-Net in diffusers' layout (not a single-file checkpoint)"
    return "no architecture that Easel knows"
