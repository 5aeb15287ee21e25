"""A memory budget shared by the requests of one process; requests wait in line, with a timeout."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filebrowser.errors import Overloaded

PATIENCE = 5.0  # seconds that a request waits for memory
MOST_WAITING = 32  # requests in line, each of which holds a thread


class MemoryBudget:
    """At most ``most`` bytes are held at once; first come, first served. Safe for threads."""

    def __init__(
        self,
        most: int,
        patience: float = PATIENCE,
        most_waiting: int = MOST_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most, self.patience, self.most_waiting = most, patience, most_waiting
        self.held = 0
        self._clock = clock
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def contended(self) -> bool:
        """Whether somebody waits."""
        return bool(self._line)

    @contextmanager
    def hold(self, size: int, *, patiently: bool = False) -> Iterator[None]:
        """Have ``size`` bytes inside the block. Raises as :meth:`take`."""
        self.take(size, patiently=patiently)
        try:
            yield
        finally:
            self.give_back(size)

    def take(self, size: int, *, patiently: bool = False) -> None:
        """Take ``size`` bytes, waiting for them; ``patiently``: as long as it takes.

        Raises :class:`Overloaded` when the line is too long, or they do not get free in time.
        More than there is at all counts as all there is.
        """
        size, place = min(size, self.most), object()
        with self._changed:
            if len(self._line) >= self.most_waiting and not patiently:
                raise Overloaded("Too many requests wait for memory; try again in a moment.")
            self._line.append(place)
            try:
                self._wait(place, size, None if patiently else self._clock() + self.patience)
                self.held += size
            finally:
                self._line.remove(place)
                self._changed.notify_all()

    def give_back(self, size: int) -> None:
        """Let go of ``size`` bytes that were taken in one piece."""
        with self._changed:
            self.held -= min(size, self.most)
            self._changed.notify_all()

    def _wait(self, place: object, size: int, until: float | None) -> None:
        while self._line[0] is not place or self.held + size > self.most:
            left = None if until is None else until - self._clock()
            if left is not None and left <= 0:
                raise Overloaded(
                    f"{size:,} bytes of memory did not get free in {self.patience:g} seconds; "
                    "try again in a moment."
                )
            self._changed.wait(left)
