"""Requests to interrupt or skip a running job."""

from typing import Protocol

from generator.request import Stop


class StopRequests(Protocol):
    """What callers ask of running jobs."""

    def request_stop(self, job: str, stop: Stop) -> None:
        """Store a stop request for a job; ``Stop.NO`` withdraws it."""
        ...

    def take_stop_request(self, job: str) -> Stop:
        """The stop request for this job; SKIP is cleared by reading it, INTERRUPT stays."""
        ...
