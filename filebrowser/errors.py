"""Errors of file operations. The application maps them to HTTP answers."""


class FileError(Exception):
    """Root of the errors of :mod:`filebrowser`; the text is for the caller to read."""


class BadPath(FileError):
    """The text is no path that anything could have: traversal, control characters, too long."""


class BadTime(FileError):
    """The text is no time, or none that a file can be given."""


class NotHere(FileError):
    """There is nothing of this name that the caller may see. Also said of what is hidden."""


class NotAllowed(FileError):
    """The caller sees the thing and may not do that with it."""


class NotAFile(FileError):
    """The thing is no ordinary file or directory: a link, a device, a pipe, a socket."""


class TooMuch(FileError):
    """More was asked for than one answer holds."""


class Taken(FileError):
    """Something of this name is there already, and the caller did not say what to do about it."""


class TooBig(FileError):
    """More bytes than may come: than the service takes, or than were announced."""


class NoRoom(FileError):
    """The disk or the quota has no room for this."""


class WrongContent(FileError):
    """The file is not what its name says, or nothing of its kind may lie in that folder."""


class NotAFolder(FileError):
    """A folder is needed where a file is, or the other way round."""


class Changed(FileError):
    """The file is no longer the one that the caller has seen."""


class TooBusy(FileError):
    """The caller has as much of this under way as one may have."""

    retry_after = 5  # seconds


class Overloaded(FileError):
    """The service works at as much as its memory holds, for all callers together."""

    retry_after = 5  # seconds


class NotText(FileError):
    """The file holds no text that could be edited."""


class BadArchive(FileError):
    """The archive is damaged, dangerous, or of no kind that is taken apart here."""


class NoPicture(FileError):
    """The file is no picture, or one that cannot be decoded."""


class BadSearch(FileError):
    """The question cannot be understood; the text names the field."""
