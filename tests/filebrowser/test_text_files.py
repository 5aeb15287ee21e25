"""Texts that are edited: a save counts for the state that was read, and loses nobody's work."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser import text_files
from filebrowser.access.gate import Place, Root, parse_path
from filebrowser.errors import (
    Changed,
    NotAFile,
    NotAllowed,
    NotHere,
    NotText,
    Taken,
    TooMuch,
)
from filebrowser.text_files import MAX_TEXT_BYTES, EditableText, read_text, save_text
from filebrowser.watch.file_events import FileEvent, FileEventKind


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    return Place(Root("data", tmp_path), ("a.txt",))


def ignore(_: FileEvent) -> None:
    """Nobody listens."""


def work_files(place: Place) -> list[str]:
    """What a save may have left lying about."""
    files = [path for path in place.root.path.rglob("*") if path.is_file()]
    return [path.name for path in files if path.name not in (place.names[-1], "b.txt")]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_save_over_the_state_that_was_read(
    place: Place, exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchange:

        def refuse(*_: object) -> None:
            raise OSError(errno.EINVAL, "names do not trade places here")

        monkeypatch.setattr(text_files, "exchange_names", refuse)
    events: list[FileEvent] = []
    etag = read_text(place).etag
    new = save_text(place, "two\r\n猫\t", etag, events.append)
    assert read_text(place).text == "two\r\n猫\t"
    assert read_text(place).etag == new != etag
    assert [(event.kind, event.place) for event in events] == [(FileEventKind.CHANGED, place)]
    assert work_files(place) == []
    with pytest.raises(Changed, match="read it again"):
        save_text(place, "three", etag, events.append)
    assert read_text(place).text == "two\r\n猫\t"
    assert len(events) == 1


def test_a_change_between_check_and_exchange_is_put_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, etag = place.root.path / "a.txt", read_text(place).etag
    exchange, calls = text_files.exchange_names, []

    def change_first(*args: object) -> None:
        if not calls:
            path.write_text("somebody else's")
        calls.append(args)
        exchange(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(text_files, "exchange_names", change_first)
    with pytest.raises(Changed):
        save_text(place, "mine", etag, ignore)
    assert path.read_text() == "somebody else's"
    assert len(calls) == 2
    assert work_files(place) == []


def test_a_new_file_takes_no_others_place(place: Place) -> None:
    with pytest.raises(Taken, match="read it first"):
        save_text(place, "two", None, ignore)
    assert read_text(place).text == "one"
    events: list[FileEvent] = []
    other = Place(place.root, ("b.txt",))
    etag = save_text(other, "", None, events.append)
    assert read_text(other).text == ""
    assert read_text(other).etag == etag
    assert [event.kind for event in events] == [FileEventKind.CREATED]


def test_what_is_gone_or_no_file_is_not_written(place: Place) -> None:
    etag = read_text(place).etag
    (place.root.path / "a.txt").unlink()
    with pytest.raises(Changed, match="is gone"):
        save_text(place, "two", etag, ignore)
    (place.root.path / "a.txt").mkdir()
    with pytest.raises(NotAFile):
        save_text(place, "two", etag, ignore)
    with pytest.raises(NotAFile, match="is a folder"):
        read_text(place)


@pytest.mark.parametrize(
    "content", [b"a\0b", b"\xff\xfe", b"\x1b[0m", b"caf\xe9", b"\xed\xa0\x80", b"a\x0bb"]
)
def test_no_text_is_edited_as_one(place: Place, content: bytes) -> None:
    (place.root.path / "a.txt").write_bytes(content)
    with pytest.raises(NotText):
        read_text(place)


@pytest.mark.parametrize("text", ["\0", "\x1b[0m", "\ud800"])
def test_no_text_is_saved_that_could_not_be_read(place: Place, text: str) -> None:
    etag = read_text(place).etag
    with pytest.raises(NotText):
        save_text(place, text, etag, ignore)
    assert read_text(place).text == "one"


def test_texts_are_bounded(place: Place) -> None:
    path, etag = place.root.path / "a.txt", read_text(place).etag
    with pytest.raises(TooMuch):
        save_text(place, "é" * (MAX_TEXT_BYTES // 2) + "a", etag, ignore)
    etag = save_text(place, "é" * (MAX_TEXT_BYTES // 2), etag, ignore)
    assert read_text(place).etag == etag
    with path.open("ab") as file:
        file.write(b"a")
    with pytest.raises(TooMuch, match="are edited"):
        read_text(place)


def test_a_link_is_not_followed(place: Place, tmp_path: Path) -> None:
    os.symlink("a.txt", tmp_path / "link")
    with pytest.raises(Exception, match="link"):
        read_text(Place(place.root, ("link",)))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffa mark of the byte order stays",
        "line\r\nends\nof\rall kinds",
        "no end",
        "tabs\tand\fform feeds",
        "e\u0301 is not é",
        "\u2028\u2029\x85 ends of lines in Unicode",
        "\u202e right to left, 🐈\u200d⬛",
        "",
    ],
)
def test_a_text_comes_back_to_the_byte(place: Place, text: str) -> None:
    save_text(place, text, read_text(place).etag, ignore)
    assert (place.root.path / "a.txt").read_bytes() == text.encode()
    assert read_text(place).text == text


@settings(max_examples=40)
@given(st.binary(max_size=40))
def test_bytes_are_a_text_that_can_be_saved_or_none(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    place = Place(Root("data", tmp_path_factory.mktemp("texts")), ("a",))
    path = place.root.path / "a"
    path.write_bytes(content)
    try:
        read = read_text(place)
    except NotText:
        return
    save_text(place, read.text, read.etag, ignore)
    assert path.read_bytes() == content


def test_two_who_edit_the_same_state_do_not_lose_each_others_work(place: Place) -> None:
    etag = read_text(place).etag
    save_text(place, "hers", etag, ignore)
    with pytest.raises(Changed):
        save_text(place, "his", etag, ignore)
    save_text(place, read_text(place).text + ", his", read_text(place).etag, ignore)
    assert read_text(place).text == "hers, his"


def test_a_saved_text_is_for_others_to_read_as_any_new_file(place: Place) -> None:
    (place.root.path / "a.txt").chmod(0o777)
    save_text(place, "#!/bin/sh", read_text(place).etag, ignore)
    assert (place.root.path / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.usefixtures("no_descriptor_leaks")
@pytest.mark.parametrize(
    ("names", "writable", "error"),
    [
        (("code", "a.txt"), True, NotAllowed),
        (("a.txt",), False, NotAllowed),
        (("none", "a.txt"), True, NotHere),
        (("a.txt", "below"), True, NotAFile),
    ],
)
def test_a_text_is_saved_only_where_a_file_may_be(
    place: Place, names: tuple[str, ...], writable: bool, error: type[Exception]
) -> None:
    root = Root("data", place.root.path, writable, sealed=frozenset({"code"}))
    (root.path / "code").mkdir()
    with pytest.raises(error):
        save_text(Place(root, names), "text", None, ignore)
    assert work_files(place) == []


def test_a_disk_that_is_full_keeps_the_text_that_was(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    etag = read_text(place).etag
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        save_text(place, "two", etag, ignore)
    monkeypatch.undo()
    assert read_text(place) == EditableText("one", etag)
    assert work_files(place) == []


def test_a_name_that_others_left_is_edited_by_its_written_out_form(place: Place) -> None:
    odd = parse_path(r"data/a\x3ab", [place.root])
    (place.root.path / "a:b").write_text("theirs")
    save_text(odd, "ours", read_text(odd).etag, ignore)
    assert (place.root.path / "a:b").read_text() == "ours"
