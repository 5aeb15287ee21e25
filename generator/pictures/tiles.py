"""Pictures drawn tile by tile, and the tiles put together again (contract section 5.8)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

DrawTile = Callable[[slice, slice], np.ndarray]
"""Rows and columns of a picture to the larger tile (h*scale,w*scale,3), 0..255."""


@dataclass(frozen=True, slots=True)
class TileOptions:
    """How a picture is cut for a network: ``side`` pixels a tile (0: not at all)."""

    side: int = 192
    overlap: int = 8

    def even_slices(self, length: int) -> Iterator[slice]:
        """As few tiles as cover ``length``, evenly apart, each ``overlap`` or more in the next."""
        side = self._tile_side(length)
        if side >= length:
            yield slice(0, length)
            return
        count = -(-(length - self.overlap) // (side - self.overlap))
        for index in range(count):
            start = int(index * (length - side) / (count - 1))
            yield slice(start, start + side)

    def strict_slices(self, length: int) -> Iterator[slice]:
        """Tiles ``overlap`` in the next, but for the last, which ends where the picture does."""
        side = self._tile_side(length)
        if side < length:
            for start in range(0, length - side, side - self.overlap):
                yield slice(start, start + side)
        yield slice(length - side, length)

    def _tile_side(self, length: int) -> int:
        return min(self.side, length) if self.side > self.overlap else length


def draw_fading(
    draw: DrawTile, size: tuple[int, int], tiling: TileOptions, scale: int
) -> np.ndarray:
    """The whole picture, (H*scale,W*scale,3): each tile fades in over those before it.

    ``size`` is (H, W). Tiles are rounded, as AUTOMATIC1111 keeps them as pictures.
    """
    fade = tiling.overlap * scale
    rows = (
        (
            down.start * scale,
            _join_fading(
                (
                    (across.start * scale, np.rint(draw(down, across)))
                    for across in tiling.even_slices(size[1])
                ),
                size[1] * scale,
                fade,
                axis=1,
            ),
        )
        for down in tiling.even_slices(size[0])
    )
    return _join_fading(rows, size[0] * scale, fade, axis=0)


def draw_averaged(
    draw: DrawTile, size: tuple[int, int], tiling: TileOptions, scale: int
) -> np.ndarray:
    """As :func:`draw_fading`; where tiles overlap each counts the same."""
    total = np.zeros((size[0] * scale, size[1] * scale, 3), np.float32)
    count = np.zeros((size[0] * scale, size[1] * scale, 1), np.float32)
    for down in tiling.strict_slices(size[0]):
        for across in tiling.strict_slices(size[1]):
            place = (_scale_slice(down, scale), _scale_slice(across, scale))
            total[place] += draw(down, across)
            count[place] += 1
    return total / count


def _join_fading(
    parts: Iterable[tuple[int, np.ndarray]], length: int, fade: int, axis: int
) -> np.ndarray:
    """Parts along an axis of ``length``, each with its start, the later over the earlier."""
    total: np.ndarray | None = None
    for start, part in parts:
        turned = np.moveaxis(part, axis, 0)
        if total is None:
            total = np.zeros((length, *turned.shape[1:]), np.float32)
        opacity = np.ones(len(turned), np.float32)
        if start > 0:
            opacity[:fade] = np.arange(fade, dtype=np.float32)[: len(turned)] / (fade or 1)
        place = slice(start, start + len(turned))
        total[place] += (turned - total[place]) * opacity[:, None, None]
    assert total is not None
    return np.moveaxis(total, 0, axis)


def _scale_slice(span: slice, scale: int) -> slice:
    return slice(span.start * scale, span.stop * scale)
