"""Small files of our own that survive a power cut whole, or are not there."""

import errno
import os
from contextlib import suppress

from filebrowser.gate import Place, open_place, parent_of

_NO_NAMES = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EPERM})


def sync_names(folder: int) -> None:
    """See the names in an open folder onto the disk, where the file system has such folders.

    A bucket has none: there a name is as safe as its file. Raises ``OSError``.
    """
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_NAMES:
            raise


def write_whole(place: Place, content: bytes, mode: int = 0o600) -> None:
    """Put ``content`` at ``place`` in one step; on disk when this returns."""
    draft = Place(place.root, (*place.names[:-1], f".{place.names[-1]}.part"))
    with parent_of(draft) as (holder, name):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=holder)
        written = open_place(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(written, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(name, place.names[-1], src_dir_fd=holder, dst_dir_fd=holder)
        sync_names(holder)


def read_whole(place: Place, most: int = 16 * 1024 * 1024) -> bytes:
    """The content of a small file. Raises the gate's errors."""
    with os.fdopen(open_place(place), "rb") as file:
        return file.read(most)
