"""What each worker does, as it says every two seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from webapp.queues.worker_id import WorkerId

WORKER_TTL_SECONDS = 15.0  # seconds after its last heartbeat for which a worker is shown


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker's heartbeat. ``state``: starting | loading | idle | working | draining.

    ``seen_at``: unix seconds of the clock of who writes or reads it.
    """

    id: WorkerId
    state: str
    checkpoint: str  # title of what is in memory, "" for none
    job: str  # id of the running frame, "" for none
    seen_at: float
    memory: Mapping[str, int] = field(default_factory=dict)  # bytes: rss, device_used, ...
    also_loaded: tuple[str, ...] = ()  # titles of further checkpoints in memory
    version: str = ""  # of its Easel
    models_folder: str = ""  # where its models lie, on its host
    joined: bool = False  # started by itself, not by the service's supervisor


class Heartbeats(Protocol):
    """The workers that live."""

    def record_heartbeat(self, state: WorkerState) -> None:
        """Say that a worker lives and what it does."""
        ...

    def workers(self) -> Sequence[WorkerState]:
        """Workers seen in the last 15 seconds."""
        ...
