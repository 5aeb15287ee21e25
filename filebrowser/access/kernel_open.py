"""Opening a path below a directory, links refused: ``openat2``, or step by step."""

import ctypes
import os
from collections.abc import Sequence

OPENAT2 = 437  # the system call's number, the same on every architecture since Linux 5.6

NO_MAGICLINKS, NO_SYMLINKS, BENEATH = 0x02, 0x04, 0x08

DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


class _OpenHow(ctypes.Structure):
    """``struct open_how`` of openat2(2)."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_by_kernel(root: int, names: Sequence[str], flags: int, mode: int) -> int:
    """``openat2`` below the directory ``root``. Raises ``OSError``; ENOSYS where there is none."""
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    how = _OpenHow(flags, mode if flags & os.O_CREAT else 0, BENEATH | NO_SYMLINKS | NO_MAGICLINKS)
    call = ctypes.CDLL(None, use_errno=True).syscall
    path = os.fsencode("/".join(names)) or b"."
    fd = call(OPENAT2, root, path, ctypes.byref(how), ctypes.sizeof(how))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(fd)


def open_by_walking(root: int, names: Sequence[str], flags: int, mode: int) -> int:
    """The same by opening each directory on the way from the one before it, links refused."""
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    if not names:
        return os.open(".", flags, dir_fd=root)
    here = os.dup(root)
    try:
        for name in names[:-1]:
            inner = os.open(name, DIRECTORY_FLAGS, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(names[-1], flags, mode, dir_fd=here)
    finally:
        os.close(here)
