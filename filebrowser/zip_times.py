"""Timestamps of zip entries: written to all fields, read from the most precise one present.

A zip's own time is the local one of whoever packed it, in steps of two seconds, from 1980 to 2107.
The extended timestamp (``UT``) beside it is in UTC and whole seconds; where its 32 bits do not
reach, NTFS' field does. Source: APPNOTE.TXT 4.4.6 and 4.5.5; Info-ZIP's extrafld.txt.
"""

import struct
import time
from collections.abc import Iterator

from filebrowser.file_times import SECOND, is_valid_time

EXTENDED, NTFS = 0x5455, 0x000A
MODIFIED = 0x01  # the bit of the extended timestamp that says which time comes first
NTFS_TIMES = 0x0001  # the tag of three times in NTFS' field
SINCE_1601 = 116_444_736_000_000_000  # NTFS counts units of 100 ns from there to 1970
FIRST, LAST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
Moment = tuple[int, int, int, int, int, int]


def write_times(modified: int) -> tuple[Moment, bytes]:
    """A zip's own time and the extra field for a file of this time, nanoseconds since 1970."""
    seconds = modified // SECOND
    try:
        local: Moment = time.localtime(seconds)[:6]
    except (OverflowError, OSError, ValueError):  # no year that a C library has
        local = LAST if seconds > 0 else FIRST
    if -(2**31) <= seconds < 2**31:
        extra = struct.pack("<HHBl", EXTENDED, 5, MODIFIED, seconds)
    else:
        ticks = min(max(modified // 100 + SINCE_1601, 0), 2**63 - 1)
        extra = struct.pack("<HHLHHQQQ", NTFS, 32, 0, NTFS_TIMES, 24, ticks, ticks, ticks)
    return min(max(FIRST, local), LAST), extra


def read_time(moment: Moment, extra: bytes) -> int | None:
    """The time of an entry in nanoseconds since 1970; None for one that no file can have."""
    by_kind = dict(extra_fields(extra))
    times = (
        _extended_time(by_kind.get(EXTENDED, b"")),
        _ntfs_time(by_kind.get(NTFS, b"")),
        _local_time(moment),
    )
    return next((each for each in times if each is not None and is_valid_time(each)), None)


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The parts of an extra field: what each is, and its bytes. Ends where they are damaged."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if at + 4 + length > len(extra):
            return
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length


def _extended_time(data: bytes) -> int | None:
    if len(data) < 5 or not data[0] & MODIFIED:
        return None
    return int(struct.unpack_from("<l", data, 1)[0]) * SECOND


def _ntfs_time(data: bytes) -> int | None:
    for kind, part in extra_fields(data[4:]):
        if kind == NTFS_TIMES and len(part) >= 8:
            return int(struct.unpack_from("<Q", part)[0] - SINCE_1601) * 100
    return None


def _local_time(moment: Moment) -> int | None:
    """Of a zip's own time: None where it is no date, as in zips that are made without one."""
    try:
        seconds = time.mktime((*moment, 0, 0, -1))
        same = time.localtime(seconds)[:3] == moment[:3]
    except (OverflowError, OSError, ValueError):
        return None
    return int(seconds) * SECOND if same else None
