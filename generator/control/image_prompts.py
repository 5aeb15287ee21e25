"""What an IP-Adapter makes of a unit's picture: tokens that a U-Net attends to beside the text."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor

from generator.control.image_encoders import open_encoder
from generator.control.image_prompt_files import find_encoder
from generator.control.ip_adapters import IPAdapter, open_ip_adapter
from generator.control.map_resize import Pixels
from generator.control.modules import Module
from generator.models.index import ModelFile
from generator.models.registry import Registry
from generator.models.residency import Residency, ResidentKind
from generator.models.resident_loading import load_resident

Network = TypeVar("Network")
_Loaded = TypeVar("_Loaded", covariant=True)


class _Source(Protocol[_Loaded]):
    """An open file that a network is loaded from."""

    def load(self, device: torch.device, dtype: torch.dtype) -> _Loaded:
        """The network on its device."""


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
        adapter = self._load(ResidentKind.IP_ADAPTER, file, open_ip_adapter, say)
        layout = adapter.layout
        encoder_file = find_encoder(registry, module, file, layout)
        encoder = self._load(ResidentKind.IMAGE_ENCODER, encoder_file, open_encoder, say)
        with torch.no_grad():
            seen = (
                encoder.read_patches(pixels)
                if layout.kind.reads_patches
                else encoder.read_picture(pixels)
            )
            tokens = adapter.projection(seen)
        self._residency.release(ResidentKind.IMAGE_ENCODER)  # what draws may take its place
        return ImagePrompt(adapter, tokens)

    def _load(
        self,
        kind: ResidentKind,
        file: ModelFile,
        open_source: Callable[[ModelFile], _Source[Network]],
        say: Callable[[str], object],
    ) -> Network:
        found = self._residency.find(kind, file)
        if found is not None:
            return cast(Network, found)
        say(f"Loading weights from {file.name}")
        source = open_source(file)  # judged before anything makes room for it
        load = partial(source.load, self._device, self._dtype)
        return load_resident(self._residency, kind, file, load, self._dtype, self._device)
