"""What a service says of itself in its queue: whose it is, and that it is ending."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ServiceNotice:
    """Which data directory is served, by which Easel; ``at``: unix seconds of the web's clock.

    ``version`` is "" where a later Easel says it otherwise than is known here.
    """

    data_id: str
    version: str
    at: float


class ServiceNotices(Protocol):
    """The one notice of a store, and the ends of services that use it.

    ``service`` names one, by the process that started it.
    """

    def publish_notice(self, notice: ServiceNotice) -> None:
        """Say it, in place of what was said before."""

    def read_notice(self) -> ServiceNotice | None:
        """What was said last; None where nobody has lately (as long as answers are kept)."""
        ...

    def announce_end(self, service: str) -> None:
        """Say that a service is ending; forgotten in time (as long as answers are kept)."""

    def withdraw_end(self, service: str) -> None:
        """Say that it goes on, or begins."""

    def is_ending(self, service: str) -> bool:
        """Whether it said so last."""
        ...
