"""A size-limited cache of files on disk with least-recently-used eviction."""

import os
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from filebrowser.atomic_file import write_path

PART = ".part"
STAMP_SECONDS = 3600.0  # a file's time says when it was last used, to within an hour


class DiskCache:
    """Bytes by name, on disk, at most ``most_bytes``; safe for threads and after ``kill -9``.

    What cannot be written (a full disk) is not kept; nobody needs it to be.
    """

    def __init__(self, folder: Path, most_bytes: int, spare: int = 0) -> None:
        """``spare`` bytes are left free on the disk: below them nothing is kept."""
        self.folder = folder
        self.spare = spare
        self.most_bytes = most_bytes
        self._sizes: OrderedDict[str, int] | None = None  # the least used first
        self._total = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        """The bytes of this name, None where there are none."""
        path = self._path(name)
        try:
            data = path.read_bytes()
            if time.time() - path.stat().st_mtime > STAMP_SECONDS:
                os.utime(path)
        except OSError:  # none, or what lies there is no file: it is made again
            return None
        with self._lock:
            if self._sizes is not None and name in self._sizes:
                self._sizes.move_to_end(name)
        return data or None

    def put(self, name: str, data: bytes) -> None:
        """Keep ``data``, whole or not at all, and let go of what there is no room for."""
        try:
            if not self._has_room(len(data)):
                return
            write_path(self._path(name), data)
        except OSError:
            return
        for old in self._account(name, len(data)):
            self._path(old).unlink(missing_ok=True)

    def _has_room(self, size: int) -> bool:
        if not self.spare:
            return True
        disk = os.statvfs(self.folder if self.folder.is_dir() else self.folder.parent)
        return disk.f_bavail * disk.f_frsize - size >= self.spare

    def _account(self, name: str, size: int) -> list[str]:
        """Add a file to the books; the names of those that have to go."""
        with self._lock:
            if self._sizes is None:
                self._sizes = self._scan()
                self._total = sum(self._sizes.values())
            self._total += size - self._sizes.pop(name, 0)
            self._sizes[name] = size
            gone = []
            while self._total > self.most_bytes and self._sizes:
                old, freed = self._sizes.popitem(last=False)
                self._total -= freed
                gone.append(old)
            return gone

    def _scan(self) -> OrderedDict[str, int]:
        """What lies there, the least used first; parts of a write that broke off are removed."""
        files = []
        for path in self.folder.rglob("*"):
            with suppress(FileNotFoundError):
                if path.suffix == PART and time.time() - path.stat().st_mtime > STAMP_SECONDS:
                    path.unlink()
                elif path.is_file() and path.suffix != PART:
                    facts = path.stat()
                    files.append((facts.st_mtime, path.name, facts.st_size))
        return OrderedDict((name, size) for _, name, size in sorted(files))

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name
