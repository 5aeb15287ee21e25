"""When a file counts as settled. The clock is ours, the disk is real."""

import os
from pathlib import Path

import pytest

from filebrowser.settling import QUIET, Change, FileChange, Phase, Settler

SOON = QUIET[Phase.DONE]
LATER = QUIET[Phase.UNKNOWN]
LATEST = QUIET[Phase.WRITING]


@pytest.fixture
def settler(tmp_path: Path) -> Settler:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a").write_bytes(b"aa")
    (tmp_path / "old" / "b").write_bytes(b"b")
    settler = Settler([tmp_path])
    settler.learn()
    return settler


def test_a_closed_file_is_told_at_once_and_only_once(settler: Settler, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_bytes(b"whole")
    settler.hint(new, 0.0, Phase.DONE)
    assert settler.settled(SOON) == (FileChange(new, Change.CREATED),)
    settler.hint(new, 1.0, Phase.DONE)
    assert settler.settled(9.0) == ()
    assert not settler.busy


def test_a_trickling_file_is_told_when_it_stops_growing(settler: Settler, tmp_path: Path) -> None:
    new = tmp_path / "new"
    settler.hint(new, 0.0)
    for step in range(6):
        now = step * LATER * 0.8
        with new.open("ab") as file:
            file.write(b"more")
        assert settler.settled(now) == ()
    assert settler.settled(now + LATER) == (FileChange(new, Change.CREATED),)


def test_an_open_writer_is_waited_for_longer(settler: Settler, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_bytes(b"half")
    settler.hint(new, 0.0, Phase.WRITING)
    assert settler.settled(0.0) == settler.settled(LATEST * 0.9) == ()
    settler.hint(new, LATEST, Phase.DONE)
    assert [each.path for each in settler.settled(LATEST + SOON)] == [new]


def test_changes_and_deletions(settler: Settler, tmp_path: Path) -> None:
    a, b = tmp_path / "old" / "a", tmp_path / "old" / "b"
    a.write_bytes(b"longer")
    b.unlink()
    settler.hint(a, 0.0, Phase.DONE)
    settler.hint(b, 0.0)
    assert set(settler.settled(1.0)) == {
        FileChange(a, Change.CHANGED),
        FileChange(b, Change.DELETED),
    }


def test_another_content_of_the_same_size_and_time_is_a_change(
    settler: Settler, tmp_path: Path
) -> None:
    a = tmp_path / "old" / "a"
    before = a.stat()
    a.write_bytes(b"zz")
    os.utime(a, ns=(before.st_atime_ns, before.st_mtime_ns))
    settler.hint(a, 0.0, Phase.DONE)
    assert settler.settled(1.0) == (FileChange(a, Change.CHANGED),)


def test_a_renamed_file_has_moved(settler: Settler, tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "a", tmp_path / "new"
    old.rename(new)
    settler.hint(old, 0.0, Phase.DONE)
    settler.hint(new, 0.0, Phase.DONE)
    assert settler.settled(1.0) == (FileChange(new, Change.MOVED, old),)


def test_a_rename_over_a_known_file_changes_it(settler: Settler, tmp_path: Path) -> None:
    a = tmp_path / "old" / "a"
    part = tmp_path / "a.part"
    part.write_bytes(b"other")
    part.replace(a)
    settler.hint(part, 0.0, Phase.DONE)
    settler.hint(a, 0.0, Phase.DONE)
    assert settler.settled(1.0) == (FileChange(a, Change.CHANGED),)


def test_a_folder_that_leaves_takes_its_files_along(settler: Settler, tmp_path: Path) -> None:
    (tmp_path / "old").rename(tmp_path.parent / f"{tmp_path.name}-gone")
    settler.hint(tmp_path / "old", 0.0)
    told = settler.settled(0.0) + settler.settled(1.0)
    assert {(each.path.name, each.kind) for each in told} == {
        ("a", Change.DELETED),
        ("b", Change.DELETED),
    }


def test_a_folder_that_comes_brings_its_files(settler: Settler, tmp_path: Path) -> None:
    (tmp_path / "new" / "deep").mkdir(parents=True)
    (tmp_path / "new" / "deep" / "c").write_bytes(b"c")
    settler.hint(tmp_path / "new", 0.0)
    assert settler.settled(0.0) == ()
    assert settler.settled(LATER) == (FileChange(tmp_path / "new" / "deep" / "c", Change.CREATED),)


def test_a_rescan_finds_what_no_event_told(settler: Settler, tmp_path: Path) -> None:
    (tmp_path / "old" / "a").unlink()
    (tmp_path / "c").write_bytes(b"c")
    settler.rescan(0.0)
    told = settler.settled(0.0) + settler.settled(SOON) + settler.settled(LATER)
    assert {(each.path.name, each.kind) for each in told} == {
        ("a", Change.DELETED),
        ("c", Change.CREATED),
    }


def test_hidden_places_are_passed_over(settler: Settler, tmp_path: Path) -> None:
    (tmp_path / ".uploads").mkdir()
    (tmp_path / ".uploads" / "x").write_bytes(b"x")
    settler.hint(tmp_path / ".uploads" / "x", 0.0, Phase.DONE)
    settler.hint(tmp_path.parent / "elsewhere", 0.0)
    settler.rescan(0.0)
    assert not settler.busy


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    os.symlink(tmp_path, tmp_path / "again")
    (tmp_path / "a").write_bytes(b"a")
    settler = Settler([tmp_path])
    settler.learn()
    settler.rescan(0.0)
    assert not settler.busy
