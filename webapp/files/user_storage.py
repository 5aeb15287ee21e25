"""How many bytes a user's own files take. No Flask."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

KEPT_SECONDS = 30.0  # for which a sum counts


class UserStorage:
    """Sums of the trees of ``folder``, each looked at once in a while."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder, self.clock = folder, clock
        self._lock = threading.Lock()
        self._sums: dict[str, tuple[float, int]] = {}

    def size(self, user: str) -> int:
        """Bytes of all files of a user, 0 for one who has no tree."""
        with self._lock:
            known = self._sums.get(user)
        if known is not None and self.clock() < known[0]:
            return known[1]
        total = sum_files(self.folder / user)
        with self._lock:
            self._sums[user] = (self.clock() + KEPT_SECONDS, total)
        return total


def sum_files(folder: Path) -> int:
    """Bytes of the files below a folder; links, and what is gone meanwhile, count nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                facts = os.lstat(os.path.join(path, name))
            except OSError:
                continue
            total += facts.st_size
    return total
