"""How much each caller may have under way at once. No Flask."""

import threading
from collections import Counter
from typing import Protocol

from filebrowser.errors import TooBusy
from filebrowser.uploads.upload_locks import SharedTurns, UploadLock, no_interrupt


class Places(Protocol):
    """Places of each caller."""

    def enter(self, who: str, /) -> None:
        """Take a turn. Raises :class:`TooBusy`."""
        ...

    def leave(self, who: str, /) -> None:
        """Give it back."""
        ...


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


class SharedCallerLimit:
    """The same for all web processes together; what one held that was killed is free soon."""

    def __init__(self, max_open: int, turns: SharedTurns, kind: str) -> None:
        self.own, self.max_open, self.turns, self.kind = (
            CallerLimit(max_open),
            max_open,
            turns,
            kind,
        )
        self._held: dict[str, list[tuple[str, UploadLock]]] = {}
        self._lock = threading.Lock()

    def enter(self, who: str) -> None:
        """Take a turn. Raises :class:`TooBusy`."""
        self.own.enter(who)
        try:
            self._claim(who)
        except BaseException:
            self.own.leave(who)
            raise

    def leave(self, who: str) -> None:
        """Give it back."""
        with self._lock:
            name, lock = self._held[who].pop()
            if not self._held[who]:
                del self._held[who]
        self.turns.leave(name, lock)
        self.own.leave(who)

    def _claim(self, who: str) -> None:
        lock = UploadLock(who, no_interrupt, sending=False)
        for number in range(self.max_open):
            name = f"{self.kind} {number} {who}"
            if self.turns.claim(name, lock, False) is None:
                with self._lock:
                    self._held.setdefault(who, []).append((name, lock))
                return
        raise TooBusy(f"{self.max_open} of yours are under way; wait for one to end.")
