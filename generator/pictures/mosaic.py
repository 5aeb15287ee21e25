"""Splits a picture into overlapping tiles of one size and joins them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from generator.pictures.tile_starts import tile_starts


@dataclass(frozen=True, slots=True)
class Mosaic:
    """How a picture of ``size`` is cut: tiles of ``tile`` (width, height), evenly spread."""

    size: tuple[int, int]
    tile: tuple[int, int]
    overlap: int  # pixels, at the least

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return len(self.columns) * len(self.rows)

    @property
    def columns(self) -> tuple[int, ...]:
        """Where each column of tiles begins."""
        return tile_starts(self.size[0], self.tile[0], self.overlap)

    @property
    def rows(self) -> tuple[int, ...]:
        """Where each row of tiles begins."""
        return tile_starts(self.size[1], self.tile[1], self.overlap)

    def boxes(self) -> Iterator[tuple[int, int, int, int]]:
        """Left, top, right and bottom of each tile, row by row."""
        width, height = self.tile
        return ((x, y, x + width, y + height) for y in self.rows for x in self.columns)

    def join(self, tiles: Sequence[Image.Image]) -> Image.Image:
        """Tiles, row by row, as one picture; each fades into its neighbours over the overlap.

        A tile larger than the picture begins before it: it is the first, and fades into nothing.
        """
        picture = Image.new("RGB", self.size)
        across = len(self.columns)
        for row, top in enumerate(self.rows):
            strip = Image.new("RGB", (self.size[0], self.tile[1]))
            for left, tile in zip(self.columns, tiles[row * across :], strict=False):
                _paste_faded(strip, tile, (left, 0), self.overlap if left > 0 else 0, upright=False)
            _paste_faded(picture, strip, (0, top), self.overlap if top > 0 else 0, upright=True)
        return picture


def _paste_faded(
    under: Image.Image, tile: Image.Image, place: tuple[int, int], overlap: int, *, upright: bool
) -> None:
    """Paste ``tile``, its first ``overlap`` columns (or rows, ``upright``) fading in."""
    if not overlap:
        under.paste(tile, place)
        return
    width, height = tile.size
    ramp = np.arange(overlap, dtype=np.float32) * 255 / overlap
    rising = np.repeat(ramp[:, None], width, 1) if upright else np.repeat(ramp[None], height, 0)
    edge = (0, 0, width, overlap) if upright else (0, 0, overlap, height)
    rest = (0, overlap, width, height) if upright else (overlap, 0, width, height)
    x, y = place
    under.paste(tile.crop(edge), place, Image.fromarray(rising.astype(np.uint8), "L"))
    under.paste(tile.crop(rest), (x, y + overlap) if upright else (x + overlap, y))
