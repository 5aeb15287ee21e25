"""Full disks: recognising them, and retrying writes after the reserve file was freed."""

import errno
import sqlite3
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
MakeRoom = Callable[[], bool]
"""Gives up room that was kept for this moment; False where none is left."""

FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
FULL_SQLITE_NAMES = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")
"""SQLite's names; where what it keeps beside a database does not fit, it says the latter two."""


def no_reserve() -> bool:
    """A :data:`MakeRoom` of those who keep none."""
    return False


def is_disk_full(error: BaseException) -> bool:
    """Whether an error may say that the disk is full."""
    if isinstance(error, OSError):
        return error.errno in FULL_ERRNOS
    return (getattr(error, "sqlite_errorname", None) or "").startswith(FULL_SQLITE_NAMES)


def retry_when_full(act: Callable[[], T], make_room: MakeRoom) -> T:
    """Call ``act``; again while it fails on a full disk and ``make_room()`` frees space."""
    while True:
        try:
            return act()
        except (OSError, sqlite3.Error) as error:
            if not is_disk_full(error) or not make_room():
                raise
