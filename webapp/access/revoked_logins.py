"""Revoked logins: copies of their cookies are refused, also after a restart. No Flask."""

import logging
import os
import threading
import time
from pathlib import Path

LOGIN_SECONDS = 30 * 24 * 3600  # seconds that a login lasts, and that its end has to be remembered

log = logging.getLogger("easel")


class RevokedLogins:
    """Names of revoked logins; thread-safe. A line of the file is a time and a name."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, threading.Lock()
        self.times = {
            name: at for name, at in read_revoked(path) if time.time() - at < LOGIN_SECONDS
        }

    def revoke(self, name: str) -> None:
        """Remember, on the disk too, that this login is over."""
        with self.lock:
            self.times[name] = time.time()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            line = f"{self.times[name]:.0f} {name}\n".encode("ascii")
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "r+b") as file:
                size = os.fstat(handle).st_size
                torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
                file.write(b"\n" * torn + line)  # a line that a crash cut short ends here
                file.flush()
                os.fsync(handle)

    def __contains__(self, name: str) -> bool:
        return name in self.times


def read_revoked(path: Path) -> list[tuple[str, float]]:
    """Names and times of a file; a line that a crash cut short is left out."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        log.error("%s cannot be read, logins that were ended are open again: %s", path, error)
        return []
    pairs = [line.partition(" ") for line in lines]
    return [(name, float(at)) for at, _, name in pairs if at.isdigit() and name]
