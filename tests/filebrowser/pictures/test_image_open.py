"""Pictures that strangers brought are opened within bounds, and damage is always told as such."""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from filebrowser.errors import NoPicture, Overloaded, TooMuch
from filebrowser.pictures import image_open
from filebrowser.pictures.image_open import (
    DAMAGED_PICTURE_ERRORS,
    FORMATS,
    check_decodable,
    open_image,
    reserve_decoding,
)
from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.pictures.picture_facts import PictureFacts, read_nothing
from filebrowser.pictures.thumbnails import convert_to_rgb, shrink_image


def encoded(format: str, size: tuple[int, int] = (12, 8), **options: object) -> bytes:
    buffer = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture
def open_bytes(tmp_path: Path) -> Iterator[Callable[[bytes], int]]:
    """Opens a file of these bytes; its descriptor is closed at the end."""
    opened: list[int] = []

    def write(content: bytes) -> int:
        (tmp_path / "picture").write_bytes(content)
        opened.append(os.open(tmp_path / "picture", os.O_RDONLY))
        return opened[-1]

    yield write
    for fd in opened:
        os.close(fd)


@contextmanager
def descriptor_of(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_of_each_format_is_opened_and_its_descriptor_stays(
    open_bytes: Callable[[bytes], int], format: str
) -> None:
    fd = open_bytes(encoded(format))
    os.lseek(fd, 5, os.SEEK_SET)  # from wherever it stands
    for _ in range(2):
        with open_image(fd) as image:
            assert (image.format, image.size) == (format, (12, 8))
            assert read_nothing(image) == PictureFacts()
            check_decodable(image, fd)
    os.fstat(fd)


@pytest.mark.parametrize("format", ["EPS", "PDF", "PPM", "TGA", "ICO", "PCX"])
def test_other_formats_are_none_that_are_read(
    open_bytes: Callable[[bytes], int], format: str
) -> None:
    with (
        pytest.raises(NoPicture, match=r"it is none of AVIF, BMP"),
        open_image(open_bytes(encoded(format))),
    ):
        pass


def test_a_folder_and_a_huge_file_are_refused_before_they_are_read(
    open_bytes: Callable[[bytes], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with descriptor_of(tmp_path) as fd, pytest.raises(NoPicture, match="folder"), open_image(fd):
        pass
    content = encoded("PNG")
    monkeypatch.setattr(image_open, "MAX_FILE_BYTES", len(content) - 1)
    with pytest.raises(TooMuch, match=f"has {len(content)} bytes"), open_image(open_bytes(content)):
        pass


@pytest.mark.parametrize("error", DAMAGED_PICTURE_ERRORS)
def test_whatever_pillow_raises_of_damage_is_no_picture(
    open_bytes: Callable[[bytes], int], error: type[Exception]
) -> None:
    with (
        pytest.raises(NoPicture, match=r"damaged|truncated"),
        open_image(open_bytes(encoded("PNG"))),
    ):
        raise error("of a server's path /srv/secret")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("image file is truncated"), "it is truncated"),
        (EOFError(), "it is truncated"),
        (ValueError("/srv/secret"), "it is damaged"),
    ],
)
def test_the_reason_is_told_and_no_path(
    open_bytes: Callable[[bytes], int], error: Exception, words: str
) -> None:
    with (
        pytest.raises(NoPicture, match=f"cannot|be read: {words}") as refusal,
        open_image(open_bytes(encoded("PNG"))),
    ):
        raise error
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("error", [MemoryError(), Image.DecompressionBombError()])
def test_too_much_memory_is_too_many_pixels(
    open_bytes: Callable[[bytes], int], error: Exception
) -> None:
    with pytest.raises(TooMuch, match="pixels"), open_image(open_bytes(encoded("PNG"))):
        raise error


def test_another_fault_of_ours_is_not_called_damage(open_bytes: Callable[[bytes], int]) -> None:
    with pytest.raises(ZeroDivisionError), open_image(open_bytes(encoded("PNG"))):
        raise ZeroDivisionError


def test_pixels_and_passes_are_bounded(
    open_bytes: Callable[[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = open_bytes(encoded("JPEG", progressive=True))
    with open_image(fd) as image:
        monkeypatch.setattr(image_open, "MAX_PIXELS", 96)
        check_decodable(image, fd)
        monkeypatch.setattr(image_open, "MAX_PIXELS", 95)
        with pytest.raises(TooMuch, match="12 x 8 pixels, at most 95"):
            check_decodable(image, fd)
        monkeypatch.setattr(image_open, "MAX_PIXELS", 96)
        monkeypatch.setattr(image_open, "MAX_SCANS", 1)
        with pytest.raises(TooMuch, match="more than 1 passes"):
            check_decodable(image, fd)


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
def test_passes_are_counted_across_the_pieces_that_are_read(
    open_bytes: Callable[[bytes], int], monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(image_open, "PIECE", piece)
    monkeypatch.setattr(image_open, "MAX_SCANS", 3)
    marks = b"\xff\xda"
    for content, count in ((marks * 3, 3), (b"x" + marks + b"\xff" + marks + b"\xda", 2), (b"", 0)):
        assert image_open._count_scans(open_bytes(content)) == count
    assert image_open._count_scans(open_bytes(marks * 50)) > 3


def test_memory_is_held_while_the_header_is_read_and_while_it_is_decoded(
    open_bytes: Callable[[bytes], int],
) -> None:
    content = encoded("PNG")
    budget = MemoryBudget(len(content) + 500, timeout=0)
    fd = open_bytes(content)
    with open_image(fd, budget) as image:
        assert budget.used_bytes == 0
        with reserve_decoding(image, budget):
            assert budget.used_bytes == 12 * 8 * 4
    assert budget.used_bytes == 0
    budget.acquire(budget.limit)
    with pytest.raises(Overloaded), open_image(fd, budget):
        pass


def test_a_picture_that_never_fits_is_too_much_and_one_that_waits_too_long_overloads(
    open_bytes: Callable[[bytes], int],
) -> None:
    fd = open_bytes(encoded("PNG"))
    with open_image(fd) as image:
        with (
            pytest.raises(TooMuch, match=r"a PNG of 12 x 8 pixels"),
            reserve_decoding(image, MemoryBudget(383)),
        ):
            pass
        with pytest.raises(TooMuch), reserve_decoding(image, MemoryBudget(384), copies=1):
            pass
        budget = MemoryBudget(384, timeout=0)
        budget.acquire(1)
        with pytest.raises(Overloaded), reserve_decoding(image, budget):
            pass


def test_pixels_are_let_go_of_even_by_who_holds_the_picture(
    open_bytes: Callable[[bytes], int],
) -> None:
    budget = MemoryBudget(1 << 20)
    with open_image(open_bytes(encoded("PNG"))) as image:
        with pytest.raises(KeyError), reserve_decoding(image, budget):
            image.load()
            raise KeyError
        assert budget.used_bytes == 0
        with pytest.raises(ValueError, match="closed"):
            image.getpixel((0, 0))


@pytest.mark.parametrize(
    ("mode", "transparent", "result"),
    [("L", False, "RGB"), ("P", False, "RGB"), ("LA", True, "RGBA"), ("RGBA", True, "RGBA")],
)
def test_only_what_something_shines_through_keeps_its_transparency(
    mode: str, transparent: bool, result: str
) -> None:
    image = Image.new(mode, (3, 3))
    assert image.has_transparency_data is transparent
    assert convert_to_rgb(image).mode == result
    with Image.open(BytesIO(shrink_image(image, 2))) as small:
        assert (small.format, small.size) == ("WEBP", (2, 2))


def damaged_png(noise: bytes, at: int, fix: bool) -> bytes:
    """A PNG with other bytes in one of its chunks, whose checksum may be right again."""
    content = bytearray(encoded("PNG"))
    at = 8 + at % (len(content) - 8 - len(noise))
    content[at : at + len(noise)] = noise
    if fix:
        place = 8
        while place + 12 <= len(content):
            (length,) = struct.unpack_from(">I", content, place)
            end = place + 8 + length
            if end + 4 > len(content):
                break
            struct.pack_into(">I", content, end, zlib.crc32(content[place + 4 : end]))
            place = end + 4
    return bytes(content)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=6), st.integers(0, 500), st.booleans())
def test_no_damaged_picture_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, fix: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(damaged_png(noise, at, fix))
    with descriptor_of(path) as fd, suppress(NoPicture, TooMuch), open_image(fd) as image:
        check_decodable(image, fd)
        shrink_image(image, 4)
