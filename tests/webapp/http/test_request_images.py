"""Pictures in a body: what is taken, what is refused before it costs anything."""

import base64
import io
import random
import struct
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.errors import BadRequest
from generator.pictures.base64_images import open_header, open_picture
from generator.pictures.embedded_text import other_texts, read_infotext
from webapp.errors import Refused
from webapp.http import request_images
from webapp.http.request_images import CHUNK_CHARACTERS, PictureReader, decode_in_pieces


def picture(field: str, text: str) -> str:
    """The base64 of a picture that was read."""
    return PictureReader()(field, text)


def file(
    format: str = "PNG", size: tuple[int, int] = (6, 4), mode: str = "RGB", **how: Any
) -> bytes:
    """The bytes of a small picture."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(buffer, format, **how)
    return buffer.getvalue()


def text(data: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(data).decode()


def header_alone(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    found = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", size), (b"IDAT", bytes(16)), (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(name + content))
        found += struct.pack(">I", len(content)) + name + content + check
    return found


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_usual_formats_are_taken(format: str) -> None:
    encoded = text(file(format))
    assert picture("mask", encoded) == encoded


@pytest.mark.parametrize(
    "dressed",
    ["data:image/png;base64,{}", "data:image/jpeg;charset=x;base64,{}", " {}\n", "{}\r\n"],
)
def test_prefixes_and_line_breaks_are_taken_off(dressed: str) -> None:
    encoded = text(file())
    assert picture("mask", dressed.format(encoded)) == encoded
    lines = base64.encodebytes(file()).decode()
    assert picture("mask", dressed.format(lines)) == encoded


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        ("", "empty"),
        ("!!!notbase64", "base64"),
        ("aGVsbG8gd29ybGQ=", "no picture"),
        ("abc", "base64"),
        ("data:image/png,AAAA", ";base64,"),
        ("data:image/png;base64", ";base64,"),
        ("http://example.com/cat.png", "address"),
        ("HTTPS://example.com/cat.png", "address"),
        ("file:///etc/passwd", "base64"),
        (text(file()[:40]), "Invalid encoded image"),
        (text(file("EPS")), "no picture"),
        (text(header_alone(100_000, 100_000)), "init_images"),
        (text(header_alone(9000, 9000)), "9000 x 9000"),
        (text(header_alone(20_000, 10)), "20000 x 10"),
    ],
)
def test_refusals_name_field_and_reason(sent: str, word: str) -> None:
    with pytest.raises(Refused) as refusal:
        picture("init_images", sent)
    assert refusal.value.detail.startswith("init_images: ")
    assert word in refusal.value.detail
    assert "BytesIO" not in refusal.value.detail


def test_a_file_may_be_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_images, "MAX_BYTES", 100)
    with pytest.raises(Refused, match="over 0 MiB"):
        picture("mask", text(file(size=(64, 64))))


def test_a_picture_stands_upright_and_keeps_its_transparency() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    assert open_picture(file("JPEG", (6, 4), exif=exif)).size == (4, 6)
    palette = file("PNG", mode="P", transparency=bytes([0, 128, 255]))
    assert open_picture(palette).mode == "RGBA"
    assert open_picture(file("PNG", mode="P")).mode == "RGB"


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 400),
)
def test_a_damaged_file_is_refused_or_taken(
    format: str, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(file(format, (16, 16)))
    for place, value in changes:
        data[place % len(data)] = value
    sent = bytes(data[: max(len(data) - cut, 1)])
    with suppress(Refused, BadRequest):  # no other error
        picture("mask", text(sent))
        assert open_picture(sent).mode in ("L", "RGB", "RGBA")
        other_texts(open_header(sent), read_infotext(open_header(sent)))


@pytest.mark.parametrize(
    "size",
    [0, 1, 2, 3, CHUNK_CHARACTERS // 4 * 3 - 1, CHUNK_CHARACTERS // 4 * 3, CHUNK_CHARACTERS + 5],
)
def test_base64_is_decoded_in_pieces(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert decode_in_pieces(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AA=A",
        "AA==AAAA",
        "A" * CHUNK_CHARACTERS + "A",
        "A" * (CHUNK_CHARACTERS - 2) + "==AAAA",
        "é" * 4,
        "A\nAA",
    ],
)
def test_what_is_no_base64_is_refused_in_pieces_too(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (binascii.Error or ours)
        decode_in_pieces(text)
