"""Texts that other programs wrote into pictures, each in its own way."""

import json
import struct
import zlib

import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from generator.pictures.base64_images import open_header
from generator.pictures.embedded_text import MAX_TEXT_LENGTH, other_texts, read_infotext
from generator.pictures.other_programs import infotext_of_json
from tests.generator.pictures.exif_comments import ASCII, COMMENTS, TEXT, with_comment
from tests.generator.pictures.sample_pictures import COLOURS, file


def infotext(data: bytes) -> str:
    """As the file browser reads it and as png-info does, which must be the same."""
    told = read_infotext(open_header(data))
    assert read_infotext(open_header(data), header_only=True) == told
    return told


@pytest.mark.parametrize("kind", COMMENTS)
def test_comments_of_every_kind(kind: str) -> None:
    comment, text = COMMENTS[kind]
    assert infotext(with_comment(comment)) == text


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF", "TIFF"])
def test_comments_in_other_containers(format: str) -> None:
    assert read_infotext(open_header(with_comment(COMMENTS["ascii"][0], format))) == ASCII


def test_descriptions_of_the_first_directory() -> None:
    for tag, value in (
        (ExifTags.Base.ImageDescription, TEXT),
        (ExifTags.Base.XPComment, TEXT.encode("utf-16-le") + b"\0\0"),
    ):
        exif = Image.Exif()
        exif[tag] = value.encode() if isinstance(value, str) else value
        assert infotext(file(COLOURS, "JPEG", exif=exif)) == TEXT


def test_comments_of_jpeg_and_gif() -> None:
    assert infotext(file(COLOURS, "JPEG", comment=TEXT.encode())) == TEXT
    assert infotext(file(COLOURS, "GIF", comment=TEXT.encode())) == TEXT


def png_with(name: bytes, content: bytes) -> bytes:
    """A PNG with one more chunk before its pixels."""
    data = file(COLOURS, "PNG")
    check = struct.pack(">I", zlib.crc32(name + content))
    return data[:33] + struct.pack(">I", len(content)) + name + content + check + data[33:]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (b"tEXt", b"parameters\0" + TEXT.encode()),
        (b"zTXt", b"parameters\0\0" + zlib.compress(TEXT.encode())),
        (b"iTXt", b"parameters\0\0\0\0\0" + TEXT.encode()),
        (b"iTXt", b"parameters\0\1\0en\0\0" + zlib.compress(TEXT.encode())),
    ],
)
def test_chunks_of_every_kind(name: bytes, content: bytes) -> None:
    assert infotext(png_with(name, content)) == TEXT


def test_chunks_in_latin_1_and_what_looks_like_utf_8() -> None:
    assert infotext(png_with(b"tEXt", "parameters\0un café".encode("latin-1"))) == "un café"
    assert infotext(png_with(b"iTXt", "parameters\0\0\0\0\0un cafÃ©".encode())) == "un cafÃ©"


def test_what_tells_of_making_wins_over_what_does_not() -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0Screenshot"
    chunks = PngInfo()
    chunks.add_text("parameters", TEXT)
    data = file(COLOURS, "PNG", exif=exif.tobytes(), pnginfo=chunks)
    assert infotext(data) == TEXT
    assert other_texts(open_header(data), TEXT)["UserComment"] == "Screenshot"


def test_novelai() -> None:
    told = {"sampler": "k_dpmpp_2m", "steps": 28, "uc": "dog", "scale": 11.0, "seed": 42}
    chunks = PngInfo()
    for key, value in {
        "Software": "NovelAI",
        "Description": "a café",
        "Comment": json.dumps(told),
    }.items():
        chunks.add_text(key, value)
    data = file(COLOURS, "PNG", pnginfo=chunks)
    assert infotext(data) == (
        "a café\nNegative prompt: dog\nSteps: 28, Sampler: DPM++ 2M, CFG scale: 11.0, Seed: 42, "
        "Size: 48x48, Clip skip: 2, ENSD: 31337"
    )
    chunks.add_text("Comment", "[" * 100_000)  # no JSON that can be read
    assert infotext(file(COLOURS, "PNG", pnginfo=chunks)) == ""


GRAPH = {
    "3": {"class_type": "KSampler", "inputs": {
        "seed": 42, "steps": 7, "cfg": 5.0, "sampler_name": "euler", "positive": ["5", 0],
        "negative": ["7", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "painter.safetensors"}},
    "5": {"class_type": "ControlNetApply", "inputs": {"conditioning": ["6", 0]}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a café"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "dog"}},
}  # fmt: skip
FLAT = {"prompt": "a café", "negative_prompt": "dog", "seed": 42, "steps": 7}
PROGRAMS = {
    "swarmui": ("parameters", {"sui_image_params": FLAT | {"negativeprompt": "dog"}}),
    "fooocus": ("parameters", FLAT | {"base_model": "painter"}),
    "invokeai": ("invokeai_metadata", {
        "positive_prompt": "a café", "negative_prompt": "dog", "seed": 42, "steps": 7,
        "model": {"name": "painter"}}),
    "comfyui": ("prompt", GRAPH),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_json_of_other_programs(program: str) -> None:
    name, told = PROGRAMS[program]
    chunks = PngInfo()
    chunks.add_itxt(name, json.dumps(told))
    data = file(COLOURS, "PNG", pnginfo=chunks)
    text = infotext(data)
    assert text.startswith("a café\nNegative prompt: dog\nSteps: 7, ")
    assert "Seed: 42" in text
    assert other_texts(open_header(data), text)[name] == json.dumps(told)


def test_a_graph_in_a_webp() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = f"prompt:{json.dumps(GRAPH)}"
    assert infotext(file(COLOURS, "WEBP", exif=exif)).startswith("a caf")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[1]",
        "{",
        '{"prompt": {}}',
        "{" * 9000,
        '{"a": {"class_type": 1, "inputs": {}}}',
        '{"3": {"class_type": "KSampler", "inputs": {"positive": ["3", 0]}}}',
    ],
)
def test_json_that_tells_nothing(text: str) -> None:
    assert infotext_of_json(text) == ""


def test_texts_of_other_programs_are_shown() -> None:
    chunks = PngInfo()
    chunks.add_itxt("sd-metadata", '{"model": "猫"}')
    chunks.add_text("workflow", "{}")
    shown = other_texts(open_header(file(COLOURS, "PNG", pnginfo=chunks)), "")
    assert shown["sd-metadata"] == '{"model": "猫"}'
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = 'workflow:{"a": 1}'
    assert other_texts(open_header(file(COLOURS, "WEBP", exif=exif)), "") == {
        "Make": 'workflow:{"a": 1}'
    }


def test_damaged_and_endless_texts() -> None:
    damaged = file(COLOURS, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"x" * 40)
    assert infotext(damaged) == ""
    assert len(infotext(with_comment(b"a" * 60_000))) == 60_000
    long = png_with(b"tEXt", b"parameters\0" + b"a" * (MAX_TEXT_LENGTH + 5))
    assert len(infotext(long)) == MAX_TEXT_LENGTH
