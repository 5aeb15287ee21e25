"""Copies of files and folders: whole, with their times, and harmless to run."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import UMASK_VARIABLE, Place, Root
from filebrowser.errors import Changed, NotAFile, NotAllowed, NotHere, Taken
from filebrowser.operations import copy_tree as copying
from filebrowser.operations.conflicts import Conflict
from filebrowser.operations.copy_tree import (
    TreeSize,
    copy_file,
    copy_tree,
    exists,
    make_folder,
    measure,
    remove_tree,
)
from filebrowser.operations.move import StepContext, StepStatus, plan_steps, run_step
from tests.filebrowser.file_trees import read_tree, write_tree

TREE = {"set/a.txt": b"abc", "set/sub/b.bin": bytes(5000), "set/empty": None}


def place(root: Root, path: str) -> Place:
    return Place(root, tuple(path.split("/")))


def ignore(_: int) -> None:
    """Nobody counts."""


@pytest.fixture
def tree(data: Root) -> Root:
    """``set`` with two files, two folders, a link, a pipe, and a name that is no UTF-8."""
    write_tree(data.path, TREE)
    (data.path / "set" / "link").symlink_to("a.txt")
    os.mkfifo(data.path / "set" / "sub" / "pipe")
    Path(os.fsdecode(os.fsencode(data.path) + b"/set/bad\xff:")).write_bytes(b"odd")
    return data


def test_a_tree_is_measured_by_its_ordinary_files(tree: Root) -> None:
    assert measure(place(tree, "set")) == TreeSize(5006, files=3, folders=3, left_out=2)
    assert measure(place(tree, "set/a.txt")) == TreeSize(3, files=1)
    assert measure(place(tree, "set/empty")) == TreeSize(folders=1)
    with pytest.raises(NotHere):
        measure(place(tree, "none"))


@pytest.mark.usefixtures("no_descriptor_leaks")
@pytest.mark.parametrize("verify", [True, False])
def test_a_copy_is_the_tree_without_links_and_special_files(tree: Root, verify: bool) -> None:
    advanced: list[int] = []
    copied = copy_tree(place(tree, "set"), place(tree, "copy"), advanced.append, verify)
    assert copied == measure(place(tree, "set"))
    assert sum(advanced) == copied.size
    there = read_tree(tree.path / "copy")
    assert there == {
        "a.txt": b"abc", "sub": None, "sub/b.bin": bytes(5000), "empty": None,
        os.fsdecode(b"bad\xff:"): b"odd",
    }  # fmt: skip


def test_files_and_folders_keep_their_times_to_the_nanosecond(tree: Root) -> None:
    moment = 1_600_000_000_123_456_789
    for path in ("set/sub/b.bin", "set/sub", "set"):
        os.utime(tree.path / path, ns=(moment, moment))
    copy_tree(place(tree, "set"), place(tree, "copy"), ignore)
    for path in ("copy/sub/b.bin", "copy/sub", "copy"):
        assert (tree.path / path).stat().st_mtime_ns == moment


def test_nothing_stays_executable_and_the_services_umask_counts(
    tree: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree.path / "set" / "a.txt").chmod(0o6777)
    monkeypatch.setenv(UMASK_VARIABLE, "027")
    copy_tree(place(tree, "set"), place(tree, "copy"), ignore)
    modes = {p: stat.S_IMODE((tree.path / p).stat().st_mode) for p in ("copy", "copy/a.txt")}
    assert modes == {"copy": 0o750, "copy/a.txt": 0o640}
    monkeypatch.setenv(UMASK_VARIABLE, "077")
    copy_tree(place(tree, "set"), place(tree, "private"), ignore)
    assert (tree.path / "private" / "a.txt").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS])
def test_where_the_kernel_cannot_copy_bytes_they_are_read_and_written(
    tree: Root, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(copying, "PIECE", 1000)
    advanced: list[int] = []
    copy_file(place(tree, "set/sub/b.bin"), place(tree, "b"), advanced.append)
    assert (tree.path / "b").read_bytes() == bytes(5000)
    assert advanced == [1000] * 5


def test_any_other_answer_of_the_kernel_ends_the_copy(
    tree: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    with pytest.raises(OSError, match="full"):
        copy_file(place(tree, "set/a.txt"), place(tree, "b"), ignore)


@settings(max_examples=30)
@given(content=st.binary(max_size=200), piece=st.integers(1, 60), short=st.integers(1, 70))
def test_a_disk_that_writes_less_than_it_is_given_gets_the_rest(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, piece: int, short: int
) -> None:
    root = Root("data", tmp_path_factory.mktemp("short"))
    (root.path / "a").write_bytes(content)
    write = os.pwrite
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(copying, "PIECE", piece)
        patched.setattr(os, "pwrite", lambda fd, some, at: write(fd, some[:short], at))
        copy_file(place(root, "a"), place(root, "b"), ignore, verify=True)
    assert (root.path / "b").read_bytes() == content


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.usefixtures("no_descriptor_leaks")
@pytest.mark.parametrize(
    "change", [grow, lambda path: os.truncate(path, 10), lambda path: os.utime(path, (1, 1))]
)
def test_a_file_that_changes_meanwhile_is_no_copy(
    tree: Root, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(copying, "PIECE", 1000)
    path, calls = tree.path / "set" / "sub" / "b.bin", []

    def advance(count: int) -> None:
        calls.append(count)
        if len(calls) == 1:
            change(path)

    with pytest.raises(Changed, match=r"b\.bin' changed while it was copied"):
        copy_file(place(tree, "set/sub/b.bin"), place(tree, "b"), advance)


def test_a_copy_reads_no_link_and_writes_over_nothing(tree: Root) -> None:
    with pytest.raises(NotAFile):
        copy_file(place(tree, "set/link"), place(tree, "b"), ignore)
    with pytest.raises(NotAFile):
        copy_file(place(tree, "set/sub"), place(tree, "b"), ignore)
    with pytest.raises(FileExistsError):
        copy_tree(place(tree, "set"), place(tree, "set/empty"), ignore)
    with pytest.raises(NotAllowed):
        make_folder(Place(Root("data", tree.path, writable=False), ("new",)))
    assert not (tree.path / "b").exists()


def test_what_is_removed_is_the_link_and_not_what_it_leads_to(tree: Root, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    (tree.path / "set" / "way").symlink_to(tmp_path / "outside")
    holder = os.open(tree.path, os.O_RDONLY)
    try:
        remove_tree(holder, "set")
        remove_tree(holder, "set")  # nothing there is fine
    finally:
        os.close(holder)
    assert os.listdir(tree.path) == []
    assert (tmp_path / "outside" / "kept").exists()


def test_a_dangling_link_takes_a_name_too(tree: Root) -> None:
    (tree.path / "dangling").symlink_to("nowhere")
    assert exists(place(tree, "dangling"))
    assert not exists(place(tree, "nowhere"))
    with pytest.raises(NotHere):
        exists(place(tree, "none/x"))


def test_a_step_that_is_stopped_leaves_nothing(ann: FileAccess, tree: Root) -> None:
    (step,) = plan_steps(ann, ["/data/set"], "/data/copy", False)

    def stop(_: int) -> None:
        raise Taken("stopped")

    context = StepContext("key", None, stop, lambda _: None)
    result = run_step(step, False, context)
    assert (result.status, result.error) == (StepStatus.FAILED, "stopped")
    assert sorted(os.listdir(tree.path)) == [".trash", "set"]
    assert os.listdir(tree.path / ".trash") == []


def test_folders_that_do_not_fit_are_joined_as_far_as_they_do(ann: FileAccess, tree: Root) -> None:
    """In the order of names: "b" is a file here and a folder there, and "c" is never reached."""
    write_tree(tree.path, {"from/set/a": b"1", "from/set/b": b"2", "from/set/c": b"3"})
    write_tree(tree.path, {"set/b/kept": b"old"})
    (step,) = plan_steps(ann, ["/data/from/set"], "/data", True)
    context = StepContext("key", Conflict.OVERWRITE, ignore, lambda _: None)
    result = run_step(step, True, context)
    assert (result.status, result.error) == (
        StepStatus.FAILED,
        "'b' is a folder and a file; neither takes the other's place.",
    )
    assert read_tree(tree.path / "from") == {"set": None, "set/b": b"2", "set/c": b"3"}
    assert (tree.path / "set" / "a").read_bytes() == b"1"
    assert (tree.path / "set" / "b" / "kept").read_bytes() == b"old"


def test_a_folder_that_joins_one_above_it_keeps_what_came_into_it(
    ann: FileAccess, data: Root
) -> None:
    """``a/b/a`` joins ``a``: its own ``b/a`` then lies in it, and is not removed with it."""
    write_tree(data.path, {"a/b/a/b/a/kept": b"1"})
    (step,) = plan_steps(ann, ["/data/a/b/a"], "/data", True)
    context = StepContext("key", Conflict.OVERWRITE, ignore, lambda _: None)
    assert run_step(step, True, context).status is StepStatus.FAILED
    contents = [each for each in read_tree(data.path).values() if each is not None]
    assert contents == [b"1"]
