"""Admission of requests to the web process's threads, within limits. No sockets."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

COMPUTING_SECONDS = 0.25
"""Seconds after which a request that has not ended counts as waiting: for a disk, for a lock."""

_on_waiting: ContextVar[Callable[[], None] | None] = ContextVar("on_waiting", default=None)


@dataclass(frozen=True, slots=True)
class ThreadLimits:
    """Threads for all requests, for those of one address, for bodies that are still coming.

    ``computing``: requests that compute at once. Python runs one thread at a time, and each of
    them delays the loop that accepts connections, and with it every short answer.
    """

    all: int
    per_address: int
    bodies: int
    computing: int


@dataclass(frozen=True, slots=True, eq=False)
class ThreadRequest(Generic[T]):
    """A request that waits for a thread. ``is_sending_body``: the client is still sending it."""

    request: T
    address: str
    is_sending_body: bool


@dataclass(slots=True)
class ThreadAdmission(Generic[T]):
    """Counts what runs; holds back, in order of arrival, what is over a limit.

    Not thread-safe: the one loop that accepts connections asks it.
    """

    limits: ThreadLimits
    clock: Callable[[], float] = time.monotonic
    running: int = 0
    computing: dict[ThreadRequest[T], float] = field(default_factory=dict)  # since when
    bodies: int = 0
    by_address: "Counter[str]" = field(default_factory=Counter)
    queue: "deque[ThreadRequest[T]]" = field(default_factory=deque)

    def enqueue(self, applicant: ThreadRequest[T]) -> Iterator[ThreadRequest[T]]:
        """Queue an applicant; who may run now, this one or earlier ones."""
        self.queue.append(applicant)
        return self.admit()

    def release(self, applicant: ThreadRequest[T]) -> Iterator[ThreadRequest[T]]:
        """A request has ended; who may run in its place."""
        self.computing.pop(applicant, None)
        self.running -= 1
        self.bodies -= applicant.is_sending_body
        self.by_address[applicant.address] -= 1
        if not self.by_address[applicant.address]:
            del self.by_address[applicant.address]
        return self.admit()

    def wait(self, applicant: ThreadRequest[T]) -> Iterator[ThreadRequest[T]]:
        """A request waits and computes little from here on; who may run beside it."""
        self.computing.pop(applicant, None)
        return self.admit()

    def admit(self) -> Iterator[ThreadRequest[T]]:
        """Take out of the queue, and count as running, all that fit, the oldest first.

        Ask again shortly while some are held back: one that waits in silence gives its place after
        ``COMPUTING_SECONDS``.
        """
        since = self.clock() - COMPUTING_SECONDS
        self.computing = {one: began for one, began in self.computing.items() if began > since}
        waiting: deque[ThreadRequest[T]] = deque()
        admitted = []
        while (
            self.queue
            and self.running < self.limits.all
            and len(self.computing) < self.limits.computing
        ):
            applicant = self.queue.popleft()
            if self._fits(applicant):
                self._count(applicant)
                admitted.append(applicant)
            else:
                waiting.append(applicant)
        self.queue.extendleft(reversed(waiting))
        return iter(admitted)

    def _fits(self, applicant: ThreadRequest[T]) -> bool:
        if applicant.is_sending_body and self.bodies >= self.limits.bodies:
            return False
        return self.by_address[applicant.address] < self.limits.per_address

    def _count(self, applicant: ThreadRequest[T]) -> None:
        self.running += 1
        self.computing[applicant] = self.clock()
        self.bodies += applicant.is_sending_body
        self.by_address[applicant.address] += 1


def mark_start(on_waiting: Callable[[], None] | None) -> None:
    """Note for the request that this thread begins with whom to tell that it waits."""
    _on_waiting.set(on_waiting)


def mark_waiting() -> None:
    """Tell the admission that the current request waits: for its client, for its picture."""
    if on_waiting := _on_waiting.get():
        _on_waiting.set(None)
        on_waiting()
