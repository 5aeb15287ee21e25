"""Atomic writes of the service's own small files, and renaming of damaged ones."""

import errno
import os
import time
from contextlib import suppress
from glob import escape
from itertools import count
from pathlib import Path
from uuid import uuid4

from filebrowser.access.gate import Place, open_file, open_parent

PRIVATE = 0o600
SQLITE_SUFFIXES = ("-wal", "-shm", "-journal")
"""Endings of what SQLite keeps beside a database."""

MAX_DAMAGED_FILES = 3  # damaged files of one name

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_DRAFT_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_FSYNC_ERRNOS = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EPERM})


def sync_folder(folder: int) -> None:
    """fsync an open folder, where the file system supports that.

    A bucket has none: there a name is as safe as its file. Raises ``OSError``.
    """
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_FSYNC_ERRNOS:
            raise


def write_atomically(folder: int, name: str, content: bytes) -> None:
    """Put ``content`` under ``name``, mode 0600, in an open folder, in one step.

    On the disk when this returns. Raises ``OSError``, leaving what was there as it was.
    """
    draft = f".{uuid4().hex}.part"
    handle = os.open(draft, _DRAFT_FLAGS, PRIVATE, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise
    sync_folder(folder)


def put_aside(path: Path) -> Path:
    """Rename a damaged file or folder to ``NAME.damaged-TIME``; its new path. Raises ``OSError``.

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


def write_path(path: Path, content: bytes) -> None:
    """The same at a path of the service's own; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = os.open(path.parent, _FOLDER_FLAGS)
    try:
        write_atomically(folder, path.name, content)
    finally:
        os.close(folder)


def write_place(place: Place, content: bytes) -> None:
    """The same at a judged place. Raises the gate's errors too."""
    with open_parent(place) as (holder, name):
        write_atomically(holder, name, content)


def read_place(place: Place, most: int = 16 * 1024 * 1024) -> bytes:
    """The content of a small file. Raises the gate's errors."""
    with open_file(place) as file:
        return file.read(most)
