"""Figures that every store uses: terms of leases, of answers, and of the match rule."""

from dataclasses import dataclass, field

from webapp.queues.scheduler import MatchTerms

LEASE_SECONDS = 10.0
MAX_DELIVERY = 5
ANSWER_SECONDS = 3600.0  # how long an answer waits for its reader
PURGE_SECONDS = 60.0  # between sweeps of what has expired
DONE = 200  # status of a job that was done to its end
ANY_CHECKPOINT = ""  # in place of a checkpoint: the pace of all jobs of a kind
MAX_PACES = 2000  # checkpoints and kinds whose pace is kept


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """How long a lease lasts, how often a frame is delivered (0: without end), the match rule."""

    seconds: float = LEASE_SECONDS
    max_delivery: int = MAX_DELIVERY
    match: MatchTerms = field(default_factory=MatchTerms)
