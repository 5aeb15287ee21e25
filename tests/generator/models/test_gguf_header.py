"""GGUF headers: what is told, what is refused, and that rubbish only raises ModelUnreadable."""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.errors import ModelUnreadable
from generator.models.gguf_header import MAX_HEADER, MOST_STRINGS, read_gguf
from tests.generator.models.gguf_files import gguf, text

QUICK = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SHAPES = {"img_in.weight": (6, 4), "double_blocks.0.x": (2, 3, 5)}
WORDS = text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("cat")
NUMBERS = text("n") + struct.pack("<IIQ3I", 9, 4, 3, 1, 2, 3)


def array(inner: int, count: int) -> bytes:
    """A pair whose list tells of so many values and holds none."""
    return text("a") + struct.pack("<IIQ", 9, inner, count)


def write(folder: Path, content: bytes) -> Path:
    path = folder / "a.gguf"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_a_whole_file_tells_its_architecture_and_tensors(tmp_path: Path, version: int) -> None:
    content = gguf(SHAPES, "qwen_image", pairs=(WORDS, NUMBERS), version=version)
    header = read_gguf(write(tmp_path, content))
    assert (header.architecture, header.shapes) == ("qwen_image", SHAPES)
    assert header.size <= len(content) < header.size + 32


def test_every_cut_is_refused(tmp_path: Path) -> None:
    content = gguf(SHAPES, pairs=(WORDS,))
    whole = read_gguf(write(tmp_path, content)).size
    for length in range(whole):
        with pytest.raises(ModelUnreadable, match=r"a\.gguf: .*[Cc]opy it again|copy it again"):
            read_gguf(write(tmp_path, content[:length]))


HEAD = b"GGUF" + struct.pack("<I", 3)
BOMBS: dict[str, bytes | Callable[[], bytes]] = {
    "other magic": b"GGML" + bytes(60),
    "old version": gguf({}, version=1),
    "tensors": HEAD + struct.pack("<QQ", 1 << 60, 0),
    "values": HEAD + struct.pack("<QQ", 0, 1 << 60),
    "long text": HEAD + struct.pack("<QQQ", 0, 1, 1 << 60),
    "long list": gguf({}, pairs=(array(4, 1 << 60),)),
    "many texts": gguf({}, pairs=(array(8, 1 << 60),)),
    "lists in lists": HEAD + struct.pack("<QQ", 0, 1) + text("a")
        + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 99,
    "unknown type": gguf({}, pairs=(text("a") + struct.pack("<I", 99),)),
    "dimensions": HEAD + struct.pack("<QQ", 1, 0) + text("w") + struct.pack("<I", 1 << 31),
    "sides": HEAD + struct.pack("<QQ", 1, 0) + text("w")
        + struct.pack("<IQQIQ", 2, 1 << 62, 1 << 62, 1, 0),
    "no alignment": gguf({}, pairs=(text("general.alignment") + struct.pack("<II", 4, 0),)),
    "no UTF-8": HEAD + struct.pack("<QQQ", 0, 1, 2) + b"\xff\xfe",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_without_bounds_is_not_believed(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelUnreadable, match=r"^a\.gguf: "):
        read_gguf(write(tmp_path, BOMBS[name]))  # type: ignore[arg-type]


def test_one_tensor_twice_is_refused(tmp_path: Path) -> None:
    content = gguf({"aa": (1,), "ab": (1,)}).replace(text("ab"), text("aa"))
    with pytest.raises(ModelUnreadable, match="twice"):
        read_gguf(write(tmp_path, content))


def test_lists_of_words_are_bounded_together(tmp_path: Path) -> None:
    half = array(8, MOST_STRINGS // 2 + 1)
    words = struct.pack("<Q", 0) * (MOST_STRINGS // 2 + 1)
    assert 2 * len(words) < MAX_HEADER
    with pytest.raises(ModelUnreadable, match="texts"):
        read_gguf(write(tmp_path, gguf({}, pairs=(half + words, half))))


@QUICK
@given(st.binary(max_size=120), st.integers(0, 200))
def test_rubbish_raises_nothing_else(tmp_path: Path, rubbish: bytes, at: int) -> None:
    whole = gguf(SHAPES, pairs=(WORDS, NUMBERS))
    for content in (b"GGUF" + rubbish, whole[:at] + rubbish + whole[at + len(rubbish) :]):
        with suppress(ModelUnreadable):
            assert read_gguf(write(tmp_path, content)).size <= len(content)
