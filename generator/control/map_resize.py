"""Resizes control maps (contract section 10.4). Maps are (H,W,C) arrays of 8 bits, C 3 or 4.

A fourth channel is a mask: it is resized beside the colours, never blended with them.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from generator.control.thinning import keep_ridges, thin_lines

Pixels = NDArray[np.uint8]  # (H,W,C)
Size = tuple[int, int]  # width, height

STRETCH, CROP, FILL = "Just Resize", "Crop and Resize", "Resize and Fill"
SIDE_MULTIPLE = 64  # preprocessors work on sides that are multiples of it
MAX_FLAT_COLOURS = 200  # up to here a picture is flat areas, which must not be blended


def fit_map(map: Pixels, size: Size, mode: str) -> Pixels:
    """``map`` at ``size``: stretched; or covering it, cut in the middle; or inside it, on a
    ground of the border's median colour.
    """
    width, height = size
    if mode == STRETCH:
        return resize_map(map, size)
    across, down = width / map.shape[1], height / map.shape[0]
    scale = max(across, down) if mode == CROP else min(across, down)
    sides = (max(round_half(side * scale), 1) for side in (map.shape[1], map.shape[0]))
    inner = resize_map(map, (next(sides), next(sides)))
    if mode == CROP:
        top, left = (
            max(0, (a - b) // 2) for a, b in zip(inner.shape, (height, width), strict=False)
        )
        return inner[top : top + height, left : left + width]
    ground = np.broadcast_to(_border_colour(map), (height, width, map.shape[2])).copy()
    top, left = (max(0, (b - a) // 2) for a, b in zip(inner.shape, (height, width), strict=False))
    ground[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return ground


def resize_map(map: Pixels, size: Size) -> Pixels:
    """``map`` at ``size``, drawn again as what it is: flat areas, lines, edges or a photograph."""
    if (map.shape[1], map.shape[0]) == size:
        return map
    colours, mask = map[..., :3], map[..., 3:]
    before, after = map.shape[0] * map.shape[1], size[0] * size[1]
    number = _colour_count(colours)
    if 2 < number < MAX_FLAT_COLOURS:
        how = cv2.INTER_NEAREST
    else:
        how = cv2.INTER_AREA if after < before else cv2.INTER_CUBIC
    resized = _to_pixels(cv2.resize(colours, size, interpolation=how))
    if number == 2 and colours.min() < 16 and colours.max() > 240:
        resized = _to_two_colours(resized, _is_line_drawing(colours), after > before)
    if not mask.shape[2]:
        return resized
    values = cv2.resize(mask[..., 0], size, interpolation=how)
    return np.dstack([resized, np.where(values > 127, 255, 0).astype(np.uint8)])


def at_resolution(draw: Callable[[Pixels], Pixels], image: Pixels, resolution: float) -> Pixels:
    """What ``draw`` makes of ``image`` (H,W,3) with a short side of ``resolution`` pixels.

    The sides are padded with their edges to multiples of 64 while it draws.
    """
    height, width = image.shape[:2]
    scale = resolution / min(height, width)
    high, wide = round_half(height * scale), round_half(width * scale)
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    resized = cv2.resize(image, (wide, high), interpolation=how)
    padding = ((0, -high % SIDE_MULTIPLE), (0, -wide % SIDE_MULTIPLE), (0, 0))
    return draw(np.pad(resized, padding, mode="edge"))[:high, :wide]


def perfect_resolution(image: Pixels, size: Size, mode: str) -> int:
    """The resolution at which a map needs no resizing afterwards: "pixel perfect"."""
    height, width = image.shape[:2]
    scales = size[1] / height, size[0] / width
    scale = min(scales) if mode == FILL else max(scales)
    return max(round_half(scale * min(height, width)), 1)


def round_half(value: float) -> int:
    """To the nearest whole number, halves to the even one."""
    return int(np.round(value))


def _colour_count(colours: Pixels) -> int:
    """How many colours there are; sorting them instead would take seconds for a large map."""
    red, green, blue = (colours[..., channel].astype(np.uint32) for channel in range(3))
    is_present = np.zeros(1 << 24, np.bool_)
    is_present[red << 16 | green << 8 | blue] = True
    return int(np.count_nonzero(is_present))


def _border_colour(map: Pixels) -> Pixels:
    border = np.concatenate([map[0], map[-1], map[:, 0], map[:, -1]])
    colour = np.median(border, axis=0).astype(np.uint8)
    colour[3:] = 255  # what lies outside is to be repainted
    return colour


def _is_line_drawing(map: Pixels) -> bool:
    """Whether most of what is white is one pixel wide."""
    square = np.ones((3, 3), np.uint8)
    wide = cv2.dilate(cv2.erode(map, square), square)
    return bool(2 * np.count_nonzero(wide < map) > np.count_nonzero(map > 127))


def _to_two_colours(resized: Pixels, lines: bool, enlarged: bool) -> Pixels:
    grey = _to_pixels(resized.astype(np.float32).mean(axis=2).clip(0, 255))
    grey = keep_ridges(grey) if lines else grey
    _, sharp = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    only = thin_lines(_to_pixels(sharp), prune=enlarged) if lines else _to_pixels(sharp)
    return np.dstack([only] * 3)


def _to_pixels(values: object) -> Pixels:
    return np.ascontiguousarray(np.asarray(values).astype(np.uint8))
