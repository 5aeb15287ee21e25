"""Content-Disposition: a reader gets back the very name, or a harmless approximation of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from filebrowser.disposition import approximation, content_disposition

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80)


@given(NAMES, st.booleans())
def test_a_reader_gets_back_the_name(name: str, attachment: bool) -> None:
    header = content_disposition(name, attachment=attachment)
    assert header.isascii()
    assert header.isprintable()
    how, options = parse_options_header(header)
    assert how == ("attachment" if attachment else "inline")
    assert options["filename"] == name


@given(st.text(min_size=1, max_size=80))
def test_no_name_breaks_the_header(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') in (0, 2)
    assert "\\" not in header


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.png", "attachment; filename=a.png"),
        ("a b.png", 'attachment; filename="a b.png"'),
        ("a'b.png", "attachment; filename=\"a'b.png\""),
        ("100%.png", "attachment; filename=\"100_.png\"; filename*=UTF-8''100%25.png"),
        ('a"b', "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b"),
        ("é.png", "attachment; filename=\"e.png\"; filename*=UTF-8''%C3%A9.png"),
        ("猫.png", "attachment; filename=\"_.png\"; filename*=UTF-8''%E7%8C%AB.png"),
        ("a\r\nB: x", "attachment; filename=\"a__B: x\"; filename*=UTF-8''a__B%3A%20x"),
        ("\ud800.png", "attachment; filename=\"_.png\"; filename*=UTF-8''_.png"),
    ],
)  # fmt: skip
def test_headers_as_they_are_written(name: str, header: str) -> None:
    assert content_disposition(name) == header


def test_an_approximation_is_ascii_without_escapes() -> None:
    assert approximation('Ünïcödé "\\%;\t') == "Unicode ___;_"
