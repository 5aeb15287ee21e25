"""Names that others left on the disk, as callers see and send them."""

import os

import pytest

from filebrowser.access.gate import Root, parse_path
from filebrowser.errors import BadPath, NotHere
from filebrowser.names import decode_shown_name, encode_name

ODD = [
    (b"bad\xc9\xf1.txt", r"bad\xc9\xf1.txt"),
    (b"line\nfeed.txt", r"line\x0afeed.txt"),
    (b"a:b.txt", r"a\x3ab.txt"),
    (b"back\\slash.txt", r"back\x5cslash.txt"),
    (b"a\\x3ab", r"a\x5cx3ab"),
    (b"trailing.txt ", r"trailing.txt\x20"),
    (b"dots...", r"dots..\x2e"),
    (b"...", r"..\x2e"),
    (b"CON.txt", r"\x43ON.txt"),
    (b"nul", r"\x6eul"),
    (b"\xc2\x85", r"\xc2\x85"),
    ("‥".encode(), r"\xe2\x80\xa5"),
    ("猫\x01".encode(), r"猫\x01"),
    ("a\u202eb:".encode(), "a\u202eb" + r"\x3a"),
]


@pytest.mark.parametrize(("disk", "shown"), ODD)
def test_odd_names_are_written_out_and_read(disk: bytes, shown: str) -> None:
    assert encode_name(os.fsdecode(disk)) == shown
    assert os.fsencode(decode_shown_name(shown)) == disk


def test_a_name_longer_than_those_that_are_made_can_be_asked_for() -> None:
    name = "長" * 200  # some file systems count characters
    assert decode_shown_name(encode_name(name)) == name
    assert encode_name(name) != name


def test_others_stand_for_themselves() -> None:
    for name in ("a.txt", "猫.txt", "x" * 255, ".hidden", "a b", "'\"<>|?*"):
        assert encode_name(name) == decode_shown_name(name) == name


@pytest.mark.parametrize(
    "shown",
    [
        *(r"\x2e\x2e", r"\x2e", r"\x2f", r"a\x2fb", r"a\x00b", r"\x2e\x2e\x2fa", r"\x61.txt"),
        *(r"a\x3Ab", r"a\x3", r"a\b", "..\\a", r"a:\x3ab", r"\x2eeasel", "a\udcffb", "\ud800\\x3a"),
    ],
)
def test_nothing_else_is_written_out(shown: str) -> None:
    with pytest.raises(BadPath):
        decode_shown_name(shown)


def test_what_is_hidden_is_hidden_by_every_odd_name_that_might_open_it(
    tmp_path: os.PathLike[str],
) -> None:
    root = Root("data", tmp_path, hidden=frozenset({".easel", "config.json"}))  # type: ignore[arg-type]
    for shown in (r".easel\x20", r".EASEL\x2e", r"config.json\x3a\x3a$DATA", r".easel.\x20"):
        with pytest.raises(NotHere):
            parse_path(f"data/{shown}", [root])
    assert parse_path(r"data/config\x3ajson", [root]).names == ("config:json",)
