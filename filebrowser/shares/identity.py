"""Identity of a file or folder, to detect that another one took its path.

Inode numbers are handed out again at once, so the number alone would let a share lead to what
somebody put in the place of the file that was shared. Sources: statx(2), ioctl_iflags(2).
"""

import ctypes
import errno
import fcntl
import os
import stat
from array import array

FS_IOC_GETVERSION = 0x80087601  # FS_IOC_GETVERSION: counts how often the inode was handed out
AT_EMPTY_PATH = 0x1000  # AT_EMPTY_PATH: the descriptor itself
STATX_BTIME = 0x800  # STATX_BTIME
_STATX_BYTES = 256
_NO_GENERATION_ERRNOS = frozenset(
    {errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
)


def identity_of(fd: int) -> str:
    """What stays the same as long as the open file or folder ``found`` is that one, renamed or not.

    Where a file system tells neither generation nor birth, a file is known by its size and the
    time of its last change too, a folder by its number alone.
    """
    facts = os.fstat(fd)
    stamps = (inode_generation(fd), birth_time_ns(fd))
    if stamps == (0, 0) and stat.S_ISREG(facts.st_mode):
        stamps = (facts.st_size, facts.st_mtime_ns)
    return "-".join(f"{number:x}" for number in (facts.st_ino, *stamps))


def inode_generation(fd: int) -> int:
    """The inode's generation, 0 where the file system has none."""
    number = array("l", [0])
    try:
        fcntl.ioctl(fd, FS_IOC_GETVERSION, number)
    except OSError as error:
        if error.errno not in _NO_GENERATION_ERRNOS:
            raise
        return 0
    return number[0]


def birth_time_ns(fd: int) -> int:
    """Nanoseconds since 1970 at which the inode was made, 0 where nobody knows."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if call is None or call(fd, b"", AT_EMPTY_PATH, STATX_BTIME, buffer) != 0:
        return 0
    seconds = int.from_bytes(buffer.raw[80:88], "little", signed=True)
    return seconds * 1_000_000_000 + int.from_bytes(buffer.raw[88:92], "little")
