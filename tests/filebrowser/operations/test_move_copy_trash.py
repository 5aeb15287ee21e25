"""Moving, copying and the trash below the routes: nothing lost, nothing reached from outside."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root
from filebrowser.errors import BadPath, NotAFile, NotAllowed, NotHere, Taken
from filebrowser.operations import renames, trash
from filebrowser.operations.move import (
    Conflict,
    StepContext,
    StepResult,
    StepStatus,
    check_targets_free,
    plan_steps,
    run_step,
)
from filebrowser.watch.file_events import FileEvent, FileEventKind
from tests.descriptors import open_below

OURS = frozenset({".easel", ".trash", ".uploads", "config.json*"})


@pytest.fixture
def visit(tmp_path: Path) -> FileAccess:
    for name in ("data", "more"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "a" / "b").mkdir(parents=True)
    (tmp_path / "data" / "a" / "b" / "c.txt").write_text("c")
    (tmp_path / "data" / "a" / "x.txt").write_text("x")
    (tmp_path / "data" / ".easel").mkdir()
    (tmp_path / "data" / "extensions").mkdir()
    (tmp_path / "secret").write_text("secret")
    roots = (
        Root("data", tmp_path / "data", hidden=OURS, sealed=frozenset({"extensions"})),
        Root("more", tmp_path / "more", hidden=OURS),
    )
    return FileAccess("ann", roots)


@pytest.fixture
def events() -> list[FileEvent]:
    return []


def do(
    visit: FileAccess,
    events: list[FileEvent],
    paths: list[str],
    to: str,
    moves: bool,
    conflict: Conflict | None = None,
) -> list[StepResult]:
    steps = plan_steps(visit, paths, to, moves)
    check_targets_free(visit, steps, moves, conflict)
    return [
        run_step(step, moves, StepContext("key", conflict, lambda _: None, events.append))
        for step in steps
    ]


def tree(root: Path) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if ".trash" not in path.parts and path.name != ".easel"
    }


@pytest.mark.parametrize("moves", [True, False])
def test_a_folder_between_trees(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path, moves: bool
) -> None:
    (done,) = do(visit, events, ["/data/a"], "/more", moves)
    assert (done.status, done.to) == (StepStatus.DONE, "/more/a")
    assert tree(tmp_path / "more") == {"a", "a/b", "a/b/c.txt", "a/x.txt"}
    assert (tmp_path / "data" / "a").exists() is not moves
    assert [each.kind for each in events] == [
        FileEventKind.MOVED if moves else FileEventKind.CREATED
    ]


def test_across_disks_it_is_copied_checked_and_removed(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if ``more`` lay on another disk: renaming between them is refused by the system."""
    real = renames._renameat2

    def other_disk(source: int, name: str, target: int, new: str, flags: int) -> None:
        paths = [os.readlink(f"/proc/self/fd/{each}") for each in (source, target)]
        if len({path.startswith(str(tmp_path / "more")) for path in paths}) == 2:
            raise OSError(18, "Invalid cross-device link")
        real(source, name, target, new, flags)

    monkeypatch.setattr(renames, "_renameat2", other_disk)
    os.utime(tmp_path / "data" / "a" / "x.txt", (1e9, 1e9))
    (done,) = do(visit, events, ["/data/a"], "/more", True)
    assert done.status is StepStatus.DONE
    assert tree(tmp_path / "more") == {"a", "a/b", "a/b/c.txt", "a/x.txt"}
    assert not (tmp_path / "data" / "a").exists()
    assert (tmp_path / "more" / "a" / "x.txt").stat().st_mtime == 1e9
    assert os.listdir(tmp_path / "more" / ".trash") == []


def test_a_copy_that_reads_back_otherwise_removes_nothing(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_disk(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(renames, "_renameat2", other_disk)
    monkeypatch.setattr("filebrowser.operations.copy_tree._digest_from_disk", lambda _: b"damaged")
    (done,) = do(visit, events, ["/data/a/x.txt"], "/more", True)
    assert done.status is StepStatus.FAILED
    assert (tmp_path / "data" / "a" / "x.txt").read_text() == "x"
    assert tree(tmp_path / "more") == set()


def test_overwriting_joins_folders_and_replaces_files(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    (tmp_path / "more" / "a").mkdir()
    (tmp_path / "more" / "a" / "x.txt").write_text("old")
    (tmp_path / "more" / "a" / "kept.txt").write_text("kept")
    other_name = tmp_path / "hard"
    os.link(tmp_path / "more" / "a" / "x.txt", other_name)
    do(visit, events, ["/data/a"], "/more", False, Conflict.OVERWRITE)
    assert tree(tmp_path / "more") == {"a", "a/b", "a/b/c.txt", "a/x.txt", "a/kept.txt"}
    assert (tmp_path / "more" / "a" / "x.txt").read_text() == "x"
    assert other_name.read_text() == "old"  # checklist 14: a new inode, the old one as it was
    do(visit, events, ["/data/a"], "/more", True, Conflict.OVERWRITE)
    assert not (tmp_path / "data" / "a").exists()


def test_a_file_and_a_folder_never_take_each_others_place(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    (tmp_path / "more" / "a").write_text("a file")
    (done,) = do(visit, events, ["/data/a"], "/more", True, Conflict.OVERWRITE)
    assert done.status is StepStatus.FAILED
    assert (tmp_path / "more" / "a").read_text() == "a file"
    assert (tmp_path / "data" / "a" / "x.txt").exists()


def test_onto_itself_nothing_is_lost(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    for conflict in Conflict:
        for moves in (True, False):
            do(visit, events, ["/data/a/x.txt"], "/data/a", moves, conflict)
    texts = {path.read_text() for path in (tmp_path / "data" / "a").glob("*.txt")}
    assert texts == {"x"}


@pytest.mark.parametrize("to", ["/data/a", "/data/a/b", "/data/a/b/new", "/all/data/a/b"])
@pytest.mark.parametrize("moves", [True, False])
def test_a_folder_never_goes_into_itself(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path, to: str, moves: bool
) -> None:
    """Checklist 17, also by another tree's name for the same place."""
    wide = FileAccess("ann", (*visit.roots, Root("all", tmp_path)))
    before = tree(tmp_path)
    try:
        results = do(wide, events, ["/data/a"], to, moves)
    except BadPath:
        results = []
    assert all(each.status is StepStatus.FAILED for each in results)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "to",
    [
        *("/data/../secret", "/data/a/..", "/data/extensions", "/data/extensions/x", "/none"),
        *("/data/.easel", "/data/.trash/x", "/data/config.json", "/data/a/b\\c", "/data/none/x"),
    ],
)
def test_targets_that_are_refused(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path, to: str
) -> None:
    """Checklist 16 and 18."""
    before = tree(tmp_path)
    for moves in (True, False):
        with pytest.raises((BadPath, NotHere, NotAllowed)):
            do(visit, events, ["/data/a/x.txt"], to, moves)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("path", ["/data", "/data/extensions", "/data/.easel", "/data/.trash"])
def test_what_is_never_moved_or_deleted(
    visit: FileAccess, events: list[FileEvent], path: str
) -> None:
    for act in (
        lambda: do(visit, events, [path], "/more", True),
        lambda: trash.plan_delete(visit, [path]),
    ):
        with pytest.raises((NotAllowed, NotHere)):
            act()


def test_a_tree_around_the_data_directory_takes_no_secret_along(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    """Roots may lie in each other; a folder on the way to something hidden stays where it is."""
    hidden = frozenset({"data/.easel", "data/config.json*", ".trash"})
    wide = FileAccess("ann", (Root("all", tmp_path, hidden=hidden), visit.roots[1]))
    with pytest.raises(NotAllowed):
        do(wide, events, ["/all/data"], "/more", True)
    with pytest.raises(NotAllowed):
        trash.plan_delete(wide, ["/all/data"])
    (tmp_path / "data" / ".easel" / "token").write_text("secret")
    do(wide, events, ["/all/data"], "/more", False)
    assert not (tmp_path / "more" / "data" / ".easel").exists()
    assert (tmp_path / "more" / "data" / "a" / "x.txt").exists()


def test_links_are_never_followed(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    """Checklist 10 to 12."""
    (tmp_path / "data" / "a" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "data" / "way").symlink_to(tmp_path)
    (tmp_path / "more" / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotAFile):
        do(visit, events, ["/data/a/link"], "/more", False)
    with pytest.raises(NotAFile):
        do(visit, events, ["/data/way/secret"], "/more", False)
    with pytest.raises((NotAFile, NotHere, Taken)):
        do(visit, events, ["/data/a/x.txt"], "/data/way", False)
    (tmp_path / "data" / "a" / "gone").write_text("x")
    with pytest.raises(Taken):
        do(visit, events, ["/data/a/gone"], "/more", False)
    do(visit, events, ["/data/a/gone"], "/more", False, Conflict.OVERWRITE)
    assert not (tmp_path / "nowhere").exists()
    assert (tmp_path / "more" / "gone").read_text() == "x"
    do(visit, events, ["/data/a"], "/more", False)
    assert not (tmp_path / "more" / "a" / "link").is_symlink()


def test_deleting_a_link_leaves_what_it_leads_to(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    (tmp_path / "data" / "a" / "link").symlink_to(tmp_path / "more")
    (tmp_path / "more" / "kept").write_text("kept")
    work = StepContext("key", None, lambda _: None, events.append)
    trash_id, results = trash.delete(visit, ["/data/a/link"], work)
    assert results[0].status is StepStatus.DONE
    trash.purge(visit, trash_id)
    assert (tmp_path / "more" / "kept").read_text() == "kept"
    assert [each.kind for each in events] == [FileEventKind.DELETED]


def test_a_pipe_hangs_nobody(visit: FileAccess, events: list[FileEvent], tmp_path: Path) -> None:
    """Checklist 15."""
    os.mkfifo(tmp_path / "data" / "a" / "pipe")
    with pytest.raises(NotAFile):
        do(visit, events, ["/data/a/pipe"], "/more", False)
    do(visit, events, ["/data/a"], "/more", False)
    assert tree(tmp_path / "more") == {"a", "a/b", "a/b/c.txt", "a/x.txt"}


def test_one_bad_path_stops_all_before_anything_moves(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    """Checklist 19."""
    before = tree(tmp_path)
    for bad in ("/data/../secret", "/data/none", "/data/extensions"):
        with pytest.raises((BadPath, NotHere, NotAllowed)):
            do(visit, events, ["/data/a/x.txt", bad], "/more", True)
        with pytest.raises((BadPath, NotHere, NotAllowed)):
            trash.plan_delete(visit, ["/data/a/x.txt", bad])
    assert tree(tmp_path) == before


def test_what_lies_in_another_of_the_paths_goes_with_it(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    work = StepContext("key", None, lambda _: None, events.append)
    trash_id, results = trash.delete(visit, ["/data/a/x.txt", "/data/a", "/data/a"], work)
    assert [each.path for each in results] == ["/data/a"]
    for step in trash.plan_restore(visit, trash_id, None):
        run_step(step, True, work)
    assert tree(tmp_path / "data") >= {"a", "a/b", "a/b/c.txt", "a/x.txt"}


def test_restoring_makes_missing_folders_and_never_writes_over(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    work = StepContext("key", None, lambda _: None, events.append)
    first, _ = trash.delete(visit, ["/data/a/b/c.txt"], work)
    trash.delete(visit, ["/data/a"], work)
    steps = trash.plan_restore(visit, first, None)
    assert (tmp_path / "data" / "a" / "b").is_dir()
    (tmp_path / "data" / "a" / "b" / "c.txt").write_text("new")
    assert run_step(steps[0], True, work).status is StepStatus.FAILED
    with pytest.raises(Taken):
        trash.plan_restore(visit, first, None)
    steps = trash.plan_restore(visit, first, Conflict.RENAME)
    done = run_step(
        steps[0], True, StepContext("k", Conflict.RENAME, lambda _: None, events.append)
    )
    assert done.to == "/data/a/b/c (1).txt"
    assert (tmp_path / "data" / "a" / "b" / "c.txt").read_text() == "new"


@pytest.mark.parametrize(
    "forged",
    [
        {"items": [{"key": "0", "path": "../secret", "kind": "text"}]},
        {"items": [{"key": "../../../secret", "path": "stolen", "kind": "text"}]},
        {"items": [{"key": "0", "path": ".easel/token", "kind": "text"}]},
        {"items": [{"key": "0", "path": "extensions/evil.py", "kind": "text"}]},
        {"who": "bob"},
        {"items": "no list"},
    ],
)
def test_a_forged_sidecar_leads_nowhere(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path, forged: dict[str, object]
) -> None:
    """Checklist 65."""
    work = StepContext("key", None, lambda _: None, events.append)
    trash_id, _ = trash.delete(visit, ["/data/a/x.txt"], work)
    sidecar = tmp_path / "data" / ".trash" / trash_id / trash.INFO
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | forged))
    before = tree(tmp_path)
    try:
        steps = trash.plan_restore(visit, trash_id, None)
        results = [run_step(step, True, work) for step in steps]
    except (BadPath, NotHere, NotAllowed):
        results = []
    assert all(each.status is StepStatus.FAILED for each in results)
    assert tree(tmp_path) == before
    assert (tmp_path / "secret").read_text() == "secret"


def test_the_trash_is_swept_of_what_is_old(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    work = StepContext("key", None, lambda _: None, events.append)
    old, _ = trash.delete(visit, ["/data/a/x.txt"], work)
    now = trash.list_trash(visit)[0][1].at
    assert trash.sweep(visit.roots, 60, now + 59) == 0
    assert trash.sweep(visit.roots, 60, now + 61) == 1
    with pytest.raises(NotHere):
        trash.plan_restore(visit, old, None)


def test_a_folder_swapped_for_a_link_meanwhile(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    """Checklist 13, for verbs that write: nothing ever lands outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    real, aside = tmp_path / "data" / "real", tmp_path / "data" / "aside"
    real.mkdir()
    (tmp_path / "data" / "evil").symlink_to(outside)
    stopped = threading.Event()

    def swap() -> None:
        while not stopped.is_set():
            os.rename(real, aside)
            os.rename(tmp_path / "data" / "evil", real)
            os.rename(real, tmp_path / "data" / "evil")
            os.rename(aside, real)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(300):
            try:
                to = "/data/real/x.txt"
                do(visit, events, ["/data/a/x.txt"], to, False, Conflict.OVERWRITE)
            except (NotAFile, NotHere, NotAllowed, Taken):
                continue
    finally:
        stopped.set()
        swapper.join()
    assert os.listdir(outside) == []
    do(visit, events, ["/data/a/x.txt"], "/data/real/x.txt", False, Conflict.OVERWRITE)
    assert (real / "x.txt").exists()  # at rest it works, however often chance was against it


def test_without_renameat2_nothing_is_written_over(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(renames, "_renameat2", unknown)
    do(visit, events, ["/data/a"], "/more", True)
    (tmp_path / "data" / "a").mkdir()
    (tmp_path / "data" / "a" / "x.txt").write_text("second")
    do(visit, events, ["/data/a/x.txt"], "/more/a", True, Conflict.RENAME)
    do(visit, events, ["/data/a"], "/more", True, Conflict.RENAME)
    assert tree(tmp_path / "more") == {
        *("a", "a/b", "a/b/c.txt", "a/x.txt", "a/x (1).txt", "a (1)")
    }
    assert (tmp_path / "more" / "a" / "x.txt").read_text() == "x"


def test_no_descriptor_is_left_open_by_verbs(
    visit: FileAccess, events: list[FileEvent], tmp_path: Path
) -> None:
    before = open_below(tmp_path)
    do(visit, events, ["/data/a"], "/more", False)
    for path in ("/data/none", "/data/../x"):
        with pytest.raises((BadPath, NotHere)):
            do(visit, events, [path], "/more", True)
    work = StepContext("key", None, lambda _: None, events.append)
    trash.delete(visit, ["/data/a"], work)
    assert open_below(tmp_path) == before


def test_other_capitals_where_a_file_system_knows_none(
    visit: FileAccess, events: list[FileEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two names of one inode stand for such a folder, which lists but one of them."""
    folder = visit.roots[0].path / "a"
    os.link(folder / "x.txt", folder / "X.txt")
    with pytest.raises(Taken):
        do(visit, events, ["/data/a/x.txt"], "/data/a/X.txt", True)
    monkeypatch.setattr(renames.os, "listdir", lambda _: ["x.txt"])
    (done,) = do(visit, events, ["/data/a/x.txt"], "/data/a/X.txt", True)
    assert (done.status, done.to) == (StepStatus.DONE, "/data/a/X.txt")
