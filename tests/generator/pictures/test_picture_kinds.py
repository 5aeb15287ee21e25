"""Files that are no pictures for us are named in the refusal, by their first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.pictures.picture_kinds import kind_of


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x18ftypheic", "a HEIC picture"),
        (b"\0\0\0\x18ftypavif", "a damaged AVIF"),
        (b"\0\0\0\x18ftypisom", "a video"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a damaged WebP"),
        (b"RIFF\0\0\0\0WAVE", "a sound or a video"),
        (b'<?xml version="1.0"?><SVG>', "an SVG drawing"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\3\4", "a zip archive"),
        (b"\x89PNG\r\n", "a damaged PNG"),
        (b"\xff\xd8\xff\xe0", "a damaged JPEG"),
        (b"", ""),
        (b"hello", ""),
        (b" " * 600 + b"<svg", ""),
    ],
)
def test_kinds(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind


@given(st.binary(max_size=40))
def test_any_bytes_have_a_kind_or_none(data: bytes) -> None:
    assert kind_of(data) == "" or kind_of(data).startswith(("a ", "an "))
