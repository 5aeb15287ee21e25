"""The layers of a checkpoint that adapters change, by the names that kohya's trainer gives them."""

import re
from dataclasses import dataclass
from typing import cast

from torch import nn

from generator.models.adapter_names import UNET, to_kohya_name
from generator.models.checkpoint import Checkpoint
from generator.models.families.ldm.keys import ldm_layers
from generator.models.families.ldm.sizes import layout_of_config
from generator.models.families.lora_blocks import BASE, MIDDLE

_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.|(middle_block)\.")


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedLayer:
    """A layer with a weight, and the block by which tags weight it."""

    module: nn.Module
    block: str | None  # BASE in a text encoder; None in the U-Net before and after its blocks

    @property
    def weight(self) -> nn.Parameter:
        """What an adapter's main change is added to."""
        return cast(nn.Parameter, self.module.weight)


def layers_by_kohya_name(checkpoint: Checkpoint) -> dict[str, AdaptedLayer]:
    """Every layer with a weight. The U-Net's have two names: of diffusers' blocks and of LDM's."""
    unet = {name: module for name, module in checkpoint.unet.named_modules() if _has_weight(module)}
    ldm = ldm_layers(unet, layout_of_config(checkpoint.unet.config))
    layers = {
        name: AdaptedLayer(module, block_of(ldm.get(name, ""))) for name, module in unet.items()
    }
    found = {to_kohya_name(UNET, old): layers[new] for new, old in ldm.items()}
    found |= {to_kohya_name(UNET, name): layer for name, layer in layers.items()}
    for encoder in checkpoint.text_encoders:
        found |= {
            to_kohya_name(encoder.spec.lora_prefix, name.removeprefix("text_model.")): AdaptedLayer(
                module, BASE
            )
            for name, module in encoder.model.named_modules()
            if _has_weight(module)
        }
    return found


def block_of(layer: str) -> str | None:
    """The block of a layer by its name in LDM's U-Net: ``input_blocks.4.1...`` is IN04."""
    match = _BLOCK.match(layer)
    if match is None:
        return None
    if match[3]:
        return MIDDLE
    return f"{'IN' if match[1] == 'input' else 'OUT'}{int(match[2]):02}"


def _has_weight(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), nn.Parameter)
