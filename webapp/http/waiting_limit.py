"""Limit on synchronous requests waiting at once. No Flask."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from webapp.errors import Unavailable

if TYPE_CHECKING:
    from webapp.access.credentials import Caller

OWNER_DIVISOR = 8
"""One place in so many is added for the owner alone."""

CALLER_SHARE = 0.75
"""Of the places, for each caller but the owner."""

RETRY_AFTER = 5  # seconds


class WaitingLimit:
    """Places for requests that wait, each in a thread of the web process; thread-safe."""

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        self.max_with_owner = max_waiting + max(1, max_waiting // OWNER_DIVISOR)
        self.max_per_caller = max(1, int(max_waiting * CALLER_SHARE))
        self.by_caller: Counter[str] = Counter()
        self.lock = threading.Lock()

    @contextmanager
    def hold(self, who: "Caller") -> Iterator[None]:
        """Hold a place. Raises ``Unavailable`` with a time to come back when there is none."""
        with self.lock:
            waiting, own = self.by_caller.total(), self.by_caller[who.name]
            if waiting >= (self.max_with_owner if who.is_owner else self.max_waiting):
                raise Unavailable(
                    f"{waiting} requests wait for their answers already, and "
                    f"{self.max_waiting} may (--max-waiting-requests); send this one again later.",
                    RETRY_AFTER,
                )
            if own >= self.max_per_caller and not who.is_owner:
                raise Unavailable(
                    f"{own} requests of yours wait for their answers already; one caller may have "
                    f"{self.max_per_caller} (three quarters of --max-waiting-requests).",
                    RETRY_AFTER,
                )
            self.by_caller[who.name] += 1
        try:
            yield
        finally:
            with self.lock:
                self.by_caller[who.name] -= 1
                self.by_caller += Counter()  # forgets whoever has none
