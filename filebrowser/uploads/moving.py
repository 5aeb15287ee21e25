"""A staged file gets its name, at once and whole, and never over another by accident."""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import PurePosixPath

from filebrowser.gate import LONGEST_NAME

AT_MOST = 10_000  # names that are tried
NO_REPLACE = 1  # renameat2(2)
NOT_OFFERED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK})
PIECE = 4 << 20  # bytes copied between two looks
ENDINGS = frozenset({".vae", ".preview", ".civitai", ".tar"})
"""First halves of double endings: "name.vae.safetensors" becomes "name (1).vae.safetensors"."""


def names_beside(name: str) -> Iterator[str]:
    """Names for a second file of this name: "a (1).png", "a (2).png", ..."""
    path = PurePosixPath(name)
    ending = path.suffix
    if PurePosixPath(path.stem).suffix.lower() in ENDINGS:
        ending = PurePosixPath(path.stem).suffix + ending
    stem = name.removesuffix(ending)
    for number in range(1, AT_MOST):
        tail = f" ({number}){ending}"
        room = LONGEST_NAME - len(tail.encode())
        yield stem.encode()[:room].decode(errors="ignore") + tail


def exists(folder: int, name: str) -> bool:
    """Whether anything of this name is in the open folder, links that lead nowhere included."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def move_new(source: int, name: str, target: int, new_name: str) -> None:
    """Move a file between two open folders; raises ``FileExistsError`` where the name is taken.

    ``renameat2`` in one step; where a file system does not offer it, a second link and then the
    first one's end; where there are no links, a name that is taken first, empty, and then replaced.
    Raises ``OSError`` EXDEV between file systems.
    """
    try:
        return rename_new(source, name, target, new_name)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise
    try:
        os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        os.unlink(name, dir_fd=source)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise
        os.close(os.open(new_name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=target))
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)


def rename_new(source: int, name: str, target: int, new_name: str) -> None:
    """``renameat2(RENAME_NOREPLACE)``. Raises ``OSError``."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(source, os.fsencode(name), target, os.fsencode(new_name), NO_REPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new_name)


def copy_across(data: int, size: int, folder: int, name: str, look: Callable[[], None]) -> int:
    """Copy an open file to ``name`` in a folder of another file system; the new file's inode.

    On the disk when this returns. A copy that an earlier life left half done is written anew.
    """
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    copy = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640, dir_fd=folder)
    try:
        append_from(data, size, copy, 0, look)
        os.fsync(copy)
        return os.fstat(copy).st_ino
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(copy)


def append_from(data: int, size: int, copy: int, at: int, look: Callable[[], None]) -> None:
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
        look()
