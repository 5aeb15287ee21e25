"""What jobs took of the devices, kept by the store until the ledger has it.

A worker's answer and its charge are one act of the store, so no death of any process loses one of
them alone. Whoever keeps the ledger reads charges, writes them there and removes them here; a
charge that is read twice has the same job and delivery both times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

MAX_CHARGES = 1_000_000  # kept for the ledger; later ones are dropped and counted
GROUP_TAG = "_group"
"""Tag of a frame: the group that its owner was in when it was put."""


class Outcome(StrEnum):
    """How a delivery of a job ended."""

    DONE = "done"
    STOPPED = "stopped"  # by its caller, before its end
    FAILED = "failed"  # answered with an error
    LOST = "lost"  # the worker died, or its lease ran out
    RETURNED = "returned"  # given back by a worker that was told to end

    @property
    def is_billed(self) -> bool:
        """Whether the seconds count for whoever put the job; the others are marked."""
        return self in (Outcome.DONE, Outcome.STOPPED)


@dataclass(frozen=True, slots=True)
class Charge:
    """One delivery of a job: whose it was, what it took and what came of it.

    ``gpu_seconds``: for which it held the device, or its share where several jobs were drawn at
    once; ``drawing_seconds`` of these without loading weights.
    """

    job: str
    delivery: str  # no two deliveries of a job have the same
    user: str
    ended_at: float  # unix seconds
    gpu_seconds: float
    drawing_seconds: float = 0.0
    queue_seconds: float = 0.0  # that it waited until this delivery
    group: str = ""
    kind: str = ""  # of its frame
    model: str = ""  # title of what it was drawn with
    device: str = ""  # "cuda:0@host"
    outcome: Outcome = Outcome.DONE
    status: int = 200  # of its answer, 0 where it has none
    pictures: int = 0
    megapixel_steps: float = 0.0
    stored_bytes: int = 0  # of files that it saved

    @property
    def is_billed(self) -> bool:
        """Whether its seconds count for its user."""
        return self.outcome.is_billed


@dataclass(frozen=True, slots=True)
class BusyTime:
    """How long a worker has worked on one day, as it measured apart from all charges."""

    worker: str  # no two runs of a worker have the same
    day: str  # UTC, "2026-11-30"
    device: str
    seconds: float  # of that day so far: it only grows


@dataclass(frozen=True, slots=True)
class JobOutput:
    """What came of a job, told with its answer. ``done``: how much of its work was done, 0..1.

    ``drawing_seconds`` None: all its time was.
    """

    pictures: int = 0
    stored_bytes: int = 0
    drawing_seconds: float | None = None
    done: float = 1.0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class StoredCharge:
    """A charge, or a worker's time, that the store keeps; ``key`` names it there.

    ``facts`` is None where they cannot be read.
    """

    key: str
    facts: Charge | BusyTime | None


class Charges(Protocol):
    """Charges that the ledger has not got yet."""

    def add_busy_time(self, busy: BusyTime) -> None:
        """Keep what a worker has measured, in place of what it said of that day before."""
        ...

    def read_charges(self, most: int) -> Sequence[StoredCharge]:
        """The oldest charges, and then what workers have measured; they stay."""
        ...

    def remove_charges(self, keys: Sequence[str]) -> None:
        """Forget what the ledger has; a worker's time only where it has not grown since."""
        ...
