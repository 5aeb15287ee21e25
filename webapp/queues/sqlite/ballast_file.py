"""A ballast file: preallocated space that is released when the disk is full.

On a full disk a job is answered with HTTP 507, and that answer must be stored too, or its caller
waits for ever. A few MiB are allocated beforehand and freed when an answer does not fit.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

BALLAST_BYTES = 8 * 2**20
MIN_FREE_FACTOR = (
    4  # it is made where the disk has so many times its size free, so that it fills no disk
)


class BallastFile:
    """The file of one folder; any process may make it or give it up."""

    def __init__(self, path: Path, log: logging.Logger, size: int = BALLAST_BYTES) -> None:
        self.path = path
        self.log = log
        self.size = size

    @property
    def is_allocated(self) -> bool:
        """True while the room is kept."""
        try:
            return self.path.stat().st_size >= self.size
        except OSError:
            return False

    def allocate(self) -> bool:
        """Keep the room if it is not kept and the disk has plenty; whether it is kept."""
        if self.is_allocated:
            return True
        try:
            disk = os.statvfs(self.path.parent)
            if disk.f_bavail * disk.f_frsize < MIN_FREE_FACTOR * self.size:
                return False
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, self.size)
            finally:
                os.close(handle)
        except OSError:  # no room, or a file system that allocates nothing ahead: none is kept
            with suppress(OSError):
                self.path.unlink()
            return False
        return True

    def release(self) -> bool:
        """Free the room; False where there was none."""
        try:
            self.path.unlink()
        except OSError:
            return False
        self.log.warning(
            "The disk that holds %s is full; %d MiB kept for this moment were freed so that "
            "answers can be stored, and things deleted. Free some space.",
            self.path.parent,
            self.size // 2**20,
        )
        return True
