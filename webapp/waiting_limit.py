"""How many synchronous requests may wait for their answers at once. No Flask."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from webapp.errors import Unavailable

if TYPE_CHECKING:
    from webapp.auth import Caller

OWNERS_SHARE = 8
"""One place in so many is added for the owner alone."""

SHARE = 0.75
"""Of the places, for each caller but the owner."""

COME_BACK = 5  # seconds


class WaitingLimit:
    """Places for requests that wait, each in a thread of the web process; thread-safe."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.most_with_owner = most + max(1, most // OWNERS_SHARE)
        self.most_of_one = max(1, int(most * SHARE))
        self.by_caller: Counter[str] = Counter()
        self.lock = threading.Lock()

    @contextmanager
    def place(self, who: "Caller") -> Iterator[None]:
        """Hold a place. Raises ``Unavailable`` with a time to come back when there is none."""
        with self.lock:
            waiting, own = self.by_caller.total(), self.by_caller[who.name]
            if waiting >= (self.most_with_owner if who.owner else self.most):
                raise Unavailable(
                    f"{waiting} requests wait for their answers already, and "
                    f"{self.most} may (--max-waiting-requests); send this one again later.",
                    COME_BACK,
                )
            if own >= self.most_of_one and not who.owner:
                raise Unavailable(
                    f"{own} requests of yours wait for their answers already; one caller may have "
                    f"{self.most_of_one} (three quarters of --max-waiting-requests).",
                    COME_BACK,
                )
            self.by_caller[who.name] += 1
        try:
            yield
        finally:
            with self.lock:
                self.by_caller[who.name] -= 1
                self.by_caller += Counter()  # forgets whoever has none
