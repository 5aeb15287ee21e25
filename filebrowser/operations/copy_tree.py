"""Copying files and folders with fsync, optional verification, measuring and removal of trees."""

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from filebrowser.access.gate import (
    Place,
    make_folder_in,
    open_parent_to_read,
    open_place,
    stat_place,
)
from filebrowser.errors import Changed, NotAFile, NotAllowed
from filebrowser.file_times import copy_times
from filebrowser.listing.tree_walk import walk

PIECE = 4 * 1024 * 1024  # bytes at once; between two pieces a job can be cancelled
FILE_MODE, FOLDER_MODE = 0o640, 0o750  # the umask takes from them; nothing stays executable
_NO_COPY_RANGE_ERRNOS = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ETXTBSY}
)

Advance = Callable[[int], None]
"""Told how many bytes more are done; raises to end the work."""


@dataclass(frozen=True, slots=True)
class TreeSize:
    """How much lies at a place."""

    size: int = 0  # bytes of ordinary files
    files: int = 0
    folders: int = 0
    left_out: int = 0  # links and special files

    def __add__(self, other: "TreeSize") -> "TreeSize":
        return TreeSize(
            self.size + other.size,
            self.files + other.files,
            self.folders + other.folders,
            self.left_out + other.left_out,
        )


def measure(place: Place) -> TreeSize:
    """How much lies at ``place`` and below it. Raises the gate's errors and
    ``TooMuch``.
    """
    total = _size_of(stat_place(place))
    if total.folders:
        for entry in walk(place):
            total += _size_of(entry.facts)
    return total


def _size_of(facts: os.stat_result) -> TreeSize:
    if stat.S_ISREG(facts.st_mode):
        return TreeSize(facts.st_size, files=1)
    return TreeSize(folders=1) if stat.S_ISDIR(facts.st_mode) else TreeSize(left_out=1)


def copy_tree(source: Place, target: Place, advance: Advance, verify: bool = False) -> TreeSize:
    """Make ``target``, which must not exist yet, a copy of the file or folder at ``source``.

    Odd names inside a folder stay; links and special files are left out, and counted. With
    ``verify`` the copy is read again and compared, as before its original is removed. Raises
    :class:`Changed` where a file changed meanwhile; the caller removes what is there of the copy.
    """
    facts = stat_place(source)
    if not stat.S_ISDIR(facts.st_mode):
        copy_file(source, target, advance, verify)
        return TreeSize(files=1)
    make_folder(target)
    copied, folders = TreeSize(folders=1), [(target, facts)]
    depth = len(source.names)
    for entry in walk(source):
        inner = Place(target.root, (*target.names, *entry.place.names[depth:]))
        if entry.is_folder:
            make_folder(inner, any_name=True)
            folders.append((inner, entry.facts))
        elif entry.is_file:
            copy_file(entry.place, inner, advance, verify)
        copied += _size_of(entry.facts)
    for copied_folder, before in reversed(folders):  # what came into a folder has changed its time
        with open_folder_at(copied_folder) as folder:
            copy_times(folder, before)
    return copied


def make_folder(place: Place, mode: int = FOLDER_MODE, *, any_name: bool = False) -> None:
    """A new folder. Raises ``FileExistsError`` and the gate's errors."""
    if not place.is_creatable:
        raise NotAllowed(f"{place.text!r} cannot be made.")
    with open_parent_to_read(place) as (holder, name):
        make_folder_in(holder, name, mode, any_name=any_name)


def copy_file(source: Place, target: Place, advance: Advance, verify: bool = False) -> None:
    """One file, with its time of change; on disk when this returns. Raises as :func:`copy_tree`."""
    read = open_place(source)
    try:
        before = os.fstat(read)
        if not stat.S_ISREG(before.st_mode):
            raise NotAFile(f"{source.text!r} is no ordinary file.")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        written = open_place(target, flags, FILE_MODE, any_name=True)
        try:
            same = _copy_bytes(read, written, before.st_size, advance, verify)
            copy_times(written, before)
            os.fsync(written)
        finally:
            os.close(written)
        after = os.fstat(read)
    finally:
        os.close(read)
    if not same or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Changed(f"{source.text!r} changed while it was copied.")


def _copy_bytes(read: int, written: int, size: int, advance: Advance, verify: bool) -> bool:
    """Copy ``size`` bytes; whether all came, and read the same again if that is asked for."""
    digest = hashlib.blake2b()
    by_kernel, done = not verify, 0
    while done < size:
        want = min(PIECE, size - done)
        if by_kernel:
            try:
                came = os.copy_file_range(read, written, want, done, done)
            except OSError as error:
                if error.errno not in _NO_COPY_RANGE_ERRNOS:
                    raise
                by_kernel = False
                continue
        else:
            piece = os.pread(read, want, done)
            came = len(piece)
            _write_all(written, piece, done)
            digest.update(piece)
        if came == 0:
            return False
        done += came
        advance(came)
    return not verify or digest.digest() == _digest_from_disk(written)


def _write_all(written: int, piece: bytes, offset: int) -> None:
    view = memoryview(piece)
    while view:
        count = os.pwrite(written, view, offset)
        view, offset = view[count:], offset + count


def _digest_from_disk(fd: int) -> bytes:
    """Of what the disk gives back: the pages in memory are let go first."""
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    digest, offset = hashlib.blake2b(), 0
    while piece := os.pread(fd, PIECE, offset):
        digest.update(piece)
        offset += len(piece)
    return digest.digest()


def remove_tree(holder: int, name: str) -> None:
    """Remove a file, a link itself, or a folder with all that it holds. Nothing there is fine."""
    try:
        if stat.S_ISDIR(os.stat(name, dir_fd=holder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=holder)  # by descriptors throughout; links are not followed
        else:
            os.unlink(name, dir_fd=holder)
    except FileNotFoundError:
        return


@contextmanager
def open_folder_at(place: Place) -> Iterator[int]:
    """The open folder at ``place``. Raises the gate's errors."""
    folder = open_place(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


def exists(place: Place) -> bool:
    """Whether anything, a dangling link too, has this name."""
    with open_parent_to_read(place) as (holder, name):
        try:
            os.stat(name, dir_fd=holder, follow_symlinks=False)
        except FileNotFoundError:
            return False
    return True
