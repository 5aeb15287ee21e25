"""Tiles cover a picture and leave no seam, whatever its size."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.pictures.tiles import TileOptions, draw_averaged, draw_fading

sides = st.integers(1, 90)


@given(st.tuples(sides, sides), st.integers(0, 40), st.integers(0, 12), st.integers(1, 3))
@pytest.mark.parametrize("join", [draw_fading, draw_averaged])
def test_a_network_that_repeats_pixels_shows_no_tiles(join, size, side, overlap, scale) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.float32)

    def draw(rows: slice, columns: slice) -> np.ndarray:
        return pixels[rows, columns].repeat(scale, 0).repeat(scale, 1)

    found = join(draw, size, TileOptions(side, overlap), scale)
    assert np.allclose(found, pixels.repeat(scale, 0).repeat(scale, 1), atol=1e-3)


@given(st.integers(1, 2000))
def test_tiles_are_as_many_as_are_needed(length: int) -> None:
    tiles = list(TileOptions(192, 8).even_slices(length))
    assert tiles[0].start == 0
    assert tiles[-1].stop == length
    assert all(len(range(length)[tile]) == min(length, 192) for tile in tiles)
    assert all(a.stop - b.start >= 8 for a, b in pairwise(tiles))


def test_a_tile_fades_in_over_the_one_before() -> None:
    def draw(rows: slice, columns: slice) -> np.ndarray:
        shade = 0.0 if columns.start == 0 else 200.0
        return np.full((4, columns.stop - columns.start, 3), shade, np.float32)

    found = draw_fading(draw, (4, 12), TileOptions(8, 4), 1)[0, :, 0]
    assert found.tolist() == [0, 0, 0, 0, 0, 50, 100, 150, 200, 200, 200, 200]
