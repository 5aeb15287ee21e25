"""Pictures of running jobs, each as soon as it is drawn: files below ``.easel/drawn``.

Written by workers for whoever watches the job; the answer holds the finished ones. Not in the
queue's database, which every process waits for. No Flask, no torch.
"""

import os
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from generator.atomic_file import write_atomically

DRAWN_FOLDER = "drawn"
JOB_NAME = re.compile(r"[0-9a-f]{32}")
PICTURE_NAME = re.compile(r"(\d{1,4})\.png")
KEEP_SECONDS = 3600.0  # as long as an answer waits for its reader
MAX_BYTES = 2 << 30  # of all jobs' pictures; the oldest go
SPARE_BYTES = 512 << 20  # left free on the disk: these pictures can be done without


class DrawnPictures:
    """The drawn pictures of every job of a data directory."""

    def __init__(self, state_folder: Path, spare: int = SPARE_BYTES) -> None:
        self.folder = state_folder / DRAWN_FOLDER
        self.spare = spare

    def write(self, job: str, number: int, data: bytes) -> bool:
        """Keep a picture, in place of one of the same number; False where the disk is too full.

        Raises ``OSError``.
        """
        folder = self.folder / job
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        disk = os.statvfs(folder)
        if disk.f_bavail * disk.f_frsize - len(data) < self.spare:
            return False
        write_atomically(folder / f"{number}.png", data)
        return True

    def numbers(self, job: str) -> Sequence[int]:
        """The numbers of the pictures that are there, in their order."""
        if not JOB_NAME.fullmatch(job):
            return ()
        try:
            names = os.listdir(self.folder / job)
        except OSError:  # none is drawn, or it is over
            return ()
        return sorted(int(found[1]) for name in names if (found := PICTURE_NAME.fullmatch(name)))

    def read(self, job: str, number: int) -> bytes | None:
        """A picture's PNG bytes; None where it is not there, or not any more."""
        if not JOB_NAME.fullmatch(job):
            return None
        try:
            return (self.folder / job / f"{number}.png").read_bytes()
        except OSError:
            return None

    def delete(self, job: str) -> None:
        """Drop the pictures of a job."""
        if JOB_NAME.fullmatch(job):
            shutil.rmtree(self.folder / job, ignore_errors=True)

    def purge(self, keep: float = KEEP_SECONDS, most: int = MAX_BYTES) -> None:
        """Drop those of jobs that drew last more than ``keep`` seconds ago, or are too much."""
        total = 0
        for drawn_at, size, folder in sorted(self._folders(), reverse=True):
            total += size
            if time.time() - drawn_at > keep or total > most:
                shutil.rmtree(folder, ignore_errors=True)

    def _folders(self) -> list[tuple[float, int, Path]]:
        """When each job drew its last picture, its bytes, its folder."""
        found = []
        with suppress(OSError):
            for folder in self.folder.iterdir():
                with suppress(OSError):  # deleted meanwhile
                    size = sum(each.stat().st_size for each in folder.iterdir())
                    found.append((folder.stat().st_mtime, size, folder))
        return found
