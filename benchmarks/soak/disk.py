"""A small file system that can be filled completely and freed again."""

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1024 * 1024  # bytes written at once, while they fit
FILLER = "filler.bin"


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """Where the data directory lies; ``fills``: a file system of its own, which may be filled."""

    root: Path
    fills: bool

    @property
    def data_dir(self) -> Path:
        """The data directory of the service."""
        return self.root / "data"

    def fill(self) -> None:
        """Leave no byte free."""
        if not self.fills:
            return
        with (self.root / FILLER).open("ab", buffering=0) as filler:
            size = BLOCK
            while size:
                try:
                    if filler.write(b"\0" * size) < size:
                        size //= 2
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self) -> None:
        """Give the space back."""
        (self.root / FILLER).unlink(missing_ok=True)


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """A tmpfs of so many MB, or a folder where this user may mount nothing."""
    root = Path(tempfile.mkdtemp(prefix="easel-soak-"))
    options = f"size={megabytes}m,mode=0700"
    mounted = _run("mount", "-t", "tmpfs", "-o", options, "easel-soak", str(root))
    try:
        yield SmallDisk(root, mounted)
    finally:
        if mounted:
            _run("umount", str(root)) or _run("umount", "-l", str(root))
            with suppress(OSError):
                os.rmdir(root)
        else:
            shutil.rmtree(root, ignore_errors=True)


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
