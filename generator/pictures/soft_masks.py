"""Mask of the cells that soft inpainting changed (contract section 5.5).

A cell that hardly moved shows the original again; one that moved far shows the new picture. The
distances are smoothed by weighted percentiles first, so that single cells do not flicker.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generator.request import SoftInpainting

Array = np.ndarray[Any, np.dtype[np.float64]]

REACH = 2  # cells that a percentile looks around itself
SPREAD = 1.5  # cells: the Gaussian's radius
MIN_WINDOW_WIDTH = 1.0  # of a percentile's window, in weights
WINDOWS = ((0.9, 1.0), (0.25, 0.75))  # percentiles: first let peaks grow, then even out


def opacity_masks(
    before: Tensor, after: Tensor, mask: Tensor, soft: SoftInpainting
) -> list[Image.Image]:
    """How much of each new picture shows, white is all, L pictures of w x h cells.

    ``before`` and ``after`` are latents (B,4,h,w); ``mask`` (1,1,h,w) is 1 where to repaint.
    """
    moved = torch.linalg.vector_norm((after - before).float(), dim=1).double()  # (B,h,w)
    half = _half_distance(mask[0, 0].double().cpu().numpy(), soft)  # (h,w)
    return [_opacity_mask(row.cpu().numpy(), half, soft.difference_contrast) for row in moved]


def _half_distance(mask: Array, soft: SoftInpainting) -> Array:
    """The distance at which half of the new picture shows."""
    preserved = 1 - mask ** (soft.preservation / 2)
    share = 0.5 * (1 - soft.mask_influence) + preserved * soft.mask_influence
    result: Array = soft.difference_threshold * share / (1.00001 - share)
    return result


def _opacity_mask(distance: Array, half: Array, contrast: float) -> Image.Image:
    for low, high in WINDOWS:
        distance = weighted_percentile(distance, low, high)
    with np.errstate(divide="ignore", invalid="ignore"):  # a threshold of 0: all that moved shows
        unchanged = 1 / (1 + np.nan_to_num(distance / half, posinf=np.inf) ** contrast)
    smooth = unchanged**3 * (unchanged * (unchanged * 6 - 15) + 10)
    return Image.fromarray((255 * (1 - smooth)).astype(np.uint8))


def weighted_percentile(values: Array, low: float, high: float) -> Array:
    """The weighted mean of the neighbours (h,w) whose rank lies between two shares of the weight.

    A window narrower than LEAST_WIDTH grows to it, around its middle and inside the weight.
    """
    weights = _gaussian_kernel()
    height, width = values.shape
    padded = np.pad(values, REACH, constant_values=np.nan)
    result = np.empty_like(values)
    for y in range(height):
        for x in range(width):
            around = padded[y : y + 2 * REACH + 1, x : x + 2 * REACH + 1].ravel()
            inside = ~np.isnan(around)
            result[y, x] = _mean_between(around[inside], weights.ravel()[inside], low, high)
    return result


def _mean_between(values: Array, weights: Array, low: float, high: float) -> float:
    order = np.argsort(values)
    values, weights = values[order], weights[order]
    ends = np.cumsum(weights)
    total = ends[-1]
    start, end = low * total, high * total
    missing = MIN_WINDOW_WIDTH - (end - start)
    if missing > 0:
        start, end = start - missing / 2, end + missing / 2
        over = max(end - total, 0) - max(-start, 0)
        start, end = max(start - over, 0), min(end - over, total)
    taken = np.clip(np.minimum(ends, end) - np.maximum(ends - weights, start), 0, None)
    return float((values * taken).sum() / taken.sum())


def _gaussian_kernel() -> Array:
    """A Gaussian that falls to 0 one cell beyond its reach, (5,5), 1 in the middle."""
    places = np.arange(-REACH, REACH + 1)
    squares = places[:, None] ** 2 + places[None, :] ** 2
    edge = np.exp(-((REACH + 1) ** 2) / SPREAD**2)
    return np.asarray(np.maximum((np.exp(-squares / SPREAD**2) - edge) / (1 - edge), 0))
