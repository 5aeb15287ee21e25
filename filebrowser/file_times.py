"""Modification times: parsing a client's time, its valid range, and setting it.

One rule for all doors: a time from 1970 to 7 February 2106 (what 32 bits hold) is kept, and any
other one that a client names is refused. Files that are copied here keep theirs whatever it is.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime

from filebrowser.errors import BadTime

SECOND = 1_000_000_000  # nanoseconds
MAX_SECONDS = 2**32  # seconds since 1970; from here on no time counts
MILLISECONDS_FROM = 253_402_300_800
"""Numbers from here on are milliseconds: as seconds they would be the year 10000, and fewer
milliseconds are before 1978."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_NO_TIMES_ERRNOS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL})


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of a time as clients write it. Raises :class:`BadTime`.

    Seconds or milliseconds since 1970 with or without a fraction; ISO 8601, in UTC where no zone is
    told; or a date of HTTP.
    """
    stripped = text.strip()
    try:
        if _NUMBER.fullmatch(stripped):
            number = Decimal(stripped)
            scale = SECOND // 1000 if abs(number) >= MILLISECONDS_FROM else SECOND
            nanoseconds = int(number * scale)
        else:
            nanoseconds = _to_nanoseconds(_parse_moment(stripped))
    except (ValueError, OverflowError):
        nanoseconds = -1
    if not is_valid_time(nanoseconds):
        raise BadTime(
            f"{text[:40]!r} is no time that a file can have: seconds or milliseconds since 1970, "
            "or a date like 2017-08-01T12:00:00Z, from 1970 to 2105."
        )
    return nanoseconds


def is_valid_time(nanoseconds: int) -> bool:
    """Whether this is a time that a file may be given on somebody's word."""
    return 0 <= nanoseconds < MAX_SECONDS * SECOND


def _parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _to_nanoseconds(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1000


def set_time(fd: int, modified: int, accessed: int | None = None) -> None:
    """Give an open file or folder its times in nanoseconds, where its file system takes them.

    Buckets take none.
    """
    with _ignore_unsupported():
        os.utime(fd, ns=(modified if accessed is None else accessed, modified))


def set_time_of_name(folder: int, name: str, modified: int) -> None:
    """The same for a name in an open folder; a link itself, never what it leads to."""
    with _ignore_unsupported():
        os.utime(name, ns=(modified, modified), dir_fd=folder, follow_symlinks=False)


@contextmanager
def _ignore_unsupported() -> Iterator[None]:
    """End well where a file system cannot set times."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_TIMES_ERRNOS:
            raise


def copy_times(written: int, before: os.stat_result) -> None:
    """Give an open file or folder the times of another one."""
    set_time(written, before.st_mtime_ns, before.st_atime_ns)
