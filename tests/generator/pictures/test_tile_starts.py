"""Tiles cover the whole length, one after the other, and overlap by what is asked."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.pictures.tile_starts import tile_starts


@pytest.mark.parametrize(
    ("length", "tile", "overlap", "starts"),
    [
        (512, 512, 64, (0,)),
        (1024, 512, 0, (0, 512)),
        (1024, 512, 64, (0, 256, 512)),
        (10, 4, 1, (0, 3, 6)),
    ],
)
def test_starts(length: int, tile: int, overlap: int, starts: tuple[int, ...]) -> None:
    assert tile_starts(length, tile, overlap) == starts


def test_rounding_leaves_no_last_pixel_out() -> None:
    """180 steps of 9.95 come to 1790.99..., a pixel short."""
    assert tile_starts(1801, 10, 0)[-1] == 1791


@given(st.integers(1, 3000), st.integers(2, 600), st.data())
def test_tiles_cover_a_length_and_overlap(length: int, tile: int, data: st.DataObject) -> None:
    length = max(length, tile)
    overlap = data.draw(st.integers(0, tile - 1))
    starts = tile_starts(length, tile, overlap)
    assert (starts[0], starts[-1] + tile) == (0, length)
    steps = [after - before for before, after in pairwise(starts)]
    assert all(0 < step <= tile - overlap + 1 for step in steps)
