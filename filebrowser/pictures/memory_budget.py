"""A memory budget shared by the requests of one process; requests wait in line, with a timeout."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filebrowser.errors import Overloaded

WAIT_TIMEOUT = 5.0  # seconds that a request waits for memory
MAX_WAITING = 32  # requests in line, each of which holds a thread


class MemoryBudget:
    """At most ``limit`` bytes are held at once; first come, first served. Safe for threads."""

    def __init__(
        self,
        limit: int,
        timeout: float = WAIT_TIMEOUT,
        max_waiting: int = MAX_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit, self.timeout, self.max_waiting = limit, timeout, max_waiting
        self.used_bytes = 0
        self._clock = clock
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def is_contended(self) -> bool:
        """Whether somebody waits."""
        return bool(self._queue)

    @contextmanager
    def hold(self, size: int, *, patiently: bool = False) -> Iterator[None]:
        """Have ``size`` bytes inside the block. Raises as :meth:`take`."""
        self.acquire(size, patiently=patiently)
        try:
            yield
        finally:
            self.release(size)

    def acquire(self, size: int, *, patiently: bool = False) -> None:
        """Take ``size`` bytes, waiting for them; ``patiently``: as long as it takes.

        Raises :class:`Overloaded` when the line is too long, or they do not get free in time.
        More than there is at all counts as all there is.
        """
        size, ticket = min(size, self.limit), object()
        with self._changed:
            if len(self._queue) >= self.max_waiting and not patiently:
                raise Overloaded("Too many requests wait for memory; try again in a moment.")
            self._queue.append(ticket)
            try:
                self._wait(ticket, size, None if patiently else self._clock() + self.timeout)
                self.used_bytes += size
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def release(self, size: int) -> None:
        """Let go of ``size`` bytes that were taken in one piece."""
        with self._changed:
            self.used_bytes -= min(size, self.limit)
            self._changed.notify_all()

    def _wait(self, ticket: object, size: int, until: float | None) -> None:
        while self._queue[0] is not ticket or self.used_bytes + size > self.limit:
            left = None if until is None else until - self._clock()
            if left is not None and left <= 0:
                raise Overloaded(
                    f"{size:,} bytes of memory did not get free in {self.timeout:g} seconds; "
                    "try again in a moment."
                )
            self._changed.wait(left)
