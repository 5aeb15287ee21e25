"""Copies an open file to another, and into a folder of another file system."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress

from filebrowser.access.gate import set_mode
from filebrowser.file_times import copy_times

PIECE = 4 << 20  # bytes copied between two looks


def copy_across(
    data: int, size: int, folder: int, name: str, on_progress: Callable[[], None]
) -> int:
    """Copy an open file to ``name`` in a folder of another file system; the new file's inode.

    On the disk when this returns. A copy that an earlier life left half done is written anew.
    """
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    return copy_new(data, size, folder, name, on_progress)


def copy_new(
    data: int,
    size: int,
    folder: int,
    name: str,
    on_progress: Callable[[], None],
    on_created: Callable[[int], None] = lambda _: None,
) -> int:
    """The same to a name that is free, else ``FileExistsError``; ``begun`` is told the inode."""
    copy = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        set_mode(copy, 0o640)
        on_created(os.fstat(copy).st_ino)
        append_from(data, size, copy, 0, on_progress)
        copy_times(copy, os.fstat(data))
        os.fsync(copy)
        return os.fstat(copy).st_ino
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(copy)


def append_from(data: int, size: int, copy: int, at: int, on_progress: Callable[[], None]) -> None:
    """Copy the ``size`` bytes of an open file into another one, from its offset ``at`` on."""
    done = 0
    while done < size:
        block = os.pread(data, min(PIECE, size - done), done)
        if not block:
            raise OSError(errno.EIO, "The file became shorter while it was copied")
        rest = memoryview(block)
        while rest:
            written = os.pwrite(copy, rest, at + done)
            done, rest = done + written, rest[written:]
        on_progress()
