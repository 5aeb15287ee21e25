"""Colour correction: matches a result's colours to its source picture (contract 5.4).

Histograms are matched in CIE L*a*b*, then each pixel gets the luminosity back that it was drawn
with (W3C Compositing and Blending Level 1, "luminosity"). L*a*b* has 8 bits and comes from whole
numbers as in OpenCV: a level more or less moves whole steps of a sparse histogram.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray[Any, np.dtype[np.float64]]

TO_XYZ = np.array(  # linear sRGB to CIE XYZ, D65
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
WHITE = np.array([0.950456, 1.0, 1.088754])
LUMINOSITY = np.array([0.299, 0.587, 0.114])
LINEAR_ONE = 255 * 8  # linear light of 1, as a whole number
WEIGHT_BITS, ROOT_BITS = 12, 15  # of the fraction of weights, and of roots


@dataclass(frozen=True, slots=True, eq=False)
class LabHistogram:
    """How often each level occurs in each channel of a picture in 8-bit L*a*b*."""

    shares: Array  # (3,256), cumulative


def histogram_of(image: Image.Image) -> LabHistogram:
    """The colours of an RGB picture."""
    return LabHistogram(_cumulative_shares(_to_lab(image)))


def match_colours(image: Image.Image, colours: LabHistogram) -> Image.Image:
    """``image`` (RGB) in other colours, as bright as it was."""
    lab = _to_lab(image)  # (H,W,3)
    shares = _cumulative_shares(lab)
    matched = np.stack(
        [
            _matching_levels(shares[channel], colours.shares[channel])[lab[..., channel]]
            for channel in range(3)
        ],
        axis=-1,
    )
    drawn = np.asarray(image, np.float64) / 255
    return _to_picture(_set_luminosity(_from_lab(matched), drawn @ LUMINOSITY))


def _cumulative_shares(lab: "np.ndarray[Any, np.dtype[np.uint8]]") -> Array:
    counts = [np.bincount(lab[..., channel].ravel(), minlength=256) for channel in range(3)]
    return np.cumsum(counts, axis=1) / (lab.shape[0] * lab.shape[1])


def _matching_levels(own: Array, wanted: Array) -> Array:
    """For each level 0..255 the level that is as high in the wanted histogram, (256,), whole."""
    present = np.flatnonzero(np.diff(wanted, prepend=0))
    return np.floor(np.interp(own, wanted[present], present))


def _to_lab(image: Image.Image) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """(H,W,3): L* of 0..100 as 0..255, a* and b* with 128 added."""
    levels = np.arange(256) / 255
    linear = np.where(levels > 0.04045, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92)
    light = np.rint(LINEAR_ONE * linear).astype(np.int64)[np.asarray(image.convert("RGB"))]
    weights = np.rint(TO_XYZ / WHITE[:, None] * (1 << WEIGHT_BITS)).astype(np.int64)
    possible = _root(np.arange(LINEAR_ONE * 3 // 2) / LINEAR_ONE)
    roots = np.rint(possible * (1 << ROOT_BITS)).astype(np.int64)
    x, y, z = np.moveaxis(roots[_shift_rounded(light @ weights.T, WEIGHT_BITS)], -1, 0)
    black, grey = (16 * 255 * (1 << ROOT_BITS) + 50) // 100, 128 << ROOT_BITS
    lab = np.stack([296 * y - black, 500 * (x - y) + grey, 200 * (y - z) + grey], -1)
    return _shift_rounded(lab, ROOT_BITS).clip(0, 255).astype(np.uint8)


def _shift_rounded(
    values: "np.ndarray[Any, np.dtype[np.int64]]", bits: int
) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Divided by 2 to the ``bits``, rounded."""
    return (values + (1 << (bits - 1))) >> bits


def _from_lab(lab: Array) -> Array:
    """sRGB in 0..1, in steps of 1/255."""
    y = (lab[..., 0] * 100 / 255 + 16) / 116
    x, z = y + (lab[..., 1] - 128) / 500, y - (lab[..., 2] - 128) / 200
    linear = (_cube(np.stack([x, y, z], -1)) * WHITE) @ np.linalg.inv(TO_XYZ).T
    linear = linear.clip(0, 1)
    rgb = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, linear * 12.92)
    return np.rint(rgb * 255) / 255


def _root(t: Array) -> Array:
    return np.where(t < 0.008856, t * 7.787 + 16 / 116, np.cbrt(t))


def _cube(t: Array) -> Array:
    return np.where(t > 6 / 29, t**3, (116 * t - 16) * 27 / 24389)


def _set_luminosity(colours: Array, wanted: Array) -> Array:
    """``colours`` (H,W,3) moved to the luminosity ``wanted`` (H,W), then drawn into 0..1."""
    moved = colours + (wanted - colours @ LUMINOSITY)[..., None]
    grey = (moved @ LUMINOSITY)[..., None]
    low, high = moved.min(-1, keepdims=True), moved.max(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(low < 0, grey + (moved - grey) * grey / (grey - low), moved)
        moved = np.where(high > 1, grey + (moved - grey) * (1 - grey) / (high - grey), moved)
    return moved.clip(0, 1)


def _to_picture(colours: Array) -> Image.Image:
    return Image.fromarray((colours * 255).astype(np.uint8))  # cut off, as there
