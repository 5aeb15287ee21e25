"""Texts that are edited: a save counts for the state that was read, and loses nobody's work."""

import errno
import os
from pathlib import Path

import pytest

from filebrowser import text_files
from filebrowser.access.gate import Place, Root
from filebrowser.errors import Changed, NotAFile, NotText, Taken, TooMuch
from filebrowser.text_files import MAX_TEXT_BYTES, read_text, save_text
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
