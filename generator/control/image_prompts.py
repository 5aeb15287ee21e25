"""What an IP-Adapter makes of a unit's picture: tokens that a U-Net attends to beside the text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor

from generator.control.image_encoders import ImageEncoder, find_encoder, open_encoder
from generator.control.ip_adapters import IPAdapter, open_ip_adapter
from generator.control.map_resize import Pixels
from generator.control.modules import Module
from generator.control.units import CONTROLNET_FIELD
from generator.errors import BadRequest
from generator.models.families.ldm.clip_vision import (
    KNOWN_ENCODERS,
    VIT_BIG_G,
    VIT_H,
    EncoderSizes,
)
from generator.models.families.ldm.ip_adapter import IPAdapterLayout
from generator.models.index import ModelFile
from generator.models.registry import Registry
from generator.models.residency import Residency, ResidentKind
from generator.models.weight_sizes import bytes_of, expected_bytes

AUTO = "ip-adapter-auto"
ENCODER_OF_MODULE: Mapping[str, EncoderSizes] = MappingProxyType(
    {
        "ip-adapter_clip_sd15": VIT_H,
        "ip-adapter_clip_sdxl": VIT_BIG_G,
        "ip-adapter_clip_sdxl_plus_vith": VIT_H,
    }
)
"""The image encoder that a module names; the module ``ip-adapter-auto`` takes the file's."""


@dataclass(frozen=True, slots=True, eq=False)
class ImagePrompt:
    """A picture as an IP-Adapter tells it to the U-Net."""

    adapter: IPAdapter
    tokens: Tensor  # (2,tokens,text width): of the picture, for rows of the prompt; of none


class ImagePromptReader:
    """Loads IP-Adapters and image encoders, kept as memory allows. Not for several threads."""

    def __init__(self, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        self._device = device
        self._dtype = dtype
        self._residency = residency

    def read(
        self,
        module: Module,
        file: ModelFile,
        registry: Registry,
        pixels: Pixels,
        say: Callable[[str], object] = str,
    ) -> ImagePrompt:
        """The tokens of a picture (H,W,3), or (H,W,4) with 255 where nothing is to be seen.

        ``say`` hears what takes its time. Raises :class:`generator.errors.WrongArchitecture` for a
        ``file`` that is no IP-Adapter or reads faces, :class:`generator.errors.ModelNotFound`
        where its image encoder is not here, :class:`BadRequest` where ``module`` is for another.
        """
        adapter = self._load_adapter(file, say)
        layout = adapter.layout
        check_module(module, file, layout)
        encoder_file = find_encoder(
            registry, file.name, layout.image_width, patches=layout.kind.reads_patches
        )
        encoder = self._load_encoder(encoder_file, say)
        with torch.no_grad():
            seen = (
                encoder.read_patches(pixels)
                if layout.kind.reads_patches
                else encoder.read_picture(pixels)
            )
            tokens = adapter.projection(seen)
        self._residency.release(ResidentKind.IMAGE_ENCODER)  # what draws may take its place
        return ImagePrompt(adapter, tokens)

    def _load_adapter(self, file: ModelFile, say: Callable[[str], object]) -> IPAdapter:
        found = self._residency.find(ResidentKind.IP_ADAPTER, file)
        if found is not None:
            return cast(IPAdapter, found)
        say(f"Loading weights from {file.name}")
        source = open_ip_adapter(file)
        self._make_room(ResidentKind.IP_ADAPTER, file)
        adapter = source.load(self._device, self._dtype)
        self._residency.add(ResidentKind.IP_ADAPTER, file, adapter, bytes_of(adapter))
        return adapter

    def _load_encoder(self, file: ModelFile, say: Callable[[str], object]) -> ImageEncoder:
        found = self._residency.find(ResidentKind.IMAGE_ENCODER, file)
        if found is not None:
            return cast(ImageEncoder, found)
        say(f"Loading weights from {file.name}")
        source = open_encoder(file)
        self._make_room(ResidentKind.IMAGE_ENCODER, file)
        encoder = source.load(self._device, self._dtype)
        self._residency.add(ResidentKind.IMAGE_ENCODER, file, encoder, bytes_of(encoder))
        return encoder

    def _make_room(self, kind: ResidentKind, file: ModelFile) -> None:
        self._residency.make_room(kind, file, expected_bytes(file, self._dtype))


def check_module(module: Module, file: ModelFile, layout: IPAdapterLayout) -> None:
    """Raise :class:`BadRequest` where ``module`` names another encoder than the file's."""
    named = ENCODER_OF_MODULE.get(module.name)
    if named is None:
        return
    patches = layout.kind.reads_patches
    other = VIT_BIG_G if named is VIT_H else VIT_H
    if layout.image_width == other.width(patches=patches) != named.width(patches=patches):
        raise BadRequest(
            f"{CONTROLNET_FIELD}: {module.name} reads pictures through {KNOWN_ENCODERS[named]}, "
            f"but {file.name} was trained with {KNOWN_ENCODERS[other]}. Choose the module {AUTO}",
            CONTROLNET_FIELD,
        )
