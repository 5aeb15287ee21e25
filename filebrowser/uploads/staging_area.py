"""Staging area of uploads: ``<root>/.uploads/<id>/{data,info.json}``, on the target's disk.

Every function works below an open folder; the only path is the root's own, opened by the gate.
"""

import ctypes
import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from filebrowser.access.gate import Root, open_own_folder, set_mode
from filebrowser.atomic_file import sync_folder, write_atomically
from filebrowser.errors import NotHere
from filebrowser.operations.copy_tree import remove_tree
from filebrowser.own_folders import STAGING_FOLDER
from filebrowser.uploads.records import RECORD_ADAPTER, Upload

DATA, INFO = "data", "info.json"
ID_PATTERN = re.compile(r"[0-9a-f]{32}")
KEEP_SIZE = 0x01  # fallocate(2): set blocks aside, leave the file's size alone
NO_FALLOCATE_ERRNOS = frozenset(
    {errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV, errno.EPERM}
)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def new_id() -> str:
    """128 random bits in hex."""
    return secrets.token_hex(16)


def boot_id() -> str:
    """Which boot of the machine this is; "" where nobody tells."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


@contextmanager
def open_staging(root: Root) -> Iterator[int]:
    """The open staging folder of a root. Raises ``FileError`` where there can be none."""
    with open_own_folder(root, STAGING_FOLDER) as folder:
        yield folder


@contextmanager
def open_upload(root: Root, upload_id: str) -> Iterator[int]:
    """The open folder of one upload. Raises :class:`NotHere` where there is none."""
    if not ID_PATTERN.fullmatch(upload_id):
        raise NotHere(f"There is no upload {upload_id[:64]!r}.")
    with open_staging(root) as above:
        try:
            folder = os.open(upload_id, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        except (FileNotFoundError, NotADirectoryError):  # or something that is no upload of ours
            raise NotHere(f"There is no upload {upload_id!r}.") from None
    try:
        yield folder
    finally:
        os.close(folder)


def create_upload(root: Root, upload_id: str) -> None:
    """A new, empty upload; it counts for nothing until :func:`save_record` was called."""
    with open_staging(root) as above:
        os.mkdir(upload_id, 0o700, dir_fd=above)
        with open_upload(root, upload_id) as here:
            data = os.open(DATA, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=here)
            try:
                set_mode(data, 0o640)
            finally:
                os.close(data)
        sync_folder(above)


def delete_upload(root: Root, upload_id: str) -> None:
    """Take an upload away, whatever is left of it."""
    with open_staging(root) as above:
        remove_tree(above, upload_id)


def list_upload_ids(root: Root) -> list[str]:
    """The ids of everything that waits below a root."""
    with open_staging(root) as here:
        return [name for name in os.listdir(here) if ID_PATTERN.fullmatch(name)]


def save_record(here: int, upload: Upload) -> None:
    """Write ``info.json`` so that a power cut leaves the old or the new one, whole."""
    write_atomically(here, INFO, RECORD_ADAPTER.dump_json(upload))


def load_record(here: int) -> Upload | None:
    """What ``info.json`` says; None where there is none, or none that can be read."""
    try:
        fd = os.open(INFO, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        return None
    with suppress(IsADirectoryError, ValidationError):
        return RECORD_ADAPTER.validate_json(_read_all(fd))
    return None


def _read_all(fd: int) -> bytes:
    try:
        pieces = []
        while piece := os.read(fd, 1 << 20):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(fd)


def open_data(here: int) -> int:
    """A descriptor of the bytes, for reading and writing. Raises ``FileNotFoundError``."""
    return os.open(DATA, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)


def preallocate(data: int, length: int) -> bool:
    """Reserve the blocks of ``length`` bytes; False where the file system knows no such thing.

    The size stays what has been written. ``posix_fallocate`` would raise it, and where it is not
    supported glibc writes zeros instead. Raises ``OSError`` ENOSPC where there is no room.
    """
    if not length:
        return True
    call = ctypes.CDLL(None, use_errno=True).fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call(data, KEEP_SIZE, 0, length) == 0:
        return True
    number = ctypes.get_errno()
    if number in NO_FALLOCATE_ERRNOS:
        return False
    raise OSError(number, os.strerror(number))
