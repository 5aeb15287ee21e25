"""Errors of uploads."""

from filebrowser.errors import FileError


class WrongOffset(FileError):
    """The piece does not begin where the bytes that are here end."""


class WrongRequest(FileError):
    """What was asked about an upload fits neither it nor anything else."""


class WrongVersion(WrongRequest):
    """The client speaks another version of the protocol, or does not say which."""


class WrongChecksum(FileError):
    """The bytes are not those that were announced; what did not match is thrown away."""


class Busy(FileError):
    """Somebody else is sending to this upload, and bytes are coming."""


class TooMany(FileError):
    """The caller has too many uploads begun, or under way at once."""


class TooManyInAll(FileError):
    """The service takes no more transfers at this moment."""


class Over(FileError):
    """The upload has ended: its content was refused. It takes no more bytes."""
