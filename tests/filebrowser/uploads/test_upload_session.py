"""One upload under its lock: what is safe when, other processes, and disks that fail."""

import errno
import fcntl
import os
from collections.abc import Callable

import pytest

from filebrowser.errors import NoRoom
from filebrowser.uploads import staging_area, upload_session
from filebrowser.uploads.errors import Busy
from filebrowser.uploads.upload_session import UploadChunk
from tests.filebrowser.uploads.conftest import Disk


def fail(number: int) -> Callable[..., None]:
    """A function of the disk that fails so."""

    def raise_error(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return raise_error


def test_another_process_that_takes_bytes_is_told_and_waited_for_by_nobody(disk: Disk) -> None:
    name = disk.begin(length=6)
    with (disk.path / ".uploads" / name / "data").open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="Another process"):
            disk.append(name, 0, b"abc")
    assert disk.append(name, 0, b"abc") == 3
    assert not disk.uploads.locks.is_locked(name)


def test_large_pieces_are_safe_when_they_are_acknowledged_and_small_ones_wait(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_session, "MIN_SYNC_BYTES", 10)
    name = disk.begin(length=100)
    durable = []
    for piece in (bytes(9), bytes(1), bytes(9), bytes(30)):
        disk.append(name, disk.uploads.peek(disk.visit, name).offset, piece)
        durable.append(disk.reopen().record(name).durable)
    assert durable == [0, 10, 10, 49]


def test_who_asks_for_the_offset_can_count_on_it(disk: Disk) -> None:
    name = disk.begin(length=100)
    disk.append(name, 0, bytes(9))
    assert (disk.offset(name), disk.record(name).durable) == (9, 9)


def test_bytes_that_the_disk_lost_are_not_told_of(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fdatasync fails once, and afterwards says that all is well (fsyncgate)."""
    name = disk.begin(length=6)
    disk.append(name, 0, b"ab")
    assert disk.offset(name) == 2
    disk.append(name, 2, b"cd")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            disk.offset(name)
    assert disk.offset(name) == 2
    disk.append(name, 2, b"cdef")
    assert (disk.path / "a/b.png").read_bytes() == b"abcdef"


def test_a_last_piece_that_the_disk_lost_is_asked_for_again(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = disk.begin(length=6)
    disk.append(name, 0, b"abc")
    assert disk.offset(name) == 3
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            disk.append(name, 3, b"def")
    assert not (disk.path / "a").exists()
    offset = disk.offset(name)
    disk.append(name, offset, b"abcdef"[offset:])
    assert (disk.path / "a/b.png").read_bytes() == b"abcdef"


def test_what_came_before_a_broken_disk_is_kept_as_far_as_it_was_waited_for(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = disk.begin(length=6)
    disk.append(name, 0, b"ab")
    assert disk.offset(name) == 2
    disk.append(name, 2, b"cd")
    with monkeypatch.context() as patched:
        for call in ("pwrite", "fdatasync"):
            patched.setattr(os, call, fail(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            disk.append(name, 4, b"ef")
    assert disk.offset(name) == 2


def test_a_full_disk_says_what_is_kept(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    name = disk.begin(length=6)
    disk.append(name, 0, b"abc")
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", fail(number))
            with pytest.raises(NoRoom, match=r"The disk is full\. 3 bytes are kept\. Make room"):
                disk.append(name, 3, b"def")
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", fail(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):  # another error is no full disk
            disk.append(name, 3, b"def")
    assert disk.append(name, 3, b"def") == 6


def test_an_upload_that_cannot_be_begun_leaves_nothing(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in ("preallocate", "save_record"):
        with monkeypatch.context() as patched:
            patched.setattr(staging_area, what, fail(errno.ENOSPC))
            with pytest.raises(NoRoom, match="Nothing was begun"):
                disk.begin(length=6)
    assert disk.waiting() == []
    assert disk.uploads.list_unfinished(disk.visit) == []


def test_a_length_that_cannot_be_written_down_is_not_taken(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = disk.begin(length=None)
    with monkeypatch.context() as patched:
        patched.setattr(staging_area, "save_record", fail(errno.ENOSPC))
        with pytest.raises(NoRoom, match="The length was not taken"):
            disk.send(name, UploadChunk(0, length=6), b"")
    assert disk.record(name).length is None
    disk.append(name, 0, b"abcdef", length=6)
    assert (disk.path / "a/b.png").read_bytes() == b"abcdef"


def test_bytes_that_another_program_cut_off_are_asked_for_again(disk: Disk) -> None:
    name = disk.begin(length=6)
    disk.append(name, 0, b"abcd")
    os.truncate(disk.path / ".uploads" / name / "data", 2)
    assert disk.offset(name) == 2
    disk.append(name, 2, b"cdef")
    assert (disk.path / "a/b.png").read_bytes() == b"abcdef"
