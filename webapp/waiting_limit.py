"""How many synchronous requests may wait for their answers at once. No Flask."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from webapp.errors import Unavailable

OWNERS_SHARE = 8
"""One place in so many is added for the owner alone."""

COME_BACK = 5  # seconds


class WaitingLimit:
    """Places for requests that wait, each in a thread of the web process; thread-safe."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.most_with_owner = most + max(1, most // OWNERS_SHARE)
        self.waiting = 0
        self.lock = threading.Lock()

    @contextmanager
    def place(self, *, owner: bool) -> Iterator[None]:
        """Hold a place. Raises ``Unavailable`` with a time to come back when there is none."""
        with self.lock:
            if self.waiting >= (self.most_with_owner if owner else self.most):
                raise Unavailable(
                    f"{self.waiting} requests wait for their answers already, and "
                    f"{self.most} may (--max-waiting-requests); send this one again later.",
                    COME_BACK,
                )
            self.waiting += 1
        try:
            yield
        finally:
            with self.lock:
                self.waiting -= 1
