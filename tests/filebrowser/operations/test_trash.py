"""The trash: whose it is, how it is listed, and when it is emptied."""

import errno
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from filebrowser.access.file_access import FileAccess, Right
from filebrowser.access.gate import Place, Root
from filebrowser.errors import BadPath, NotAFile, NotAllowed, NotHere, Taken
from filebrowser.listing.file_kinds import FileKind
from filebrowser.operations import trash
from filebrowser.operations.conflicts import Conflict
from filebrowser.operations.move import (
    StepContext,
    StepStatus,
    make_work_folder,
    run_step,
    work_folder_place,
)
from filebrowser.watch.file_events import FileEvent, FileEventKind
from tests.filebrowser.file_trees import read_tree, write_tree


@pytest.fixture
def files(both: FileAccess) -> FileAccess:
    """The caller; some files lie in both trees."""
    data, more = both.roots
    write_tree(data.path, {"a.txt": b"a", "set/b.png": b"b", "set/deep/c": b"c"})
    write_tree(more.path, {"a.txt": b"more"})
    return both


def delete(who: FileAccess, context: StepContext, *paths: str) -> str:
    trash_id, results = trash.delete(who, paths, context)
    assert [each.status for each in results] == [StepStatus.DONE] * len(results)
    return trash_id


def restore(who: FileAccess, context: StepContext, trash_id: str) -> list[str | None]:
    steps = trash.plan_restore(who, trash_id, context.conflict)
    return [run_step(step, True, context).to for step in steps]


def listed(who: FileAccess) -> dict[str, list[tuple[str, FileKind]]]:
    return {
        sidecar.id: [(f"{root.name}/{item.path}", item.kind) for item in sidecar.items]
        for root, sidecar in trash.list_trash(who)
    }


def test_a_deletion_tells_what_it_was_and_who_hears_of_it(
    files: FileAccess, context: StepContext, events: list[FileEvent]
) -> None:
    trash_id = delete(files, context, "/data/a.txt", "/data/set")
    assert listed(files) == {
        trash_id: [("data/a.txt", FileKind.TEXT), ("data/set", FileKind.FOLDER)]
    }
    assert [(each.kind, each.place.text) for each in events] == [
        (FileEventKind.DELETED, "data/a.txt"),
        (FileEventKind.DELETED, "data/set"),
    ]


def test_one_deletion_reaches_over_trees_and_comes_back_into_both(
    files: FileAccess, context: StepContext
) -> None:
    trash_id = delete(files, context, "/data/a.txt", "/more/a.txt")
    assert restore(files, context, trash_id) == ["/data/a.txt", "/more/a.txt"]
    assert read_tree(files.roots[1].path) == {"a.txt": b"more"}


def test_the_latest_deletion_is_listed_first(
    files: FileAccess, context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((200.0, 300.0, 100.0))
    monkeypatch.setattr(trash.time, "time", lambda: next(clock))
    ids = [delete(files, context, path) for path in ("/data/a.txt", "/data/set", "/more/a.txt")]
    assert list(listed(files)) == [ids[1], ids[0], ids[2]]


def test_nobody_else_sees_restores_or_empties_it(files: FileAccess, context: StepContext) -> None:
    trash_id = delete(files, context, "/data/a.txt")
    bob = replace(files, who="bob")
    assert trash.list_trash(bob) == []
    for act in (
        lambda: trash.plan_restore(bob, trash_id, None),
        lambda: trash.purge(bob, trash_id),
    ):
        with pytest.raises(NotHere, match="Nothing of yours"):
            act()
    assert restore(files, context, trash_id) == ["/data/a.txt"]


@pytest.mark.parametrize("forged", ["", "..", "../set", ".work-key", "a/b", "none", "*"])
def test_an_id_is_no_path(files: FileAccess, context: StepContext, forged: str) -> None:
    delete(files, context, "/data/a.txt")
    for act in (
        lambda: trash.plan_restore(files, forged, None),
        lambda: trash.purge(files, forged),
    ):
        with pytest.raises(NotHere):
            act()


@pytest.mark.parametrize(
    ("act", "needed"),
    [
        (lambda who, _: trash.plan_delete(who, ["/data/set"]), Right.DELETE),
        (lambda who, _: trash.plan_delete(who, ["/data/set"]), Right.VIEW),
        (lambda who, i: trash.plan_restore(who, i, None), Right.CREATE),
        (lambda who, i: trash.plan_restore(who, i, None), Right.DELETE),
        (lambda who, i: trash.plan_restore(who, i, Conflict.OVERWRITE), Right.MODIFY),
        (lambda who, i: trash.purge(who, i), Right.DELETE),
        (lambda who, _: trash.list_trash(who), Right.VIEW),
    ],
)
def test_each_act_takes_its_right(
    files: FileAccess, context: StepContext, act: object, needed: Right
) -> None:
    trash_id = delete(files, context, "/data/a.txt")
    less = replace(files, rights=files.rights - {needed})
    with pytest.raises(NotAllowed, match=needed):
        act(less, trash_id)  # type: ignore[operator]
    assert list(listed(files)) == [trash_id]


def test_too_many_paths_and_paths_that_are_not_there_move_nothing(
    files: FileAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "MAX_PATHS", 1)
    with pytest.raises(BadPath, match="2 paths; at most 1"):
        trash.plan_delete(files, ["/data/a.txt", "/data/set"])
    with pytest.raises(NotHere):
        trash.plan_delete(files, ["/data/none"])
    assert not (files.roots[0].path / ".trash").exists()


def test_what_the_service_needs_can_be_emptied_and_not_deleted(
    both: FileAccess, context: StepContext
) -> None:
    root = replace(both.roots[0], fixed=frozenset({"models/Lora"}), sealed=frozenset({"code"}))
    write_tree(root.path, {"models/Lora/a": b"", "code/x.py": b""})
    who = replace(both, roots=(root,))
    for path, words in (
        ("/data/models/Lora", "the service needs it; it can be emptied"),
        ("/data/models", "the service needs it"),
        ("/data/code", "cannot be deleted"),
        ("/data/code/x.py", "cannot be deleted"),
        ("/data", "cannot be deleted"),
    ):
        with pytest.raises(NotAllowed, match=words):
            trash.plan_delete(who, [path])
    assert delete(who, context, "/data/models/Lora/a")


def test_what_was_restored_in_part_lists_the_rest(files: FileAccess, context: StepContext) -> None:
    trash_id = delete(files, context, "/data/a.txt", "/data/set")
    first, _ = trash.plan_restore(files, trash_id, None)
    run_step(first, True, context)
    trash.remove_if_empty(Place(first.source.root, first.source.names[:2]))
    assert listed(files) == {trash_id: [("data/set", FileKind.FOLDER)]}
    restore(files, context, trash_id)
    trash.remove_if_empty(Place(first.source.root, first.source.names[:2]))
    assert os.listdir(files.roots[0].path / ".trash") == []


def test_a_name_that_is_in_use_asks_what_to_do(files: FileAccess, context: StepContext) -> None:
    trash_id = delete(files, context, "/data/a.txt")
    path = files.roots[0].path / "a.txt"
    path.write_bytes(b"new")
    with pytest.raises(Taken, match=r"/data/a\.txt.*skip, overwrite or rename"):
        trash.plan_restore(files, trash_id, None)
    for conflict, to, content in (
        (Conflict.SKIP, None, b"new"),
        (Conflict.OVERWRITE, "/data/a.txt", b"a"),
    ):
        assert restore(files, replace(context, conflict=conflict), trash_id) == [to]
        assert path.read_bytes() == content


def test_a_file_where_its_folder_was_is_in_the_way(files: FileAccess, context: StepContext) -> None:
    trash_id = delete(files, context, "/data/set/deep/c")
    delete(files, context, "/data/set")
    (files.roots[0].path / "set").write_bytes(b"a file now")
    for conflict in (None, Conflict.OVERWRITE):
        with pytest.raises(NotAFile):
            trash.plan_restore(files, trash_id, conflict)
    assert trash_id in listed(files)


def test_odd_names_come_back_as_they_were(both: FileAccess, context: StepContext) -> None:
    odd = os.fsdecode(b"bad\xff: ")
    write_tree(both.roots[0].path, {f"{odd}/in": b"x"})
    trash_id = delete(both, context, r"/data/bad\xff\x3a\x20")
    assert listed(both)[trash_id] == [(r"data/bad\xff\x3a\x20", FileKind.FOLDER)]
    restore(both, context, trash_id)
    assert read_tree(both.roots[0].path) == {odd: None, f"{odd}/in": b"x"}


def test_only_what_is_older_than_it_may_be_is_swept(
    files: FileAccess, context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash.time, "time", lambda: 1000.0)
    old = delete(files, context, "/data/a.txt", "/more/a.txt")
    monkeypatch.setattr(trash.time, "time", lambda: 2000.0)
    young = delete(files, context, "/data/set")
    read_only = replace(files.roots[1], writable=False)
    assert trash.sweep((files.roots[0], read_only), 1000.0, now=2001.0) == 1
    assert set(listed(files)) == {old, young}  # the other tree's half is not to be changed
    assert trash.sweep(files.roots, 1000.0, now=2001.0) == 1
    assert set(listed(files)) == {young}
    assert trash.sweep(files.roots, 1000.0) == 0


def test_work_folders_that_nobody_remembers_are_swept(data: Root) -> None:
    make_work_folder(data, "old")
    make_work_folder(data, "young")
    old = Path(data.path, *work_folder_place(data, "old").names)
    long_ago = time.time() - trash.ABANDONED_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    assert trash.sweep([data], 0.0) == 0
    assert os.listdir(data.path / ".trash") == [".work-young"]


def test_strange_things_in_the_trash_are_passed_over(
    files: FileAccess, context: StepContext
) -> None:
    trash_id = delete(files, context, "/data/a.txt")
    bins = files.roots[0].path / ".trash"
    write_tree(bins, {"file": b"", "empty": None, "noise/info.json": b"\xff{"})
    (bins / "link").symlink_to(trash_id)
    assert list(listed(files)) == [trash_id]
    trash.sweep(files.roots, -1.0)
    assert sorted(os.listdir(bins)) == ["empty", "file", "link", "noise"]


def test_a_deletion_makes_room_on_a_full_disk(
    files: FileAccess, context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = trash.write_place, []

    def full(place: Place, content: bytes) -> None:
        if len(room) < 2:
            raise OSError(errno.ENOSPC, "full")
        write(place, content)

    monkeypatch.setattr(trash, "write_place", full)
    with pytest.raises(OSError, match="full"):
        trash.delete(files, ["/data/a.txt"], context)
    assert os.listdir(files.roots[0].path / ".trash") == []
    trash_id, _ = trash.delete(
        files, ["/data/a.txt"], context, lambda: (room.append(1), len(room) < 3)[1]
    )
    assert list(listed(files)) == [trash_id]


def test_a_link_is_deleted_and_comes_back_as_one(files: FileAccess, context: StepContext) -> None:
    (files.roots[0].path / "link").symlink_to("nowhere")
    trash_id = delete(files, context, "/data/link")
    assert listed(files) == {trash_id: [("data/link", FileKind.LINK)]}
    restore(files, context, trash_id)
    assert os.readlink(files.roots[0].path / "link") == "nowhere"
