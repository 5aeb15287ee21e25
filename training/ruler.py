"""Measures pictures from pixels: colours, places, relations, counts, skies, grounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image
from scipy import ndimage

from training.judge import Box
from training.painter import GROUND, SKY
from training.palette import COLOURS, RGB, darken
from training.scene import PLACES

GRAIN = 64  # pixels a side: everything is read from a reduction
LEAST = 12  # pixels that are an object
_HIDDEN = 0.12  # of the height: what an object in front may hide
_APART = 75  # summed difference of the channels that stands out
_SHADE: Mapping[str, float] = MappingProxyType({"day": 0.0, "night": 0.42, "sunset": 0.12})


@dataclass(frozen=True)
class Foreground:
    """What stands out: ``mask`` (side, side) of the pixels apart from the background's colour."""

    pixels: np.ndarray  # (side, side, 3) float
    mask: np.ndarray
    background: str


def reduce_picture(image: Image.Image, side: int = GRAIN) -> np.ndarray:
    """The picture as (side, side, 3) means of 0..255."""
    small = image.convert("RGB").resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def on_plain(image: Image.Image, side: int = GRAIN) -> Foreground:
    """What stands out from the frame's colour, on a reduction of ``side`` pixels."""
    pixels = reduce_picture(image, side)
    frame = (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:])
    ground = np.median(np.concatenate([edge.reshape(-1, 3) for edge in frame]), axis=0)
    return Foreground(pixels, np.abs(pixels - ground).sum(2) > _APART, _nearest_colour(ground))


def main_colour(foreground: Foreground) -> str:
    """The name that most of what stands out bears; empty where nothing does."""
    if foreground.mask.sum() < LEAST:
        return ""
    return max(COLOURS, key=lambda name: int(mask_of_colour(foreground, name).sum()))


def mask_of_colour(foreground: Foreground, colour: str) -> np.ndarray:
    """Where what stands out is nearest to the colour, of all names (GRAIN, GRAIN)."""
    table = np.array(list(COLOURS.values()), np.float32)  # (colours, 3)
    nearest = np.square(foreground.pixels[:, :, None] - table).sum(3).argmin(2)
    return foreground.mask & (nearest == list(COLOURS).index(colour))


def keep_largest(mask: np.ndarray) -> np.ndarray:
    """The mask without its small pieces: a lit window is not a yellow thing."""
    labels, number = ndimage.label(mask, np.ones((3, 3), int))
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    sizes[0] = 0
    return sizes[labels] > 0.3 * sizes.max()


def box_of(mask: np.ndarray) -> Box | None:
    """The box in 0..1 around the middle nine tenths of the mask: a stray speck does not count."""
    if mask.sum() < LEAST:
        return None
    rows, columns = np.nonzero(mask)
    left, right = np.quantile(columns, (0.02, 0.98))
    top, bottom = np.quantile(rows, (0.02, 0.98))
    return tuple(float(v) / GRAIN for v in (left, top, right + 1, bottom + 1))  # type: ignore[return-value]


def place_of(box: Box) -> str:
    """The nearest of the nine places to the box's middle."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return min(PLACES, key=lambda name: (PLACES[name][0] - x) ** 2 + (PLACES[name][1] - y) ** 2)


# --- relations --------------------------------------------------------------------------------


def relation_holds(relation: str, first: np.ndarray, second: np.ndarray) -> bool:
    """Whether the relation holds between the masks (GRAIN, GRAIN) of two colours."""
    inner, outer = box_of(keep_largest(first)), box_of(keep_largest(second))
    if inner is None or outer is None:
        return False
    (ax, ay), (bx, by) = _middle(inner), _middle(outer)
    if relation == "inside":
        return _surrounds(outer, inner)
    if relation == "in front of":
        # What stands in front hides the lower part of what is behind.
        return by + 0.04 < ay and not _are_apart(inner, outer)
    wide, high = ax - bx, ay - by
    along = {"left of": -wide, "right of": wide, "above": -high, "below": high}[relation]
    across = high if relation in ("left of", "right of") else wide
    return along > 0.15 and along > abs(across)


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _surrounds(outer: Box, inner: Box) -> bool:
    slack = 1.5 / GRAIN
    before = all(o <= i + slack for o, i in zip(outer[:2], inner[:2], strict=True))
    return before and all(o >= i - slack for o, i in zip(outer[2:], inner[2:], strict=True))


def _are_apart(one: Box, other: Box) -> bool:
    """Whether the boxes lie apart; one may hide the other's foot, so upright a gap is allowed."""
    sideways = one[2] <= other[0] or other[2] <= one[0]
    return sideways or one[3] + _HIDDEN <= other[1] or other[3] + _HIDDEN <= one[1]


def side_boxes(foreground: Foreground, relation: str) -> tuple[Box | None, Box | None]:
    """The boxes of the first and second thing of a relation side by side: each in its half."""
    middle = GRAIN // 2
    left, top = np.zeros_like(foreground.mask), np.zeros_like(foreground.mask)
    left[:, :middle], top[:middle] = True, True
    first = {"left of": left, "right of": ~left, "above": top, "below": ~top}[relation]
    return box_of(foreground.mask & first), box_of(foreground.mask & ~first)


def count_of(image: Image.Image) -> int:
    """How many things stand out; a part counts with what lies above or below it."""
    mask = on_plain(image, 2 * GRAIN).mask
    joined = ndimage.binary_closing(np.pad(mask, 4), np.ones((5, 1), bool))
    labels, number = ndimage.label(joined, np.ones((3, 3), int))
    sizes = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    return int((sizes > max(4 * LEAST, 0.3 * sizes.max(initial=0))).sum())


# --- scenery ----------------------------------------------------------------------------------


def sky_of(image: Image.Image, among: tuple[str, ...] = tuple(SKY)) -> str:
    """The time of day whose sky is nearest to the picture's top fifth."""
    top = np.median(reduce_picture(image)[: GRAIN // 5].reshape(-1, 3), axis=0)
    return _closest(top, {name: SKY[name][0] for name in among})


def ground_of(image: Image.Image, time: str) -> str:
    """The ground whose colour at that time of day is nearest to the picture's foot."""
    foot = np.median(reduce_picture(image)[-GRAIN // 12 :].reshape(-1, 3), axis=0)
    return _closest(foot, {name: darken(GROUND[name], _SHADE[time]) for name in GROUND})


def shows_colour(image: Image.Image, colour: str, time: str) -> bool:
    """Whether the colour, as that time of day shades it, fills a part of a scene's middle."""
    pixels = reduce_picture(image)[GRAIN // 5 : -GRAIN // 16]
    wanted = np.array(darken(COLOURS[colour], 0.4 * _SHADE[time]))
    return bool((np.abs(pixels - wanted).sum(2) < 90).sum() > 2 * LEAST)


def _closest(pixel: np.ndarray, table: Mapping[str, RGB]) -> str:
    return min(table, key=lambda name: float(np.square(pixel - np.array(table[name])).sum()))


def _nearest_colour(pixel: np.ndarray) -> str:
    """The nearest named colour, its pale tint included."""
    return min(COLOURS, key=lambda name: _distance(pixel, COLOURS[name]))


def _distance(pixel: np.ndarray, colour: RGB) -> float:
    pale = tuple(value + (255 - value) * 0.35 for value in colour)
    tints = (colour, pale) if colour != COLOURS["black"] else (colour,)
    return min(float(np.square(pixel - np.array(tint)).sum()) for tint in tints)
