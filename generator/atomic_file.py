"""Atomic writes of small files: after a crash or on a full disk the old or the new file is there.

The draft lies in the folder of its target under a hidden name, is flushed with its folder, and is
removed where anything fails.
"""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from itertools import count
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

PRIVATE = 0o600
SQLITE_SUFFIXES = ("-wal", "-shm", "-journal")
"""Endings of what SQLite keeps beside a database."""

MAX_DAMAGED_FILES = 3  # damaged files of one name
UMASK_VARIABLE = "EASEL_UMASK"
"""Environment variable: the umask, in octal, that the service was started with."""

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_DRAFT_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSUPPORTED_ERRORS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


def shared_mode(mode: int) -> int:
    """The mode of a file that other programs may read: ``mode`` less the user's own umask.

    Processes of the service run with umask 077; what people look through keeps to theirs.
    """
    return mode & ~int(os.environ.get(UMASK_VARIABLE, "022"), 8)


def write_atomically(
    path: Path, content: bytes, mode: int = PRIVATE, *, replace: bool = True
) -> None:
    """Put ``content`` at ``path``; it is on the disk when this returns.

    Raises ``OSError`` (``FileExistsError`` where ``replace`` is false and something has the name),
    leaving what was there as it was.
    """
    with atomic_file(path, mode, replace=replace) as file:
        file.write(content)


@contextmanager
def atomic_file(path: Path, mode: int = PRIVATE, *, replace: bool = True) -> Iterator[BinaryIO]:
    """A file to write into, which gets its name at the end of the block. Raises ``OSError``."""
    folder = os.open(path.parent, _FOLDER_FLAGS)
    try:
        with atomic_file_in(folder, path.name, mode, replace=replace) as file:
            yield file
    finally:
        os.close(folder)


@contextmanager
def atomic_file_in(
    folder: int, name: str, mode: int = PRIVATE, *, replace: bool = True
) -> Iterator[BinaryIO]:
    """The same in an open folder, whatever became of the folder's path."""
    draft = f".{uuid4().hex}.part"  # short: the name itself may be the longest
    handle = os.open(draft, _DRAFT_FLAGS, PRIVATE, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            _set_mode(handle, mode)
            yield file
            file.flush()
            os.fsync(handle)
        _publish_draft(folder, draft, name, replace=replace)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise
    sync_folder(folder)


def put_aside(path: Path) -> Path:
    """Rename what cannot be used, so that it can be looked at; its new path. Raises ``OSError``.

    Of the files that were put aside before, the latest few stay.
    """
    moment = time.strftime("%Y%m%d-%H%M%S")
    aside = next(
        free
        for number in count(1)
        if not os.path.lexists(
            free := path.with_name(f"{path.name}.damaged-{moment}{f'-{number}' * (number > 1)}")
        )
    )
    if not path.is_dir():
        for ending in SQLITE_SUFFIXES:
            with suppress(FileNotFoundError):
                os.rename(f"{path}{ending}", f"{aside}{ending}")
    path.rename(aside)
    _delete_older_damaged(path)
    return aside


def _delete_older_damaged(path: Path) -> None:
    damaged_files = [
        each
        for each in sorted(path.parent.glob(f"{escape(path.name)}.damaged-*"))
        if each.is_file() and not each.name.endswith(SQLITE_SUFFIXES)
    ]
    for old in damaged_files[:-MAX_DAMAGED_FILES]:
        for ending in ("", *SQLITE_SUFFIXES):
            Path(f"{old}{ending}").unlink(missing_ok=True)


def make_folder_in(folder: int, name: str, mode: int) -> None:
    """Make a folder in an open one with exactly this mode, unless the name is taken."""
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        return
    handle = os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    try:
        _set_mode(handle, mode)
    finally:
        os.close(handle)


def make_folders(path: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it where they are missing, with the user's umask."""
    if path.is_dir():
        return
    make_folders(path.parent, mode)
    folder = os.open(path.parent, _FOLDER_FLAGS)
    try:
        make_folder_in(folder, path.name, shared_mode(mode))
    finally:
        os.close(folder)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def sync_folder(folder: int) -> None:
    """See the names in an open folder onto the disk, where the file system has such folders."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _UNSUPPORTED_ERRORS:
            raise


def _set_mode(handle: int, mode: int) -> None:
    try:
        os.fchmod(handle, mode)
    except OSError as error:  # a file system without modes
        if error.errno not in _UNSUPPORTED_ERRORS:
            raise


def _publish_draft(folder: int, draft: str, name: str, *, replace: bool) -> None:
    """Give the draft its name."""
    if not replace:
        try:
            os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in _UNSUPPORTED_ERRORS:
                raise
            # No hard links here: an empty file keeps the name for the moment.
            os.close(os.open(name, _DRAFT_FLAGS, PRIVATE, dir_fd=folder))
        else:
            os.unlink(draft, dir_fd=folder)
            return
    os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
