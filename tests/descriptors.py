"""What this process holds open. Other tests' services open and close files at any moment."""

import os
from contextlib import suppress
from pathlib import Path


def open_below(folder: Path) -> list[str]:
    """The files and folders from ``folder`` on that descriptors of this process lead to."""
    paths = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed meanwhile
            paths.append(os.readlink(f"/proc/self/fd/{number}"))
    return sorted(path for path in paths if path.startswith(str(folder)))
