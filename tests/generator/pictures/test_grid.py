"""The grid's rule: contract section 6.6."""

import pytest
from PIL import Image

from generator.pictures.grid import compose_grid, row_count


@pytest.mark.parametrize(
    ("pictures", "rows"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 2), (6, 2), (7, 3), (12, 3)]
)
def test_rows_are_the_rounded_square_root(pictures: int, rows: int) -> None:
    assert row_count(pictures) == rows


def test_rows_may_be_told() -> None:
    assert row_count(6, rows=3) == 3
    assert row_count(2, rows=16) == 2
    assert row_count(6, rows=0, batch_size=2) == 2
    assert row_count(6, fill_evenly=True) == 2
    assert row_count(7, fill_evenly=True) == 1


def test_pictures_stand_in_reading_order_on_white() -> None:
    colours = ["#ff0000", "#00ff00", "#0000ff"]
    sheet = compose_grid([Image.new("RGB", (8, 8), colour) for colour in colours])
    assert sheet.size == (16, 16)
    corners = [sheet.getpixel(at) for at in ((0, 0), (8, 0), (0, 8), (8, 8))]
    assert corners == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


def test_a_smaller_picture_stands_in_the_middle_of_its_cell() -> None:
    sheet = compose_grid([Image.new("RGB", (8, 8), "#000000"), Image.new("RGB", (4, 4), "#ff0000")])
    assert sheet.size == (16, 8)
    assert sheet.getpixel((9, 4)) == (255, 255, 255)
    assert sheet.getpixel((10, 2)) == sheet.getpixel((13, 5)) == (255, 0, 0)
