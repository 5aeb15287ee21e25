"""Upscalers: interpolation, or networks under ``models/ESRGAN`` and the like.

Contract section 5.8. The networks' layouts are spandrel's to know.
"""

from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from generator.errors import BadRequest, ModelNotFound, ModelUnreadable
from generator.models.index import ModelFile
from generator.models.registry import Registry
from generator.models.residency import Residency, ResidentKind, ram_headroom_of
from generator.models.resident_loading import load_resident
from generator.pictures.resize import IMAGE_MODES, resize_lanczos
from generator.pictures.spandrel_networks import SpandrelNetwork, load_spandrel_network
from generator.pictures.tiles import TileOptions, draw_averaged, draw_fading
from generator.pictures.upscaler_names import (
    find_upscaler,
    known_upscalers,
    label_of,
    why_broken,
)

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

CELL = 8  # pixels: sides of enlarged pictures are multiples of it
MOST_PIXELS = 16384 * 16384  # at any time
MOST_RUNS = 3  # of a network over its own output, where one run is not enough
AVERAGED_ARCHITECTURES = ("SCUNet", "SwinIR")
"""Networks whose tiles are averaged where they overlap; others' tiles fade into one another."""
KNOWN_NETWORKS = (
    "no upscaler that is known here. ESRGAN, RealESRGAN, SwinIR, DAT, ScuNET and others of "
    "spandrel's are"
)

Enlarge = Callable[[Image.Image, float], Image.Image]


class Upscalers:
    """The upscalers of one device, kept as memory allows. Not for several threads."""

    def __init__(
        self,
        registry: Registry,
        device: torch.device,
        plugin_upscalers: Callable[[], Mapping[str, Enlarge]] = dict,
        residency: Residency | None = None,
    ) -> None:
        self._plugin_upscalers = plugin_upscalers  # those of plugins, by name
        self._registry = registry
        self._device = device
        self._residency = residency or Residency(ram_headroom_of())

    def for_user(self, registry: Registry) -> "Upscalers":
        """The same with one user's models; networks in memory are shared."""
        mine = copy(self)
        mine._registry = registry
        return mine

    def enlarge(
        self,
        image: Image.Image,
        name: str,
        scale: float,
        tiling: TileOptions | None = None,
        covered: tuple[int, int] | None = None,
    ) -> Image.Image:
        """``image`` with sides of ``scale`` times its own, cut down to multiples of 8.

        They are not cut down where the picture would no longer cover the size ``covered``.
        ``name`` is None, Lanczos, Nearest or the stem of a file. A network runs at least once and
        at most three times; what is too large then is made smaller by Lanczos. Raises
        :class:`BadRequest` for an unknown name, :class:`ModelUnreadable` for a broken file.
        """
        target = _target(image, scale, covered)
        if min(target) < (1 if covered else CELL):
            raise BadRequest(f"{image.width} x {image.height} times {scale} leaves no picture.")
        _check_pixels(image, scale)
        for _ in range(MOST_RUNS):
            before = image.size
            image = self._enlarge_once(image, name, scale, tiling or TileOptions())
            if image.size == before or (image.width >= target[0] and image.height >= target[1]):
                break
        return image if image.size == target else resize_lanczos(image, target)

    def resize(
        self,
        image: Image.Image,
        size: tuple[int, int],
        name: str | None = None,
        tiling: TileOptions | None = None,
    ) -> Image.Image:
        """``image`` as ``size``: enlarged by the upscaler ``name``, then stretched by Lanczos.

        Lanczos alone does what makes nothing larger, greyscale, and what has no upscaler.
        """
        scale = max(size[0] / image.width, size[1] / image.height)
        least = int(min(image.size) * scale)
        if name in (None, "", "None") or image.mode == "L" or scale <= 1 or least < CELL:
            return resize_lanczos(image, size)
        larger = self.enlarge(image, str(name), scale, tiling)
        return larger if larger.size == size else resize_lanczos(larger, size)

    def resolve_name(self, wanted: str | int) -> str:
        """The upscaler of a name, or of a number in the list of all. Raises :class:`BadRequest`."""
        names = (*known_upscalers(self._registry), *self._plugin_upscalers())
        if isinstance(wanted, str):
            return wanted if wanted in names else label_of(self._find_file(wanted))
        if not 0 <= wanted < len(names):
            raise BadRequest(
                f"There is no upscaler {wanted}; there are {len(names)}, from 0.",
                code="unknown_name",
                value=wanted,
                known=names,
            )
        return names[wanted]

    def _enlarge_once(
        self, image: Image.Image, name: str, scale: float, tiling: TileOptions
    ) -> Image.Image:
        if name in IMAGE_MODES:
            size = (max(int(image.width * scale), 1), max(int(image.height * scale), 1))
            return image.resize(size, IMAGE_MODES[name])
        plugin_upscaler = self._plugin_upscalers().get(name)
        if plugin_upscaler:
            return plugin_upscaler(image, scale)
        network = self._network_of(self._find_file(name))
        _check_pixels(image, network.scale)
        enlarged = _run_tiled(network, image, tiling, self._device)
        self._residency.release(ResidentKind.UPSCALER)  # what draws may take its place
        return enlarged

    def _find_file(self, name: str) -> ModelFile:
        try:
            return find_upscaler(self._registry, name)
        except ModelNotFound as error:
            known = ", ".join(known_upscalers(self._registry))
            absent = f"could not find upscaler named {name}. Known: {known}"
            broken = why_broken(self._registry, name)
            code = "model_unusable" if broken else "unknown_name"
            raise BadRequest(broken or absent, "upscaler", code, value=name) from error

    def _network_of(self, file: ModelFile) -> "ImageModelDescriptor":
        load = partial(_load_upscaler, file, self._device)
        return load_resident(self._residency, ResidentKind.UPSCALER, file, load).descriptor


def _target(image: Image.Image, scale: float, covered: tuple[int, int] | None) -> tuple[int, int]:
    """The size to come to."""
    sides = image.width * scale, image.height * scale
    width, height = (int(side) // CELL * CELL for side in sides)
    if covered is None or (width >= covered[0] and height >= covered[1]):
        return width, height
    return max(round(sides[0]), covered[0]), max(round(sides[1]), covered[1])


def _check_pixels(image: Image.Image, scale: float) -> None:
    if image.width * image.height * scale * scale > MOST_PIXELS:
        raise BadRequest(
            f"{image.width} x {image.height} pixels times {scale:g} are more than {MOST_PIXELS} "
            "in all, on the way to the size asked for; begin with a smaller picture.",
            "upscaler",
            "too_many_pixels",
            most=MOST_PIXELS,
        )


def _load_upscaler(file: ModelFile, device: torch.device) -> SpandrelNetwork:
    network = load_spandrel_network(file, device, KNOWN_NETWORKS)
    if network.descriptor.purpose == "FaceSR":
        raise ModelUnreadable(
            f"{file.path.name} restores faces and enlarges nothing: move it to models/GFPGAN or "
            "models/Codeformer."
        )
    return network


@torch.no_grad()
def _run_tiled(
    network: "ImageModelDescriptor", image: Image.Image, tiling: TileOptions, device: torch.device
) -> Image.Image:
    """One run of the network over the tiles of ``image``."""
    pixels = np.asarray(image.convert("RGB"), np.float32) / 255  # (H,W,3)

    def draw(rows: slice, columns: slice) -> np.ndarray:
        part = torch.from_numpy(pixels[rows, columns].copy()).permute(2, 0, 1)[None]
        drawn: Any = network(part.to(device))[0]  # (3,h*scale,w*scale)
        return drawn.float().clamp(0, 1).permute(1, 2, 0).cpu().numpy() * 255

    join = draw_averaged if network.architecture.id in AVERAGED_ARCHITECTURES else draw_fading
    upscaled = join(draw, pixels.shape[:2], tiling, network.scale)
    return Image.fromarray(np.rint(upscaled).astype(np.uint8))
