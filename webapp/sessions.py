"""Logins that were ended: a copy of their cookie opens nothing, also after a restart. No Flask."""

import os
import threading
import time
from pathlib import Path

LASTS = 30 * 24 * 3600  # seconds that a login lasts, and that its end has to be remembered


class Ended:
    """The names of ended logins; thread-safe. Its file has one a line, after its time of end."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, threading.Lock()
        self.times = {name: at for name, at in kept(path) if time.time() - at < LASTS}

    def end(self, name: str) -> None:
        """Remember, on the disk too, that this login is over."""
        with self.lock:
            self.times[name] = time.time()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(f"{self.times[name]:.0f} {name}\n")
                file.flush()
                os.fsync(file.fileno())

    def __contains__(self, name: str) -> bool:
        return name in self.times


def kept(path: Path) -> list[tuple[str, float]]:
    """Names and times of a file; a line that a crash cut short is left out."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    pairs = [line.partition(" ") for line in lines]
    return [(name, float(at)) for at, _, name in pairs if at.isdigit() and name]
