"""Admission of requests to the web process's threads, within limits. No sockets."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ThreadLimits:
    """Threads for all requests, for those of one address, for bodies that are still coming."""

    all: int
    per_address: int
    bodies: int


@dataclass(frozen=True, slots=True)
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
    running: int = 0
    bodies: int = 0
    by_address: "Counter[str]" = field(default_factory=Counter)
    queue: "deque[ThreadRequest[T]]" = field(default_factory=deque)

    def enqueue(self, applicant: ThreadRequest[T]) -> Iterator[ThreadRequest[T]]:
        """Queue an applicant; who may run now, this one or earlier ones."""
        self.queue.append(applicant)
        return self.admit()

    def release(self, applicant: ThreadRequest[T]) -> Iterator[ThreadRequest[T]]:
        """A request has ended; who may run in its place."""
        self.running -= 1
        self.bodies -= applicant.is_sending_body
        self.by_address[applicant.address] -= 1
        if not self.by_address[applicant.address]:
            del self.by_address[applicant.address]
        return self.admit()

    def admit(self) -> Iterator[ThreadRequest[T]]:
        """Take out of the queue, and count as running, all that fit, the oldest first."""
        waiting: deque[ThreadRequest[T]] = deque()
        admitted = []
        while self.queue and self.running < self.limits.all:
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
        self.bodies += applicant.is_sending_body
        self.by_address[applicant.address] += 1
