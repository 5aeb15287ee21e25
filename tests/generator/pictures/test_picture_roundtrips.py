"""Pictures and their texts, written and read again: nothing is lost on the way."""

import base64
from itertools import permutations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.errors import BadRequest
from generator.pictures.base64_images import (
    bytes_of,
    check_picture,
    decode,
    fingerprint_of,
    flatten_onto,
    open_header,
    open_picture,
    read_base64,
    write_base64,
)
from generator.pictures.embedded_text import decode_comment, other_texts, read_infotext
from generator.pictures.infotext import write_infotext
from generator.pictures.infotext_parser import default_first_pass, parse_infotext, read_parameters
from generator.pictures.picture_files import encode_picture, encode_with_chunks, fits
from tests.generator.pictures.sample_pictures import COLOURS, RAMP, file

FORMATS = ["png", "jpg", "webp"]
any_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@given(any_text, any_text, st.integers(0, 2**40))
@example("un cafÃ©", "", 1)  # Latin-1 that could be UTF-8
@example("ÿþbom", "þÿ", 1)
@settings(max_examples=25)
@pytest.mark.parametrize("format", FORMATS)
def test_an_infotext_comes_back_from_every_kind_of_file(
    format: str, prompt: str, negative: str, seed: int
) -> None:
    text = write_infotext(prompt, negative, {"Steps": 20, "Seed": seed, "Size": "8x8"})
    data = encode_picture(Image.new("RGB", (8, 8)), format, text)
    assert read_infotext(open_header(data)) == text
    assert read_infotext(open_header(data), header_only=True) == text


@given(any_text, any_text)
@settings(max_examples=25)
def test_chunks_of_a_png_come_back_by_their_names(one: str, other: str) -> None:
    texts = {"parameters": "a\nSteps: 1, Seed: 2, Size: 8x8", "one": one, "other": other}
    image = open_header(encode_with_chunks(Image.new("RGB", (8, 8)), "png", texts))
    shown = other_texts(image, texts["parameters"])
    for key in ("one", "other"):
        assert str(shown.get(key, "")).strip() == texts[key].strip()


@pytest.mark.parametrize("format", ["jpg", "webp"])
def test_other_containers_keep_the_infotext_alone(format: str) -> None:
    data = encode_with_chunks(COLOURS, format, {"parameters": "a", "else": "b"})
    assert "else" not in other_texts(open_header(data), "a")
    assert read_infotext(open_header(data)) == "a"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_a_picture_comes_back_from_base64_to_the_bit(
    mode: str, width: int, height: int, seed: int
) -> None:
    shape = (height, width, len(mode)) if len(mode) > 1 else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    image = Image.fromarray(pixels)
    found = read_base64(write_base64(image))
    assert (found.mode, found.size) == (mode, (width, height))
    assert found.tobytes() == image.tobytes()
    assert fingerprint_of(found) == fingerprint_of(image)


@pytest.mark.parametrize("format", ["webp", "png"])
def test_lossless_files_keep_every_pixel(format: str) -> None:
    found = open_picture(encode_picture(COLOURS, format, "text", lossless=True))
    assert found.tobytes() == COLOURS.tobytes()


@pytest.mark.parametrize("format", ["jpg", "webp"])
def test_a_better_quality_is_nearer_and_larger(format: str) -> None:
    files = [encode_picture(COLOURS, format, quality=quality) for quality in (10, 50, 95)]
    sizes = [len(data) for data in files]
    assert sizes == sorted(sizes)
    far = [
        np.abs(np.asarray(open_picture(data), int) - np.asarray(COLOURS, int)).mean()
        for data in files
    ]
    assert far == sorted(far, reverse=True)


def test_a_jpeg_of_a_transparent_picture_has_no_alpha() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert open_picture(encode_picture(clear, "jpg")).mode == "RGB"
    assert open_picture(encode_picture(clear, "webp", lossless=True)).mode == "RGBA"


@pytest.mark.parametrize("side", [1, 16383, 16384, 65500, 65501])
@pytest.mark.parametrize("format", [*FORMATS, "JPEG", "nonsense"])
def test_a_format_says_what_it_holds(format: str, side: int) -> None:
    most = {"jpg": 65500, "JPEG": 65500, "webp": 16383}.get(format, 10**9)
    assert fits((side, 1), format) == fits((1, side), format) == (side <= most)


def test_fingerprints_tell_pixels_not_files() -> None:
    png, webp = (open_picture(file(COLOURS, kind, **how)) for kind, how in
                 (("PNG", {}), ("WEBP", {"lossless": True})))  # fmt: skip
    assert fingerprint_of(png) == fingerprint_of(webp)
    changed = png.copy()
    changed.putpixel((0, 0), (1, 2, 3))
    assert fingerprint_of(changed) != fingerprint_of(png)


@given(st.binary(max_size=60))
@settings(max_examples=40)
def test_bytes_that_are_no_picture_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(BadRequest, match="Invalid encoded image"):
        open_picture(data)


@given(st.integers(0, 2000), st.integers(0, 255))
@settings(max_examples=40)
@pytest.mark.filterwarnings("ignore:Tag data larger:UserWarning")
def test_a_damaged_file_is_a_picture_or_refused_in_words(place: int, byte: int) -> None:
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        data = bytearray(file(RAMP, kind))
        data[place % len(data)] = byte
        try:
            found = open_picture(bytes(data))
        except BadRequest:
            continue
        assert found.mode in ("L", "RGB", "RGBA")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_cut_file_is_found_before_it_is_drawn(kind: str) -> None:
    data = file(COLOURS, kind)
    check_picture(open_header(data))
    for look in (check_picture, decode):
        with pytest.raises(BadRequest, match=r"Invalid encoded image: it is (damaged|truncated)"):
            look(open_header(data[: len(data) * 9 // 10]))


def test_only_the_header_is_read_until_pixels_are_asked_for() -> None:
    data = file(COLOURS, "PNG")
    assert open_header(data[:60]).size == COLOURS.size


@pytest.mark.parametrize("text", ["a", "data:image/png;base64,x"])
def test_what_is_no_base64_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(BadRequest, match="it is not base64") as refusal:
        bytes_of(text, "mask")
    assert refusal.value.field == "mask"


def test_bytes_come_back_whatever_stands_between_them() -> None:
    """Line breaks, as mail and shells put them in."""
    text = base64.encodebytes(file(RAMP, "PNG")).decode()
    assert "\n" in text
    assert read_base64(text).tobytes() == RAMP.tobytes()


@given(st.integers(0, 255), st.sampled_from(["#000000", "#ffffff", "#ff8000"]))
@settings(max_examples=25)
def test_a_flat_picture_is_its_share_over_the_background(alpha: int, background: str) -> None:
    image = Image.new("RGBA", (2, 2), (10, 200, 90, alpha))
    found = flatten_onto(image, background).getpixel((0, 0))
    below = Image.new("RGB", (1, 1), background).getpixel((0, 0))
    share = alpha / 255
    wanted = [a * share + b * (1 - share) for a, b in zip((10, 200, 90), below, strict=True)]
    assert found == pytest.approx(wanted, abs=1.5)


def test_a_picture_without_alpha_has_no_background() -> None:
    assert flatten_onto(COLOURS, "#ff0000").tobytes() == COLOURS.tobytes()
    assert flatten_onto(RAMP, "#ff0000").mode == "RGB"


@given(
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1).map(str.strip)
)
@settings(max_examples=25)
def test_a_marked_comment_is_decoded_by_its_mark(text: str) -> None:
    if not text.isascii() or not any(letter.isalpha() for letter in text):
        text = f"Steps: {text}"
    assert decode_comment(b"ASCII\0\0\0" + text.encode()) == text.strip("\0").strip()
    for order, mark in (("be", b"\xfe\xff"), ("le", b"\xff\xfe")):
        wide = text.encode(f"utf-16-{order}")
        assert decode_comment(b"UNICODE\0" + mark + wide) == text.strip("\0").strip()


entries = st.dictionaries(
    st.from_regex(r"[A-Z][a-z]{2,8}", fullmatch=True), st.integers(), min_size=3
)


@given(entries, st.permutations(["Version", "Steps", "Seed"]))
@settings(max_examples=25)
def test_entries_are_written_in_one_order_however_they_come(told: dict, last: list[str]) -> None:
    told = {f"X{key}": value for key, value in told.items()}
    texts = {
        write_infotext("p", "n", dict.fromkeys(order, 1) | told) for order in permutations(last)
    }
    (text,) = texts
    keys = list(parse_infotext(text).parameters)
    assert (keys[:2], keys[-1]) == (["Steps", "Seed"], "Version")


@given(st.text(max_size=200))
@settings(max_examples=60)
def test_any_text_can_be_read(text: str) -> None:
    found = parse_infotext(text)
    read = read_parameters(text, lambda _: False)
    assert "Prompt" in read
    assert found.prompt.strip() == "" or found.prompt.split("\n")[0].strip() in text


@given(st.integers(64, 4096), st.integers(64, 4096))
@settings(max_examples=25)
def test_the_old_hires_fix_begins_with_about_512_x_512_pixels(width: int, height: int) -> None:
    first = default_first_pass(width, height)
    assert first[0] % 64 == first[1] % 64 == 0
    share = (512 * 512 / (width * height)) ** 0.5
    for side, whole in zip(first, (width, height), strict=True):
        assert 0 <= side - whole * share < 64 + 1e-6
