"""Modification times as WebDAV clients send them."""

from wsgidav.dav_error import DAVError
from wsgidav.util import parse_time_string

from filebrowser.errors import BadTime
from filebrowser.file_times import MAX_SECONDS, SECOND, parse_time

WINDOWS = "{urn:schemas-microsoft-com:}"
TIME_PROPERTIES = frozenset({"{DAV:}getlastmodified", f"{WINDOWS}Win32LastModifiedTime"})
"""Properties that set a file's time."""

IGNORED_PROPERTIES = frozenset(
    f"{WINDOWS}{name}"
    for name in ("Win32CreationTime", "Win32LastAccessTime", "Win32FileAttributes")
)
"""What Windows sets with each copy, and goes without: no copy fails by it."""


def read_time(text: str) -> int:
    """Nanoseconds since 1970. A date before 1970 or after 2105 becomes the nearest one in between.

    No copy fails by its date. Raises :class:`DAVError` 409 for what is no date.
    """
    try:
        return parse_time(text)
    except BadTime as error:
        seconds = _parse_seconds(text.strip())
        if seconds is None:
            raise DAVError(409, str(error)) from None
        return min(max(seconds, 0), MAX_SECONDS - 1) * SECOND


def _parse_seconds(text: str) -> int | None:
    """Seconds of a date or number out of range; None for what is neither."""
    try:
        return int(float(text)) if len(text) < 20 else parse_time_string(text)
    except (ValueError, OverflowError):
        seconds: int | None = parse_time_string(text)
        return seconds
