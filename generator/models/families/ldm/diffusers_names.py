"""Names of diffusers' networks in LDM's layout, by which all checkpoints are known here.

Text encoders keep transformers' inner names, which are read in every layout. No torch.
"""

import re
from collections.abc import Mapping

from generator.models.diffusers_folders import SECOND_TEXT, TEXT, VAE
from generator.models.diffusers_folders import UNET as UNET_PART
from generator.models.families.architecture import Shapes
from generator.models.families.family import TextEncoderSpec, TextLayout
from generator.models.families.ldm import sizes
from generator.models.families.ldm.keys import ldm_layers, ldm_vae_names
from generator.models.families.ldm.open_clip import ENDS
from generator.models.families.sd1 import SD1
from generator.models.families.sd2 import SD2
from generator.models.families.sdxl import SDXL, SDXL_REFINER

Names = dict[str, str]  # of a part -> in LDM's layout
_OPEN_CLIP_ENDS = {new: old for old, new in ENDS.items()}


def ldm_names(parts: Mapping[str, Shapes], *, is_open_clip: bool) -> dict[str, Names]:
    """The names of the tensors of each part; ``is_open_clip``: of the only text encoder.

    Of a folder without a U-Net they stay as they are.
    """
    if UNET_PART not in parts:
        return {part: {name: name for name in shapes} for part, shapes in parts.items()}
    names = {UNET_PART: _unet_names(parts[UNET_PART])}
    if VAE in parts:
        names[VAE] = {own: f"{sizes.VAE}{ldm}" for own, ldm in ldm_vae_names(parts[VAE]).items()}
    for part, spec in _text_specs(parts, is_open_clip).items():
        names[part] = {name: _text_name(name, spec) for name in parts[part]}
    return names


def _text_specs(parts: Mapping[str, Shapes], is_open_clip: bool) -> dict[str, TextEncoderSpec]:
    """What each text encoder is to the U-Net."""
    if SECOND_TEXT not in parts:
        only = (SD2 if is_open_clip else SD1).text_encoders[0]
        return {TEXT: only} if TEXT in parts else {}
    if TEXT not in parts:
        return {SECOND_TEXT: SDXL_REFINER.text_encoders[0]}
    return dict(zip((TEXT, SECOND_TEXT), SDXL.text_encoders, strict=True))


def _unet_names(shapes: Shapes) -> Names:
    layers = {name: _split(name)[0] for name in shapes}
    renamed = ldm_layers(dict.fromkeys(layers.values()), _layout(shapes))
    return {
        name: f"{sizes.UNET}{renamed.get(layer, layer)}{_split(name)[1]}"
        for name, layer in layers.items()
    }


def _split(name: str) -> tuple[str, str]:
    """A tensor's layer, and ``.weight`` or ``.bias``."""
    layer, dot, kind = name.rpartition(".")
    return layer, f"{dot}{kind}"


def _layout(shapes: Shapes) -> sizes.UnetLayout:
    levels = range(sizes.count_entries(shapes, "down_blocks."))
    depths = [
        sizes.count_entries(shapes, f"down_blocks.{level}.attentions.0.transformer_blocks.")
        for level in levels
    ]
    return sizes.UnetLayout(
        channels=tuple(
            shapes.get(f"down_blocks.{level}.resnets.0.conv1.weight", (0,))[0] for level in levels
        ),
        blocks=sizes.count_entries(shapes, "down_blocks.0.resnets."),
        attention=tuple(depth > 0 for depth in depths),
        depths=tuple(depths),
    )


def _text_name(name: str, spec: TextEncoderSpec) -> str:
    own = re.sub(r"^text_model\.", "", name)
    if spec.layout is TextLayout.OPEN_CLIP:
        own = _OPEN_CLIP_ENDS.get(own, own)
    return f"{spec.prefix}{own}"
