"""Checks and opens files in model folders: regular files with printable names only.

A named pipe or a device that bears a model's name would hold the thread that opens it for ever.
"""

import json
import os
import stat
import unicodedata
from pathlib import Path
from typing import BinaryIO

from generator.errors import ModelUnreadable

LARGEST_TEXT = 1 << 20  # bytes of a file beside a model
MOST_INTEGER = (1 << 63) - 1  # that a database keeps

FileStamp = tuple[int, int, int, int]
"""One state of a file: size, mtime_ns, inode, ctime_ns.

``cp -p``, ``rsync -t`` and ``mv`` put other weights of the same size and time in a file's place;
the inode and the time of the last change of status, which nobody can set, tell them apart.
"""


def stamp_of(stat: os.stat_result) -> FileStamp:
    """The state that a look at a file tells."""
    inode = stat.st_ino & MOST_INTEGER  # some network mounts use all 64 bits
    return (stat.st_size, stat.st_mtime_ns, inode, stat.st_ctime_ns)


def check_name(name: str) -> None:
    """Refuse a file name that cannot stand in JSON, in a prompt or in a line of a log.

    Raises :class:`ModelUnreadable` for one that is not UTF-8 or holds control characters.
    """
    if any("\ud800" <= char <= "\udfff" for char in name):
        raise ModelUnreadable(f"{to_printable(name)}: its name is not UTF-8; rename it")
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise ModelUnreadable(
            f"{to_printable(name)}: its name holds a control character; rename it"
        )


def to_printable(name: str) -> str:
    """The name with a mark in place of each character that cannot be shown."""
    unshown = ("Cc", "Cs")  # control characters; halves of a pair, as bytes that are no UTF-8 give
    return "".join("\ufffd" if unicodedata.category(char) in unshown else char for char in name)


def stat_plain(entry: "os.DirEntry[str]") -> os.stat_result | None:
    """The facts of a plain file, or of the one that a link leads to; None where it left meanwhile.

    Raises :class:`ModelUnreadable` for everything else.
    """
    try:
        file_stat = entry.stat()
    except FileNotFoundError:
        if entry.is_symlink():
            raise ModelUnreadable(f"{entry.name}: its link leads nowhere") from None
        return None
    except OSError as error:
        raise ModelUnreadable(f"{entry.name}: {error.strerror}") from error
    if not stat.S_ISREG(file_stat.st_mode):
        what = "a folder" if stat.S_ISDIR(file_stat.st_mode) else "a pipe or a device"
        raise ModelUnreadable(f"{entry.name}: it is {what}, no file")
    return file_stat


def open_plain(path: Path) -> BinaryIO:
    """The file at ``path``, for reading.

    Raises :class:`ModelUnreadable` for a folder, pipe or device, OSError for what cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ModelUnreadable(f"{path.name}: it is a folder, a pipe or a device, no file")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_text(path: Path, most: int = LARGEST_TEXT) -> str:
    """A text of at most ``most`` bytes; what is no UTF-8 in it is replaced.

    Raises :class:`ModelUnreadable` for a longer one and for what is no plain file, OSError.
    """
    with open_plain(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ModelUnreadable(f"{path.name}: it is longer than {most:,} bytes")
    return content.decode("utf-8-sig", "replace")


def read_object(path: Path) -> dict[str, object]:
    """The JSON object in a small file; empty where it holds none or cannot be read."""
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError, ModelUnreadable):
        return {}
    return content if isinstance(content, dict) else {}
