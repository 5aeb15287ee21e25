"""What an IP-Adapter makes of a unit's picture: tokens that a U-Net attends to beside the text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from generator.control.image_encoders import ImageEncoder, open_encoder
from generator.control.image_prompt_files import find_encoder
from generator.control.ip_adapters import IPAdapter, open_ip_adapter
from generator.control.map_resize import Pixels
from generator.control.modules import Module
from generator.models.index import ModelFile
from generator.models.registry import Registry
from generator.models.residency import Residency, ResidentKind
from generator.models.weight_sizes import bytes_of, expected_bytes


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

        ``say`` hears what takes its time. Raises what
        :mod:`generator.control.image_prompt_files` refuses.
        """
        adapter = self._load_adapter(file, say)
        layout = adapter.layout
        encoder = self._load_encoder(find_encoder(registry, module, file, layout), say)
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
