"""A VAE's work in tiles that overlap: for pictures that memory does not hold at once.

A VAE looks at its whole picture (its norms and one attention), so a picture made of tiles differs
a little from one made at once; where tiles overlap, one fades into the other.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from generator.pictures.tiles import TileOptions

SIDES = (64, 32, 16)  # latent cells of a tile, tried in this order
OVERLAP = 8  # cells

MapTile = Callable[[slice, slice], Tensor]
"""Rows and columns of cells to what is made of that tile, (1,C,h*scale,w*scale)."""


def tile_sides(height: int, width: int) -> tuple[int, ...]:
    """The sides of tiles, in cells, that are smaller than ``height`` x ``width`` cells."""
    return tuple(side for side in SIDES if side < max(height, width))


def join_tiles(make: MapTile, size: tuple[int, int], side: int, scale: int) -> Tensor:
    """What ``make`` makes of ``size`` (h, w) cells, put together from tiles of ``side`` cells.

    ``scale``: numbers a side that come of one cell.
    """
    tiling = TileOptions(side, OVERLAP)
    total = weights = torch.zeros(())
    for rows in tiling.even_slices(size[0]):
        for columns in tiling.even_slices(size[1]):
            part = make(rows, columns).float()
            if total.dim() == 0:
                shape = (*part.shape[:2], size[0] * scale, size[1] * scale)
                total, weights = part.new_zeros(shape), part.new_zeros(1, 1, *shape[2:])
            place = (..., _scale_span(rows, scale), _scale_span(columns, scale))
            weight = _ramps(part, rows, size[0], scale, -2) * _ramps(
                part, columns, size[1], scale, -1
            )
            total[place] += part * weight
            weights[place] += weight
    return total / weights


def _ramps(part: Tensor, span: slice, length: int, scale: int, dim: int) -> Tensor:
    """The share of a tile along one of its sides: it fades where another tile goes on."""
    count, fade = part.shape[dim], OVERLAP * scale
    share = torch.ones(count, device=part.device)
    ramp = torch.arange(1, fade + 1, device=part.device) / (fade + 1)
    if span.start > 0:
        share[:fade] = ramp[:count]
    if span.stop < length:
        share[-fade:] *= ramp.flip(0)[-count:]
    return share[:, None] if dim == -2 else share


def _scale_span(span: slice, scale: int) -> slice:
    return slice(span.start * scale, span.stop * scale)
