"""Larger pictures: by interpolation, or by the networks under ``models/ESRGAN`` and its kin.

Contract section 5.8. The networks' layouts are spandrel's to know.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generator.errors import BadRequest, ModelUnreadable
from generator.models import torchvision_ops
from generator.models.index import ModelFile
from generator.models.registry import Kind, Registry
from generator.models.weights import read_tensors
from generator.pictures.resizing import IMAGE_MODES

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

MOST_RUNS = 3  # of a network over its own output, where one run is not enough
WRAPPINGS = ("params_ema", "params-ema", "params", "state_dict", "model", "net")
"""Under what training programs file a network's tensors."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a picture is cut for a network: ``side`` pixels a tile (0: not at all)."""

    side: int = 192
    overlap: int = 8


class Upscalers:
    """The upscalers of one device. The network used last stays in memory."""

    def __init__(self, registry: Registry, device: torch.device) -> None:
        self._registry = registry
        self._device = device
        self._held: tuple[object, ImageModelDescriptor] | None = None  # by the file's identity

    def enlarge(
        self, image: Image.Image, name: str, scale: float, tiling: Tiling | None = None
    ) -> Image.Image:
        """``image`` with sides of ``scale`` times its own, cut down to multiples of 8.

        ``name`` is None, Lanczos, Nearest or the stem of a file. A network runs at least once and
        at most three times; what is too large then is made smaller by Lanczos. Raises
        :class:`BadRequest` for an unknown name, :class:`ModelUnreadable` for a broken file.
        """
        target = (int(image.width * scale) // 8 * 8, int(image.height * scale) // 8 * 8)
        if min(target) < 8:
            raise BadRequest(f"{image.width} x {image.height} times {scale} leaves no picture.")
        for _ in range(MOST_RUNS):
            before = image.size
            image = self._once(image, name, scale, tiling or Tiling())
            if image.size == before or (image.width >= target[0] and image.height >= target[1]):
                break
        return image if image.size == target else image.resize(target, Image.Resampling.LANCZOS)

    def drop(self) -> None:
        """Let go of the network in memory."""
        self._held = None

    def _once(self, image: Image.Image, name: str, scale: float, tiling: Tiling) -> Image.Image:
        if name in IMAGE_MODES:
            size = (int(image.width * scale), int(image.height * scale))
            return image.resize(size, IMAGE_MODES[name])
        network = self._network(self._file(name))
        return _through(network, image, tiling, self._device)

    def _file(self, name: str) -> ModelFile:
        files = self._registry.index.of(Kind.UPSCALER)
        found = next((file for file in files if name in (file.stem, file.name)), None)
        if found is None:
            known = ", ".join([*IMAGE_MODES, *(file.stem for file in files)])
            raise BadRequest(f"could not find upscaler named {name}. Known: {known}", "upscaler")
        return found

    def _network(self, file: ModelFile) -> "ImageModelDescriptor":
        if self._held is None or self._held[0] != file.identity:
            self._held = None  # before the next one is loaded, for the memory's sake
            self._held = (file.identity, _load(file.path, self._device))
        return self._held[1]


def _load(path: Path, device: torch.device) -> "ImageModelDescriptor":
    torchvision_ops.prepare()
    # spandrel takes seconds to import and few jobs need it.
    from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError

    try:
        found = ModelLoader(device).load_from_state_dict(_unwrapped(read_tensors(path)))
    except (UnsupportedModelError, RuntimeError, KeyError, ValueError) as error:
        raise ModelUnreadable(
            f"{path.name} is no upscaler that is known here: {type(error).__name__}. "
            "ESRGAN, RealESRGAN, SwinIR, DAT, ScuNET and others of spandrel's are."
        ) from error
    if not isinstance(found, ImageModelDescriptor) or found.input_channels != 3:
        raise ModelUnreadable(f"{path.name} holds a network that makes no picture of a picture.")
    return found.eval()


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for wrapping in WRAPPINGS:
        inner = {
            name.removeprefix(f"{wrapping}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{wrapping}.")
        }
        # "model.0.weight" is a name of its own in old ESRGAN files.
        if inner and not (wrapping == "model" and any(name[:1].isdigit() for name in inner)):
            return inner
    return tensors


@torch.no_grad()
def _through(
    network: "ImageModelDescriptor", image: Image.Image, tiling: Tiling, device: torch.device
) -> Image.Image:
    """One run of the network over the tiles of ``image``, blended where they overlap."""
    pixels = np.asarray(image.convert("RGB"), np.float32) / 255  # (H,W,3)
    scale = network.scale
    height, width = pixels.shape[:2]
    total = np.zeros((height * scale, width * scale, 3), np.float32)
    weight = np.zeros((height * scale, width * scale, 1), np.float32)
    for rows in _spans(height, tiling):
        for columns in _spans(width, tiling):
            part = torch.from_numpy(pixels[rows, columns].copy()).permute(2, 0, 1)[None]
            drawn: Any = network(part.to(device))[0]  # (3,h*scale,w*scale)
            tile = drawn.float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
            ramps = np.outer(
                _ramp(rows, height, tiling.overlap, scale),
                _ramp(columns, width, tiling.overlap, scale),
            )[..., None]
            place = (_scaled(rows, scale), _scaled(columns, scale))
            total[place] += tile * ramps
            weight[place] += ramps
    return Image.fromarray(np.rint(total / weight * 255).astype(np.uint8))


def _spans(length: int, tiling: Tiling) -> Iterator[slice]:
    """Stretches of at most ``side`` pixels that cover ``length`` evenly, overlapping."""
    side = tiling.side if tiling.side > tiling.overlap else length
    if side >= length:
        yield slice(0, length)
        return
    count = -(-(length - tiling.overlap) // (side - tiling.overlap))
    for index in range(count):
        start = round(index * (length - side) / (count - 1))
        yield slice(start, start + side)


def _ramp(span: slice, length: int, overlap: int, scale: int) -> np.ndarray:
    """The weights of a tile along one side: rising and falling where a neighbour lies."""
    weights = np.ones((span.stop - span.start) * scale, np.float32)
    rise = (np.arange(overlap * scale, dtype=np.float32) + 0.5) / (overlap * scale or 1)
    if span.start > 0 and overlap:
        weights[: len(rise)] = rise
    if span.stop < length and overlap:
        weights[-len(rise) :] = np.minimum(weights[-len(rise) :], rise[::-1])
    return weights


def _scaled(span: slice, scale: int) -> slice:
    return slice(span.start * scale, span.stop * scale)
