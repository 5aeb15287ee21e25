"""When a file counts as settled. The clock is ours, the disk is real."""

import os
from pathlib import Path

import pytest

from filebrowser.watch.debounce import (
    QUIET_SECONDS,
    Debouncer,
    FileChange,
    WriterState,
)
from filebrowser.watch.file_events import FileEventKind

SOON = QUIET_SECONDS[WriterState.DONE]
LATER = QUIET_SECONDS[WriterState.UNKNOWN]
LATEST = QUIET_SECONDS[WriterState.WRITING]


@pytest.fixture
def settler(tmp_path: Path) -> Debouncer:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a").write_bytes(b"aa")
    (tmp_path / "old" / "b").write_bytes(b"b")
    settler = Debouncer([tmp_path])
    settler.take_snapshot()
    return settler


def test_a_closed_file_is_told_at_once_and_only_once(settler: Debouncer, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_bytes(b"whole")
    settler.hint(new, 0.0, WriterState.DONE)
    assert settler.pop_settled(SOON) == (FileChange(new, FileEventKind.CREATED),)
    settler.hint(new, 1.0, WriterState.DONE)
    assert settler.pop_settled(9.0) == ()
    assert not settler.is_busy


def test_a_trickling_file_is_told_when_it_stops_growing(settler: Debouncer, tmp_path: Path) -> None:
    new = tmp_path / "new"
    settler.hint(new, 0.0)
    for step in range(6):
        now = step * LATER * 0.8
        with new.open("ab") as file:
            file.write(b"more")
        assert settler.pop_settled(now) == ()
    assert settler.pop_settled(now + LATER) == (FileChange(new, FileEventKind.CREATED),)


def test_an_open_writer_is_waited_for_longer(settler: Debouncer, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_bytes(b"half")
    settler.hint(new, 0.0, WriterState.WRITING)
    assert settler.pop_settled(0.0) == settler.pop_settled(LATEST * 0.9) == ()
    settler.hint(new, LATEST, WriterState.DONE)
    assert [each.path for each in settler.pop_settled(LATEST + SOON)] == [new]


def test_changes_and_deletions(settler: Debouncer, tmp_path: Path) -> None:
    a, b = tmp_path / "old" / "a", tmp_path / "old" / "b"
    a.write_bytes(b"longer")
    b.unlink()
    settler.hint(a, 0.0, WriterState.DONE)
    settler.hint(b, 0.0)
    assert set(settler.pop_settled(1.0)) == {
        FileChange(a, FileEventKind.CHANGED),
        FileChange(b, FileEventKind.DELETED),
    }


def test_another_content_of_the_same_size_and_time_is_a_change(
    settler: Debouncer, tmp_path: Path
) -> None:
    a = tmp_path / "old" / "a"
    before = a.stat()
    a.write_bytes(b"zz")
    os.utime(a, ns=(before.st_atime_ns, before.st_mtime_ns))
    settler.hint(a, 0.0, WriterState.DONE)
    assert settler.pop_settled(1.0) == (FileChange(a, FileEventKind.CHANGED),)


def test_a_renamed_file_has_moved(settler: Debouncer, tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "a", tmp_path / "new"
    old.rename(new)
    settler.hint(old, 0.0, WriterState.DONE)
    settler.hint(new, 0.0, WriterState.DONE)
    assert settler.pop_settled(1.0) == (FileChange(new, FileEventKind.MOVED, old),)


def test_a_rename_over_a_known_file_changes_it(settler: Debouncer, tmp_path: Path) -> None:
    a = tmp_path / "old" / "a"
    part = tmp_path / "a.part"
    part.write_bytes(b"other")
    part.replace(a)
    settler.hint(part, 0.0, WriterState.DONE)
    settler.hint(a, 0.0, WriterState.DONE)
    assert settler.pop_settled(1.0) == (FileChange(a, FileEventKind.CHANGED),)


def test_a_folder_that_leaves_takes_its_files_along(settler: Debouncer, tmp_path: Path) -> None:
    (tmp_path / "old").rename(tmp_path.parent / f"{tmp_path.name}-gone")
    settler.hint(tmp_path / "old", 0.0)
    told = settler.pop_settled(0.0) + settler.pop_settled(1.0)
    assert {(each.path.name, each.kind) for each in told} == {
        ("a", FileEventKind.DELETED),
        ("b", FileEventKind.DELETED),
    }


def test_a_folder_that_comes_brings_its_files(settler: Debouncer, tmp_path: Path) -> None:
    (tmp_path / "new" / "deep").mkdir(parents=True)
    (tmp_path / "new" / "deep" / "c").write_bytes(b"c")
    settler.hint(tmp_path / "new", 0.0)
    assert settler.pop_settled(0.0) == ()
    assert settler.pop_settled(LATER) == (
        FileChange(tmp_path / "new" / "deep" / "c", FileEventKind.CREATED),
    )


def test_a_rescan_finds_what_no_event_told(settler: Debouncer, tmp_path: Path) -> None:
    (tmp_path / "old" / "a").unlink()
    (tmp_path / "c").write_bytes(b"c")
    settler.rescan(0.0)
    told = settler.pop_settled(0.0) + settler.pop_settled(SOON) + settler.pop_settled(LATER)
    assert {(each.path.name, each.kind) for each in told} == {
        ("a", FileEventKind.DELETED),
        ("c", FileEventKind.CREATED),
    }


def test_hidden_places_are_passed_over(settler: Debouncer, tmp_path: Path) -> None:
    (tmp_path / ".uploads").mkdir()
    (tmp_path / ".uploads" / "x").write_bytes(b"x")
    settler.hint(tmp_path / ".uploads" / "x", 0.0, WriterState.DONE)
    settler.hint(tmp_path.parent / "elsewhere", 0.0)
    settler.rescan(0.0)
    assert not settler.is_busy


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    os.symlink(tmp_path, tmp_path / "again")
    (tmp_path / "a").write_bytes(b"a")
    settler = Debouncer([tmp_path])
    settler.take_snapshot()
    settler.rescan(0.0)
    assert not settler.is_busy
