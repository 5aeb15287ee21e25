"""Opens what lies in model folders: plain files only, and of small ones no more than a bound.

A named pipe or a device that bears a model's name would hold the thread that opens it for ever.
"""

import json
import os
import stat
from pathlib import Path
from typing import BinaryIO

from generator.errors import ModelUnreadable

LARGEST_TEXT = 1 << 20  # bytes of a file beside a model


def open_plain(path: Path) -> BinaryIO:
    """The file at ``path``, for reading.

    Raises :class:`ModelUnreadable` for a folder, pipe or device, OSError for what cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ModelUnreadable(f"{path.name}: it is no plain file")
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
        found = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError, ModelUnreadable):
        return {}
    return found if isinstance(found, dict) else {}
