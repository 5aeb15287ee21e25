"""The last step of an upload: its checksum, its name, and copies between file systems."""

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access.gate import UMASK_VARIABLE, Place
from filebrowser.errors import Taken
from filebrowser.uploads import cross_device_copy, publish
from filebrowser.uploads.cross_device_copy import append_from, copy_across, copy_new
from filebrowser.uploads.errors import WrongChecksum
from filebrowser.uploads.publish import PublishContext, is_taken, verify_checksum
from filebrowser.uploads.records import Conflict, UploadSpec, UploadState
from filebrowser.uploads.upload_store import UploadStore
from tests.filebrowser.uploads.conftest import CONTENT, Died, Disk, dying


def test_a_place_is_taken_by_whatever_is_there(disk: Disk) -> None:
    (disk.path / "a").write_bytes(b"")
    (disk.path / "folder").mkdir()
    (disk.path / "link").symlink_to("nowhere")
    os.mkfifo(disk.path / "pipe")
    names = ("a", "folder", "link", "pipe", "none")
    assert [is_taken(Place(disk.root, (name,))) for name in names] == [True] * 4 + [False]
    assert not is_taken(Place(disk.root, ("none", "below")))


def test_when_no_numbered_name_is_free_the_bytes_wait(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "MAX_NUMBERED_NAMES", 3)
    for name in ("b.png", "b (1).png", "b (2).png"):
        (disk.path / name).write_bytes(b"old")
    name = disk.begin("/data/b.png", 3, conflict=Conflict.RENAME)
    with pytest.raises(Taken, match=r"No name like 'b\.png' is free"):
        disk.append(name, 0, b"new")
    (disk.path / "b (1).png").unlink()
    assert disk.offset(name) == 3
    assert (disk.path / "b (1).png").read_bytes() == b"new"


@pytest.mark.parametrize("policy", [None, Conflict.RENAME])
def test_what_took_the_name_after_a_crash_is_not_taken_for_ours(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, policy: Conflict | None
) -> None:
    name = disk.begin("/data/b.png", 3, conflict=policy)
    with monkeypatch.context() as patched:
        dying(patched, publish, "rename_noreplace")
        with pytest.raises(Died):
            disk.append(name, 0, b"new")
    assert disk.reopen().record(name).state is UploadState.PUBLISHING
    (disk.path / "b.png").write_bytes(b"another's")
    disk.uploads.sweep((disk.root,))
    assert (disk.path / "b.png").read_bytes() == b"another's"
    assert (disk.path / "b (1).png").read_bytes() == b"new"
    assert disk.record(name).path == "/data/b (1).png"


def test_a_file_that_its_owner_moved_after_a_crash_is_not_awaited(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = disk.begin("/data/b.png", 3)
    with monkeypatch.context() as patched:
        dying(patched, publish, "_end_done")
        with pytest.raises(Died):
            disk.append(name, 0, b"new")
    (disk.path / "b.png").rename(disk.path / "mine.png")
    assert disk.reopen().offset(name) == 3
    assert disk.record(name).state is UploadState.DONE
    assert not (disk.path / "b.png").exists()


def test_a_folder_that_left_meanwhile_is_made_again(disk: Disk) -> None:
    (disk.path / "a").mkdir()
    name = disk.begin("/data/a/b/c.png", 6)
    disk.append(name, 0, b"abc")
    (disk.path / "a").rmdir()
    disk.append(name, 3, b"def")
    assert (disk.path / "a/b/c.png").read_bytes() == b"abcdef"


def test_a_new_file_has_the_mode_that_the_owner_wants(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(UMASK_VARIABLE, "027")
    disk.put("/data/b.png", b"new")
    assert (disk.path / "b.png").stat().st_mode & 0o777 == 0o640


@pytest.fixture
def waiting(memory_folder: Path) -> Iterator[int]:
    """The folder of an upload whose bytes are here."""
    (memory_folder / "data").write_bytes(CONTENT)
    fd = os.open(memory_folder, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("seen", ["as they came", "read anew"])
def test_a_checksum_is_compared_with_what_came_or_is_read(
    disk: Disk, waiting: int, monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    monkeypatch.setattr(publish, "PIECE", 100_000)
    looks: list[None] = []
    place = Place(disk.root, ("a",))
    context = PublishContext(waiting, place, lambda _: None, lambda: looks.append(None))
    upload = disk.record(disk.begin(sha256=hashlib.sha256(CONTENT).hexdigest()))
    running = hashlib.sha256(CONTENT) if seen == "as they came" else None
    verify_checksum(context, upload, running)
    assert len(looks) == (0 if running else 3)
    wrong = replace(upload, order=replace(upload.order, sha256="0" * 64))
    with pytest.raises(WrongChecksum, match=hashlib.sha256(CONTENT).hexdigest()):
        verify_checksum(context, wrong, running)
    verify_checksum(context, replace(upload, order=replace(upload.order, sha256="")), None)


@pytest.fixture
def source(memory_folder: Path) -> Iterator[int]:
    """An open file to be copied, with a time of its own."""
    path = memory_folder / "source"
    path.write_bytes(CONTENT)
    os.utime(path, ns=(7, 1_500_000_000_123_456_789))
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def target(memory_folder: Path) -> Iterator[int]:
    """The open folder that a copy is to lie in."""
    path = memory_folder / "target"
    path.mkdir()
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def listed(folder: int) -> dict[str, bytes]:
    path = Path(f"/proc/self/fd/{folder}")
    return {each.name: each.read_bytes() for each in path.iterdir()}


def test_a_copy_has_the_bytes_the_time_and_a_mode(source: int, target: int) -> None:
    inode = copy_across(source, len(CONTENT), target, "a", lambda: None)
    facts = os.stat("a", dir_fd=target)
    assert listed(target) == {"a": CONTENT}
    assert (facts.st_ino, facts.st_mode & 0o777) == (inode, 0o640)
    assert facts.st_mtime_ns == os.fstat(source).st_mtime_ns


def test_half_a_copy_of_an_earlier_life_is_written_anew(source: int, target: int) -> None:
    Path(f"/proc/self/fd/{target}/a").write_bytes(b"x" * 10**6)
    copy_across(source, len(CONTENT), target, "a", lambda: None)
    assert listed(target) == {"a": CONTENT}


def test_a_copy_to_a_name_that_is_taken_changes_nothing(source: int, target: int) -> None:
    Path(f"/proc/self/fd/{target}/a").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        copy_new(source, len(CONTENT), target, "a", lambda: None)
    assert listed(target) == {"a": b"old"}


def test_who_copies_is_told_the_new_inode_before_the_bytes(source: int, target: int) -> None:
    told: list[tuple[int, int]] = []

    def note(inode: int) -> None:
        told.append((inode, os.stat("a", dir_fd=target).st_size))

    inode = copy_new(source, len(CONTENT), target, "a", lambda: None, note)
    assert told == [(inode, 0)]


def test_progress_is_told_piece_by_piece(
    source: int, target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_device_copy, "PIECE", 100_000)
    sizes: list[int] = []
    copy_new(
        *(source, len(CONTENT), target, "a"),
        lambda: sizes.append(os.stat("a", dir_fd=target).st_size),
    )
    assert sizes == [100_000, 200_000, 300_000]


def test_a_file_that_becomes_shorter_meanwhile_is_no_copy(source: int, target: int) -> None:
    with pytest.raises(OSError, match="shorter") as failure:
        copy_new(source, len(CONTENT) + 1, target, "a", lambda: None)
    assert failure.value.errno == errno.EIO
    assert listed(target) == {}


def test_a_disk_that_fills_leaves_no_half_copy(
    source: int, target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def write(file: int, content: Any, offset: int) -> int:
        if offset >= 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, content[:40_000], offset)

    monkeypatch.setattr(cross_device_copy.os, "pwrite", write)
    with pytest.raises(OSError, match="No space"):
        copy_new(source, len(CONTENT), target, "a", lambda: None)
    assert listed(target) == {}


def test_bytes_are_appended_where_they_belong_however_little_is_written_at_once(
    source: int, memory_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(
        cross_device_copy.os, "pwrite", lambda file, data, at: real(file, data[:70_001], at)
    )
    path = memory_folder / "joined"
    path.write_bytes(b"before")
    with path.open("r+b") as joined:
        append_from(source, len(CONTENT), joined.fileno(), 6, lambda: None)
    assert path.read_bytes() == b"before" + CONTENT


def test_a_join_that_fails_leaves_its_parts(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = disk.put_parts([b"one", b"two"])
    with monkeypatch.context() as patched:
        patched.setattr(UploadStore, "_copy_parts", fail_copying)
        with pytest.raises(OSError, match="broken"):
            disk.uploads.join(disk.visit, UploadSpec("/data/j", None), parts)
    assert disk.waiting() == sorted(parts)
    disk.uploads.join(disk.visit, UploadSpec("/data/j", None), parts)
    assert (disk.path / "j").read_bytes() == b"onetwo"


def fail_copying(*_: Any) -> None:
    raise OSError(errno.EIO, "the disk is broken")
