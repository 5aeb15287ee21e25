"""Masks: which part they ask for, how they are blurred, what is painted under them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from generator.pictures.masks import blur_mask, crop_box, fill_masked, make_overlay, read_mask


def box_mask(box: tuple[int, int, int, int], size: tuple[int, int] = (64, 64)) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def test_crops_are_the_references(goldens: Path) -> None:
    cases = json.loads((goldens / "unit.json").read_text("utf-8"))["crop_regions"]
    assert cases
    for case in cases:
        left, top, right, bottom = case["box"]
        # The recorded boxes include their last row and column.
        mask = box_mask((left, top, right + 1, bottom + 1), tuple(case["size"]))
        found = crop_box(mask, case["pad"], tuple(case["proc"]))
        assert found == tuple(case["expanded"]), case


def test_a_black_mask_asks_for_nothing() -> None:
    assert crop_box(Image.new("L", (64, 64)), 8, (64, 64)) is None


def test_blur_spreads_along_one_axis_only() -> None:
    blurred = np.asarray(blur_mask(box_mask((30, 30, 34, 34)), 4, 0))
    assert blurred[31].min() == 0
    assert 0 < blurred[31, 27] < blurred[31, 31] < 255
    assert blurred[28].max() == 0


def test_no_blur_changes_nothing() -> None:
    mask = box_mask((30, 30, 34, 34))
    assert blur_mask(mask, 0, 0).tobytes() == mask.tobytes()


def test_alpha_is_the_mask_where_there_is_some() -> None:
    picture = Image.new("RGBA", (2, 1), (255, 255, 255, 0))
    picture.putpixel((0, 0), (0, 0, 0, 200))
    assert list(read_mask(picture).tobytes()) == [255, 0]
    assert list(read_mask(picture, round=False).tobytes()) == [200, 0]


@pytest.mark.parametrize("colour", ["#000000", "#ff0000"])
def test_the_fill_ignores_what_is_masked(colour: str) -> None:
    image = Image.new("RGB", (64, 64), "#00ff00")
    image.paste(colour, (24, 24, 40, 40))
    filled = fill_masked(image, box_mask((24, 24, 40, 40)))
    assert filled.getpixel((32, 32)) == (0, 255, 0)


def test_a_veil_is_open_where_the_mask_is_white() -> None:
    over = make_overlay(Image.new("RGB", (64, 64), "#102030"), box_mask((24, 24, 40, 40)))
    assert over.getpixel((32, 32))[3] == 0
    assert over.getpixel((0, 0)) == (16, 32, 48, 255)


@pytest.mark.parametrize("sigma", [1, 4, 12, 64])
def test_a_blur_keeps_what_is_even_and_mirrors(sigma: int) -> None:
    even = Image.new("L", (40, 30), 254)
    assert blur_mask(even, sigma, sigma).tobytes() == even.tobytes()
    left, right = box_mask((0, 0, 20, 64)), box_mask((44, 0, 64, 64))
    assert (
        ImageOps.mirror(blur_mask(left, sigma, 0)).tobytes() == blur_mask(right, sigma, 0).tobytes()
    )


def test_blurs_in_whole_numbers_as_opencv_does() -> None:
    # cv2.GaussianBlur of a white line at x = 10 in 21 pixels, ksize 21, sigma 4
    line = Image.fromarray(np.full((1, 21), 0, np.uint8))
    line.putpixel((10, 0), 255)
    assert list(blur_mask(line, 4, 0).tobytes())[10:] == [26, 25, 23, 19, 16, 11, 9, 5, 4, 2, 2]
