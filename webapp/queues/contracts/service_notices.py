"""What the web process says of itself in its queue, for workers that join from elsewhere."""

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
    """The one notice of a store."""

    def publish_notice(self, notice: ServiceNotice) -> None:
        """Say it, in place of what was said before."""

    def read_notice(self) -> ServiceNotice | None:
        """What was said last; None where nobody has lately (as long as answers are kept)."""
        ...
