"""How much each caller may have under way at once. No Flask."""

import threading
from collections import Counter

from filebrowser.errors import TooBusy


class CallerLimit:
    """Limits what each caller has under way at once; each holds a thread and reads the disk."""

    def __init__(self, max_open: int) -> None:
        self.max_open = max_open
        self.open: Counter[str] = Counter()
        self.lock = threading.Lock()

    def enter(self, who: str) -> None:
        """Take a turn. Raises :class:`TooBusy`."""
        with self.lock:
            if self.open[who] >= self.max_open:
                raise TooBusy(f"{self.max_open} of yours are under way; wait for one to end.")
            self.open[who] += 1

    def leave(self, who: str) -> None:
        """Give it back."""
        with self.lock:
            self.open[who] -= 1
            if not self.open[who]:
                del self.open[who]
