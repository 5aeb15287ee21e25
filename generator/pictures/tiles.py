"""Pictures drawn tile by tile, and the tiles put together again (contract section 5.8)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

Draw = Callable[[slice, slice], np.ndarray]
"""Rows and columns of a picture to the larger tile (h*scale,w*scale,3), 0..255."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a picture is cut for a network: ``side`` pixels a tile (0: not at all)."""

    side: int = 192
    overlap: int = 8

    def even(self, length: int) -> Iterator[slice]:
        """As few tiles as cover ``length``, evenly apart, each ``overlap`` or more in the next."""
        side = self._side(length)
        if side >= length:
            yield slice(0, length)
            return
        count = -(-(length - self.overlap) // (side - self.overlap))
        for index in range(count):
            start = int(index * (length - side) / (count - 1))
            yield slice(start, start + side)

    def strict(self, length: int) -> Iterator[slice]:
        """Tiles ``overlap`` in the next, but for the last, which ends where the picture does."""
        side = self._side(length)
        if side < length:
            for start in range(0, length - side, side - self.overlap):
                yield slice(start, start + side)
        yield slice(length - side, length)

    def _side(self, length: int) -> int:
        return min(self.side, length) if self.side > self.overlap else length


def joined(draw: Draw, size: tuple[int, int], tiling: Tiling, scale: int) -> np.ndarray:
    """The whole picture, (H*scale,W*scale,3): each tile fades in over those before it.

    ``size`` is (H, W). Tiles are rounded, as AUTOMATIC1111 keeps them as pictures.
    """
    fade = tiling.overlap * scale
    rows = (
        (
            down.start * scale,
            _laid(
                (
                    (across.start * scale, np.rint(draw(down, across)))
                    for across in tiling.even(size[1])
                ),
                size[1] * scale,
                fade,
                axis=1,
            ),
        )
        for down in tiling.even(size[0])
    )
    return _laid(rows, size[0] * scale, fade, axis=0)


def averaged(draw: Draw, size: tuple[int, int], tiling: Tiling, scale: int) -> np.ndarray:
    """As :func:`draw_fading`; where tiles overlap each counts the same."""
    total = np.zeros((size[0] * scale, size[1] * scale, 3), np.float32)
    count = np.zeros((size[0] * scale, size[1] * scale, 1), np.float32)
    for down in tiling.strict(size[0]):
        for across in tiling.strict(size[1]):
            place = (_scaled(down, scale), _scaled(across, scale))
            total[place] += draw(down, across)
            count[place] += 1
    return total / count


def _laid(parts: Iterable[tuple[int, np.ndarray]], length: int, fade: int, axis: int) -> np.ndarray:
    """Parts along an axis of ``length``, each with its start, the later over the earlier."""
    whole: np.ndarray | None = None
    for start, part in parts:
        turned = np.moveaxis(part, axis, 0)
        if whole is None:
            whole = np.zeros((length, *turned.shape[1:]), np.float32)
        shown = np.ones(len(turned), np.float32)
        if start > 0:
            shown[:fade] = np.arange(fade, dtype=np.float32)[: len(turned)] / (fade or 1)
        place = slice(start, start + len(turned))
        whole[place] += (turned - whole[place]) * shown[:, None, None]
    assert whole is not None
    return np.moveaxis(whole, 0, axis)


def _scaled(span: slice, scale: int) -> slice:
    return slice(span.start * scale, span.stop * scale)
