"""Pictures of every kind through the one reader."""

import base64
from io import BytesIO
from types import MappingProxyType

import numpy as np
import pytest
from PIL import Image

from generator.errors import BadRequest
from generator.pictures.base64_images import flatten_onto, open_picture, read_base64
from generator.pictures.masks import read_mask
from tests.generator.pictures.sample_pictures import (
    COLOURED,
    COLOURS,
    GREY,
    RAMP,
    STEPS,
    TRANSPARENT,
    file,
)

CLOSE = MappingProxyType({"tiff-lab": 40, "tiff-ycbcr": 4, "jpeg-cmyk": 12, "avif": 16})
"""Levels of 255 by which a kind itself differs."""


@pytest.mark.parametrize("kind", GREY)
def test_grey_of_any_depth_is_the_same_grey(kind: str) -> None:
    found = open_picture(GREY[kind])
    assert found.mode in ("L", "RGBA")
    assert (np.asarray(found.convert("L")) == STEPS).all()


@pytest.mark.parametrize("kind", COLOURED)
def test_colours_of_any_kind_are_the_same_colours(kind: str) -> None:
    found = open_picture(COLOURED[kind])
    assert found.mode == "RGB"
    far = np.abs(np.asarray(found, np.int16) - np.asarray(COLOURS, np.int16))
    assert far.max() <= CLOSE.get(kind, 0)
    assert far.mean() < 2


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_what_is_transparent_shows_the_background(kind: str) -> None:
    found = open_picture(TRANSPARENT[kind])
    assert found.mode == "RGBA"
    alpha = np.asarray(found)[..., 3]
    assert alpha.min() == 0
    red = np.asarray(flatten_onto(found, "#ff0000"))
    assert (red[alpha == 0] == [255, 0, 0]).all()
    assert read_mask(found).getextrema()[0] == 0


def test_sixteen_bits_are_divided_by_257() -> None:
    words = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    levels = np.asarray(open_picture(file(Image.fromarray(words), "PNG")))
    assert (levels == np.rint(words / 257)).all()


def test_floats_that_are_no_numbers() -> None:
    floats = np.full((2, 3), 0.5, np.float32)
    floats[0] = [np.nan, np.inf, -np.inf]
    found = np.asarray(open_picture(file(Image.fromarray(floats), "TIFF")))
    assert found.tolist() == [[0, 255, 0], [128, 128, 128]]
    empty = np.full((2, 2), np.nan, np.float32)
    assert np.asarray(open_picture(file(Image.fromarray(empty), "TIFF"))).max() == 0


def test_floats_brighter_than_white_stay_in_their_range() -> None:
    floats = np.array([[0.5, 1.3]], np.float32)
    assert np.asarray(open_picture(file(Image.fromarray(floats), "TIFF"))).tolist() == [[128, 255]]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.new("RGB", (48, 32))
    picture.paste((255, 255, 255), (0, 0, 24, 16))  # top left
    found = open_picture(file(picture, format, exif=exif))
    assert found.size == ((48, 32) if orientation < 5 else (32, 48))
    bright = np.asarray(found.convert("L")) > 128
    places = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}
    height, width = bright.shape
    row = slice(0, height // 2) if places[orientation][0] == "t" else slice(height // 2, None)
    column = slice(0, width // 2) if places[orientation][1] == "l" else slice(width // 2, None)
    assert bright[row, column].mean() > 0.9
    assert "exif" not in open_picture(file(found, "PNG")).info


def test_a_damaged_exif_costs_no_picture() -> None:
    found = open_picture(file(COLOURS, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"x" * 40))
    assert found.size == COLOURS.size


def test_base64_with_and_without_its_prefix() -> None:
    text = base64.b64encode(file(RAMP, "PNG")).decode()
    assert read_base64(f"data:image/png;base64,{text}") == read_base64(text)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\xff\x0a\x7f\0", "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0", "a JPEG XL picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0", "a JPEG 2000 picture"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b'<?xml version="1.0"?><svg/>', "an SVG drawing"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
        (b"II*\0\x08\0\0\0" + bytes(20), "a TIFF of an unusual layout"),
        (b"\x89PNG\r\n\x1a\nrubbish", "a damaged PNG"),
    ],
)
def test_what_is_not_read_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(BadRequest, match=f"no picture that is read here: {kind}; send PNG"):
        open_picture(data)


def test_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        data = file(frames[0], format, save_all=True, append_images=frames[1:])
        assert getattr(Image.open(BytesIO(data)), "n_frames", 1) == 2
        red, _, blue = open_picture(data).convert("RGB").getpixel((4, 4))  # type: ignore[misc]
        assert red > 200 > blue
