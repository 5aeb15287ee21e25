"""ControlNet preprocessors: picture to map (contract section 10.8); those without weights.

Pictures and maps are (H,W,3) arrays of 8 bits, RGB; lines are white on black.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generator.control.map_resize import Pixels, at_resolution
from generator.control.modules import HIDDEN_VALUE, Module, Slider
from generator.control.network_weights import WEIGHTS_BY_MODULE

SHUFFLE_SIDE = 512  # pixels
SHUFFLE_GRAIN = 256  # pixels between the nodes of the noise that moves the picture
CELL = 64  # pixels a side of the colour grid
ANY_NUMBER = 1e9  # either way: any number that a plugin declares
PASS_THROUGH = 1.1  # a down-sampling rate below this does nothing


@dataclass(frozen=True, slots=True)
class Dials:
    """How a preprocessor is set."""

    resolution: float = 512
    a: float = 0.5
    b: float = 0.5
    seed: int = 0  # of shuffle


DrawMap = Callable[[Pixels, Dials], Pixels]


PluginPreprocessors = Mapping[str, Callable[[Image.Image, Dials], Image.Image]]
"""Preprocessors of plugins, by name."""

NO_PLUGIN_PREPROCESSORS: PluginPreprocessors = MappingProxyType({})

DrawNetworkMap = Callable[[Module, Pixels, Dials], Pixels]
"""Draws with a network: a picture whose sides are multiples of 64."""


def no_networks(module: Module, _image: Pixels, _dials: Dials) -> Pixels:
    """Where no networks are held. Raises :class:`RuntimeError`: units were checked before."""
    raise RuntimeError(f"{module.name} needs a network, and none was handed in")


def annotate(
    module: Module,
    image: Pixels,
    dials: Dials,
    plugin_preprocessors: PluginPreprocessors = NO_PLUGIN_PREPROCESSORS,
    draw_network_map: DrawNetworkMap = no_networks,
) -> Pixels:
    """The map of ``image``. A fourth channel, a mask, passes through untouched."""
    if module.name in WEIGHTS_BY_MODULE:
        draw = _with_resolution(partial(draw_network_map, module))
        return draw(image[..., :3], dials)
    drawn = PREPROCESSORS.get(module.name) or _plugin_preprocessor(module, plugin_preprocessors)
    return image if drawn is None else drawn(image[..., :3], dials)


def plugin_module(name: str, resolution: float | None) -> Module:
    """A plugin's preprocessor as its unit sets it: the ranges were checked when it was read."""
    any_number = Slider("", HIDDEN_VALUE, -ANY_NUMBER, ANY_NUMBER)
    whole_resolution = None if resolution in (None, HIDDEN_VALUE) else int(resolution)
    return Module(
        name, a=any_number, b=any_number, resolution=whole_resolution, runs=True, from_plugin=True
    )


def _plugin_preprocessor(
    module: Module, plugin_preprocessors: PluginPreprocessors
) -> "DrawMap | None":
    """A plugin's preprocessor: what it sees has its resolution, where it has one."""
    function = plugin_preprocessors.get(module.name)
    if function is None:
        return None

    def draw(image: Pixels, dials: Dials) -> Pixels:
        drawn_map = function(Image.fromarray(np.ascontiguousarray(image)), dials)
        return np.asarray(drawn_map.convert("RGB"), np.uint8)

    return draw if module.resolution is None else _with_resolution(draw)


def _with_resolution(draw: DrawMap) -> DrawMap:
    return lambda image, dials: at_resolution(
        lambda pixels: draw(pixels, dials), image, dials.resolution
    )


def _to_grey(values: NDArray[np.generic]) -> Pixels:
    return np.dstack([values.astype(np.uint8)] * 3)


def _canny(image: Pixels, dials: Dials) -> Pixels:
    return _to_grey(cv2.Canny(image, dials.a, dials.b))


def _invert(image: Pixels, _: Dials) -> Pixels:
    return 255 - image


def _threshold(image: Pixels, dials: Dials) -> Pixels:
    return _to_grey(np.where(image.min(axis=2) > dials.a, 255, 0))


def _blur(image: Pixels, dials: Dials) -> Pixels:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), dials.a), np.uint8)


def _scribble_xdog(image: Pixels, dials: Dials) -> Pixels:
    """Differences of Gaussians (Winnemoeller et al. 2012), thresholded."""
    floats = image.astype(np.float32)
    fine, coarse = (np.asarray(cv2.GaussianBlur(floats, (0, 0), s)) for s in (0.5, 5.0))
    bright = (255 - (coarse - fine).min(axis=2)).clip(0, 255).astype(np.uint8)
    return _to_grey(np.where(2 * (255 - bright.astype(np.float32)) > dials.a, 255, 0))


def _lineart_standard(image: Pixels, _: Dials) -> Pixels:
    floats = image.astype(np.float32)
    darker = (np.asarray(cv2.GaussianBlur(floats, (0, 0), 6.0)) - floats).min(axis=2).clip(0, 255)
    strokes = darker[darker > 8]
    usual = float(np.median(strokes)) if strokes.size else 0.0
    return _to_grey((darker / max(16.0, usual) * 127).clip(0, 255))


def _tile_resample(image: Pixels, dials: Dials) -> Pixels:
    if dials.a < PASS_THROUGH:
        return image
    size = (max(1, int(image.shape[1] / dials.a)), max(1, int(image.shape[0] / dials.a)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _color_grid(image: Pixels, _: Dials) -> Pixels:
    height, width = image.shape[:2]
    cells = cv2.resize(image, (width // CELL, height // CELL), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def luminance(image: Pixels) -> NDArray[np.uint8]:
    """CIELAB's lightness, (H,W). Red and blue trade places, as in the extension's maps (golden
    ``cn_detect_recolor_luminance``)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2LAB)[..., 0], np.uint8)


def intensity(image: Pixels) -> NDArray[np.uint8]:
    """HSV's value, (H,W)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2HSV)[..., 2], np.uint8)


def _recolor(channel: Callable[[Pixels], NDArray[np.uint8]]) -> DrawMap:
    def draw(image: Pixels, dials: Dials) -> Pixels:
        bright = channel(image).astype(np.float32) / 255.0
        return _to_grey((bright**dials.a * 255.0).clip(0, 255))

    return draw


def _shuffle(image: Pixels, dials: Dials) -> Pixels:
    """The picture's content moved about by smooth noise, always the same for one seed."""
    height, width = image.shape[:2]
    random = np.random.RandomState(dials.seed & 0xFFFFFFFF)
    x = _smooth_noise(random, height, width) * float(width - 1)
    y = _smooth_noise(random, height, width) * float(height - 1)
    moved = cv2.remap(image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(moved, np.uint8)


def _smooth_noise(random: np.random.RandomState, height: int, width: int) -> NDArray[np.float64]:
    """Noise in 0..1 whose grain is about as large as half the picture, (H,W)."""
    grain = SHUFFLE_GRAIN
    nodes = random.uniform(0, 1, (height // grain + 2, width // grain + 2, 1))
    size = (width + 2 * grain, height + 2 * grain)
    noise_field = np.asarray(cv2.resize(nodes, size, interpolation=cv2.INTER_CUBIC))
    noise = noise_field[grain : grain + height, grain : grain + width]
    noise = noise - noise.min()
    return noise / noise.max()


PREPROCESSORS: Mapping[str, DrawMap] = MappingProxyType(
    {
        "canny": _with_resolution(_canny),
        "invert": _invert,
        "threshold": _with_resolution(_threshold),
        "blur_gaussian": _with_resolution(_blur),
        "scribble_xdog": _with_resolution(_scribble_xdog),
        "lineart_standard": _with_resolution(_lineart_standard),
        "tile_resample": _tile_resample,
        "color": _with_resolution(_color_grid),
        "recolor_luminance": _with_resolution(_recolor(luminance)),
        "recolor_intensity": _with_resolution(_recolor(intensity)),
        "shuffle": lambda image, dials: _shuffle(
            at_resolution(lambda pixels: pixels, image, SHUFFLE_SIDE), dials
        ),
    }
)
"""What draws; preprocessors that are not here pass the picture on as it is."""
