"""The beginning of a text in any encoding; files that are none."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filebrowser.errors import NotText
from filebrowser.previews.text_preview import MAX_BYTES, SNIFF_BYTES, TextPreview, read_text

WORDS = "Grüße, 世界\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts") / "a.txt"


def preview(path: Path, content: bytes) -> TextPreview:
    path.write_bytes(content)
    file = os.open(path, os.O_RDONLY)
    try:
        return read_text(file)
    finally:
        os.close(file)


@pytest.mark.parametrize(
    ("written", "encoding"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("gb18030", "gb18030")],
)
def test_each_encoding_is_read(path: Path, written: str, encoding: str) -> None:
    assert preview(path, WORDS.encode(written)) == TextPreview(WORDS, encoding, True)


def test_what_fits_nothing_else_is_latin_1(path: Path) -> None:
    assert preview(path, b"caf\xe9\xff\xff").encoding == "latin-1"


@given(st.text())
def test_utf_8_comes_back_whole(path: Path, text: str) -> None:
    content = text.encode("utf-8", "replace")
    if b"\0" not in content and not content.startswith(b"\xef\xbb\xbf"):
        assert preview(path, content) == TextPreview(content.decode(), "utf-8", True)


@given(st.binary(max_size=200))
def test_bytes_are_a_text_or_none(path: Path, content: bytes) -> None:
    try:
        assert preview(path, content).complete
    except NotText:
        assert b"\0" in content or content[:2] in (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb")


@pytest.mark.parametrize("letters", range(4))
def test_a_long_text_is_cut_between_characters(path: Path, letters: int) -> None:
    text = "a" * letters + "猫" * MAX_BYTES
    shown = preview(path, text.encode())
    assert not shown.complete
    assert shown.encoding == "utf-8"
    assert text.startswith(shown.content)
    assert len(shown.content.encode()) > MAX_BYTES - 3


def test_zeros_tell_binary_files_where_one_looks(path: Path) -> None:
    with pytest.raises(NotText, match="zeros"):
        preview(path, b"a" * (SNIFF_BYTES - 1) + b"\0")
    assert preview(path, b"a" * SNIFF_BYTES + b"\0").complete


def test_half_a_character_behind_a_mark_is_no_text(path: Path) -> None:
    with pytest.raises(NotText, match="utf-16"):
        preview(path, "a".encode("utf-16") + b"x")
