"""Limit on watchers: event streams and sockets that stay open, each in a thread. No Flask."""

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from webapp.errors import Unavailable

if TYPE_CHECKING:
    from webapp.access.credentials import Caller

CALLER_DIVISOR = 2
"""One place in so many is open to each caller but the owner, who may take all."""

RETRY_AFTER = 10  # seconds


class WatcherLimit:
    """Places for watchers of every kind together; thread-safe."""

    def __init__(self, max_watchers: int) -> None:
        self.max_watchers = max_watchers
        self.max_per_caller = max(1, max_watchers // CALLER_DIVISOR)
        self.by_caller: Counter[str] = Counter()
        self.lock = threading.Lock()

    def enter(self, who: "Caller") -> Callable[[], None]:
        """Take a place; returns what gives it back, once however often it is called.

        Raises ``Unavailable`` with a time to come back.
        """
        most = self.max_watchers if who.is_owner else self.max_per_caller
        with self.lock:
            if self.by_caller.total() >= self.max_watchers:
                raise Unavailable(
                    f"{self.max_watchers} watchers listen already (--max-watchers); come again "
                    "later, or ask instead of listening.",
                    RETRY_AFTER,
                )
            if self.by_caller[who.name] >= most:
                raise Unavailable(
                    f"{most} watchers of yours listen already; one caller may have as many (half "
                    "of --max-watchers). Close some, or ask instead of listening.",
                    RETRY_AFTER,
                )
            self.by_caller[who.name] += 1
        return _Once(partial(self._leave, who.name))

    def _leave(self, name: str) -> None:
        with self.lock:
            self.by_caller[name] -= 1
            self.by_caller += Counter()  # forgets whoever has none


class _Once:
    """Calls ``act`` at the first call alone: a stream may be closed by its server and its end."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._lock = threading.Lock()
        self._called = False

    def __call__(self) -> None:
        with self._lock:
            called, self._called = self._called, True
        if not called:
            self._act()
