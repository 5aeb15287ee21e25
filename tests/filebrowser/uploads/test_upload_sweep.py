"""The sweeper: what it finishes, what it takes away, and what does not stop it."""

import errno
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access.gate import Root
from filebrowser.errors import NotHere
from filebrowser.uploads import expiry_sweeper, publish, staging_area, upload_store
from filebrowser.uploads.expiry_sweeper import ExpirySweeper
from filebrowser.uploads.records import UploadSpec, UploadState
from tests.filebrowser.uploads.conftest import HIDDEN, LIMITS, Died, Disk, dying
from tests.wait import TIMEOUT, wait_until

Start = Callable[..., ExpirySweeper]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a sweeper that looks all the time, and sweeps with every third look."""
    monkeypatch.setattr(expiry_sweeper, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(expiry_sweeper, "SWEEP_SECONDS", 0.003)
    started: list[ExpirySweeper] = []

    def begin(disk: Disk, roots: Sequence[Root] | None = None, **more: Any) -> ExpirySweeper:
        started.append(ExpirySweeper(disk.uploads, lambda: roots or (disk.root,), **more))
        started[-1].start()
        return started[-1]

    yield begin
    for each in started:
        each.stop()
        assert not each.is_alive()


def publish_later(disk: Disk, monkeypatch: pytest.MonkeyPatch, path: str = "/data/b.png") -> str:
    """An upload whose process died before its file had its name."""
    name = disk.begin(path, 3)
    with monkeypatch.context() as patched:
        dying(patched, publish, "rename_noreplace")
        with pytest.raises(Died):
            disk.append(name, 0, b"new")
    return name


def test_at_its_start_it_finishes_what_a_crash_left(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    publish_later(disk, monkeypatch)
    start(disk.reopen())
    wait_until(lambda: (disk.path / "b.png").exists())


def test_what_expires_is_taken_away_in_its_time(disk: Disk, start: Start) -> None:
    name = disk.begin(length=3)
    looks: list[None] = []
    start(disk, keep_room=lambda: looks.append(None))
    wait_until(lambda: len(looks) > 10)
    assert disk.waiting() == [name]
    disk.now += LIMITS.keep + 1
    wait_until(lambda: disk.waiting() == [])


def test_silent_senders_are_interrupted(
    disk: Disk, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = threading.Event()
    silent = disk.uploads.locks.interrupt_silent
    monkeypatch.setattr(disk.uploads.locks, "interrupt_silent", lambda: silent(0.0))
    with disk.uploads.locks.acquire("a", "ann", interrupted.set, sending=True):
        start(disk)
        assert interrupted.wait(TIMEOUT)


def test_it_stops_at_once_though_it_waits(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_SECONDS", "SWEEP_SECONDS"):
        monkeypatch.setattr(expiry_sweeper, name, 10 * TIMEOUT)
    looked = threading.Event()
    keeper = ExpirySweeper(disk.uploads, lambda: (disk.root,), looked.set)
    keeper.stop()  # nothing where it was not started
    keeper = ExpirySweeper(disk.uploads, lambda: (disk.root,), looked.set)
    keeper.start()
    assert looked.wait(TIMEOUT)
    keeper.stop()
    assert not keeper.is_alive()


def test_a_tree_whose_disk_is_away_is_told_and_holds_up_no_other(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    publish_later(disk, monkeypatch)
    gone = Root("gone", disk.path / "none", hidden=HIDDEN)
    with caplog.at_level(logging.WARNING):
        start(disk.reopen(), (gone, disk.root))
        wait_until(lambda: (disk.path / "b.png").exists())
    assert "Unfinished uploads of 'gone' cannot be swept now" in caplog.text


@pytest.mark.parametrize("error", [NotHere("gone"), OSError(errno.EROFS, "Read-only")])
def test_uploads_go_on_beside_a_tree_whose_disk_is_away(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    name = disk.begin(length=6)
    gone = Root("gone", disk.path / "none", hidden=HIDDEN)
    disk.visit = replace(disk.visit, roots=(gone, disk.root))
    load = upload_store.load_upload_index

    def load_index(root: Root) -> Any:
        if root == gone:
            raise error
        return load(root)

    monkeypatch.setattr(upload_store, "load_upload_index", load_index)
    disk.reopen()
    assert disk.append(name, 0, b"abc") == 3
    assert [each.offset for each in disk.uploads.list_unfinished(disk.visit)] == [3]
    disk.append(name, 3, b"def")
    (part,) = disk.put_parts([b"one"])
    joined = disk.uploads.join(disk.visit, UploadSpec("/data/j", None), [part])
    assert joined.state is UploadState.DONE
    with pytest.raises(type(error)):
        disk.begin("/gone/b.png", 3)


def test_an_upload_in_use_is_left_alone(disk: Disk) -> None:
    name = disk.begin(length=3)
    disk.now += LIMITS.keep + 1
    with disk.uploads.locks.acquire(name, "ann"):
        disk.uploads.sweep((disk.root,))
        assert disk.waiting() == [name]
    disk.uploads.sweep((disk.root,))
    assert disk.waiting() == []


def test_bytes_keep_an_upload_from_expiring(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    name = disk.begin(length=6)
    assert disk.uploads.expires_at(disk.record(name)) == disk.now + LIMITS.keep
    disk.append(name, 0, b"abc")
    assert disk.uploads.expires_at(disk.record(name)) > disk.now + LIMITS.keep


def test_an_upload_that_cannot_be_published_waits_for_who_asks(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish_later(disk, monkeypatch)
    second = publish_later(disk, monkeypatch, "/data/c.png")
    real = publish.rename_noreplace

    def rename(source: int, name: str, target: int, new: str) -> None:
        if new == "b.png":
            raise OSError(errno.EIO, "the disk is broken")
        real(source, name, target, new)

    with monkeypatch.context() as patched:
        patched.setattr(publish, "rename_noreplace", rename)
        disk.reopen().uploads.sweep((disk.root,))
        assert (disk.path / "c.png").read_bytes() == b"new"  # the other one was not held up
        with pytest.raises(OSError, match="broken"):
            disk.offset(first)
    assert disk.offset(first) == 3
    assert disk.record(second).state is UploadState.DONE


def test_a_join_that_a_crash_cut_short_is_taken_away_for_its_parts(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = disk.put_parts([b"one", b"two"])
    with monkeypatch.context() as patched:
        patched.setattr(upload_store.UploadStore, "delete", lambda *_: None)
        dying(patched, upload_store.UploadStore, "_copy_parts")
        with pytest.raises(Died):
            disk.uploads.join(disk.visit, UploadSpec("/data/j", None), parts)
    disk.reopen().uploads.sweep((disk.root,))
    assert disk.waiting() == sorted(parts)


def test_a_sweep_leaves_trees_that_cannot_be_written(disk: Disk, memory_folder: Path) -> None:
    disk.begin(length=3)
    disk.now += LIMITS.keep + 1
    disk.uploads.sweep((replace(disk.root, writable=False),))
    assert len(staging_area.list_upload_ids(disk.root)) == 1
