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

GENERATION = 0x80087601  # FS_IOC_GETVERSION: counts how often the inode was handed out
EMPTY_PATH = 0x1000  # AT_EMPTY_PATH: the descriptor itself
BIRTH = 0x800  # STATX_BTIME
_STATX_BYTES = 256
_NOT_TOLD = frozenset({errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})


def identity_of(found: int) -> str:
    """What stays the same as long as the open file or folder ``found`` is that one, renamed or not.

    Where a file system tells neither generation nor birth, a file is known by its size and the
    time of its last change too, a folder by its number alone.
    """
    facts = os.fstat(found)
    told = (generation(found), birth(found))
    if told == (0, 0) and stat.S_ISREG(facts.st_mode):
        told = (facts.st_size, facts.st_mtime_ns)
    return "-".join(f"{number:x}" for number in (facts.st_ino, *told))


def generation(found: int) -> int:
    """The inode's generation, 0 where the file system has none."""
    number = array("l", [0])
    try:
        fcntl.ioctl(found, GENERATION, number)
    except OSError as error:
        if error.errno not in _NOT_TOLD:
            raise
        return 0
    return number[0]


def birth(found: int) -> int:
    """Nanoseconds since 1970 at which the inode was made, 0 where nobody knows."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)
    told = ctypes.create_string_buffer(_STATX_BYTES)
    if call is None or call(found, b"", EMPTY_PATH, BIRTH, told) != 0:
        return 0
    seconds = int.from_bytes(told.raw[80:88], "little", signed=True)
    return seconds * 1_000_000_000 + int.from_bytes(told.raw[88:92], "little")
