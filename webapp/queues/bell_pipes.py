"""The named pipes of other processes, kept open so that a notification is one write to each."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

SETTLED_SECONDS = 2.0
"""Seconds after a change in the folder until its time tells of every later one: clocks of file
systems tick slowly, and two changes in a tick look like one."""


class BellPipes:
    """All pipes of a folder but one's own. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._pipes: dict[str, int] = {}  # descriptors by the names of files
        self._changed = 0  # ns, the folder's time when it was read last; 0: read it again

    def write(self, records: bytes, own: str) -> None:
        """Write records to every pipe but ``own``; remove those whose listeners are dead."""
        with self._lock, suppress(OSError):
            self._follow(own)
            for name, pipe in list(self._pipes.items()):
                try:
                    os.write(pipe, records)
                except BlockingIOError:  # a full pipe: its listener has enough to wake for
                    pass
                except OSError:
                    self._drop(name)
                    (self.folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the pipes."""
        with self._lock:
            self._changed = 0
            for name in list(self._pipes):
                self._drop(name)

    def _follow(self, own: str) -> None:
        """Open pipes that are new in the folder, and close those that have left it."""
        changed = os.stat(self.folder).st_mtime_ns
        if self._changed == changed:
            return
        settled = time.time() - changed / 1e9 >= SETTLED_SECONDS
        names = {name for name in os.listdir(self.folder) if name.endswith(".pipe")} - {own}
        for name in self._pipes.keys() - names:
            self._drop(name)
        for name in names - self._pipes.keys():
            self._open(name)
        self._changed = changed if settled else 0

    def _open(self, name: str) -> None:
        path = self.folder / name
        try:
            self._pipes[name] = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            path.unlink(missing_ok=True)

    def _drop(self, name: str) -> None:
        os.close(self._pipes.pop(name))
