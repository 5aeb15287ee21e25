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
class Applicant(Generic[T]):
    """A request that waits for a thread. ``is_sending_body``: the client is still sending it."""

    request: T
    address: str
    brings_body: bool


@dataclass(slots=True)
class ThreadAdmission(Generic[T]):
    """Counts what runs; holds back, in order of arrival, what is over a limit.

    Not thread-safe: the one loop that accepts connections asks it.
    """

    limits: ThreadLimits
    running: int = 0
    bodies: int = 0
    by_address: "Counter[str]" = field(default_factory=Counter)
    held: "deque[Applicant[T]]" = field(default_factory=deque)

    def apply(self, applicant: Applicant[T]) -> Iterator[Applicant[T]]:
        """Queue an applicant; who may run now, this one or earlier ones."""
        self.held.append(applicant)
        return self.admit()

    def leave(self, applicant: Applicant[T]) -> Iterator[Applicant[T]]:
        """A request has ended; who may run in its place."""
        self.running -= 1
        self.bodies -= applicant.brings_body
        self.by_address[applicant.address] -= 1
        if not self.by_address[applicant.address]:
            del self.by_address[applicant.address]
        return self.admit()

    def admit(self) -> Iterator[Applicant[T]]:
        """Take out of the queue, and count as running, all that fit, the oldest first."""
        waiting: deque[Applicant[T]] = deque()
        admitted = []
        while self.held and self.running < self.limits.all:
            applicant = self.held.popleft()
            if self._fits(applicant):
                self._enter(applicant)
                admitted.append(applicant)
            else:
                waiting.append(applicant)
        self.held.extendleft(reversed(waiting))
        return iter(admitted)

    def _fits(self, applicant: Applicant[T]) -> bool:
        if applicant.brings_body and self.bodies >= self.limits.bodies:
            return False
        return self.by_address[applicant.address] < self.limits.per_address

    def _enter(self, applicant: Applicant[T]) -> None:
        self.running += 1
        self.bodies += applicant.brings_body
        self.by_address[applicant.address] += 1
