"""Translates file errors to WebDAV errors."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from wsgidav.dav_error import DAVError

from filebrowser.errors import (
    BadPath,
    BadTime,
    FileError,
    NoRoom,
    NotAFile,
    NotAllowed,
    NotHere,
    TooBig,
    TooMuch,
    WrongContent,
)
from filebrowser.uploads.errors import TooMany, TooManyInAll

FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR})
STATUSES: tuple[tuple[type[FileError], int], ...] = (
    (NotHere, 404),
    (NotAFile, 403),
    (NotAllowed, 403),
    (BadPath, 400),
    (BadTime, 400),
    (TooMuch, 507),
    (TooBig, 413),
    (WrongContent, 415),
    (NoRoom, 507),
    (TooMany, 503),
    (TooManyInAll, 503),
)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Let errors of files and of the disk leave as wsgidav's, without what only we should know."""
    try:
        yield
    except FileError as error:
        status = next((code for kind, code in STATUSES if isinstance(error, kind)), 409)
        raise DAVError(status, str(error)) from error
    except OSError as error:
        if error.errno in FULL:
            raise DAVError(507, "The disk is full.") from error
        if error.errno in TAKEN:
            raise DAVError(409, "Something else is there.") from error
        reason = os.strerror(error.errno) if error.errno else "it cannot be used"
        raise DAVError(403 if error.errno in FORBIDDEN else 500, f"The disk: {reason}.") from error
