"""Frames, leases and answers. A frame's body is the business of ``queues/job_codec.py``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from webapp.queues.contracts.charges import JobOutput
from webapp.queues.sharing import ALONE, Sharing
from webapp.queues.worker_id import WorkerId


@dataclass(frozen=True, slots=True)
class Frame:
    """One waiting request. ``id`` is the caller's handle and makes a second answer idempotent."""

    id: str  # uuid4 hex
    kind: str  # which verb of the worker runs it: "generate", later "extras", "train", ...
    body: bytes  # JSON of the verb's request, see frames.py
    owner: str = ""  # who pays; fairness counts by owner
    checkpoint: str = ""  # match rule: prefer a worker that holds it
    priority: int = 0  # greater first
    tags: Mapping[str, str] = field(default_factory=dict)
    index: int = 0  # given by the store, from 1
    put_at: float = 0.0  # unix seconds, given by the store
    deliveries: int = 0  # how often it has been leased, this time included
    work: float = 0.0  # megapixel-steps, 0 for what has none; see cost_model.py
    weight: float = 1.0  # of the owner's plan: greater ones get more GPU seconds
    predicted_seconds: float = 0.0  # GPU seconds, given by the store
    is_leased: bool = False  # a worker has it; one that died of it may have been there before
    sharing: Sharing = ALONE  # its owner's limit of running jobs, and group


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored HTTP answer: what the route, or the sink's reader, gets.

    The sink's readers get from the store where it lies there and whose it is; of who answers
    nothing is asked but the first three. They alone count when two are compared.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    index: int = field(default=0, compare=False)  # in the sink, from 1 in the order of answers
    request_id: str = field(default="", compare=False)  # its frame's id
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)  # its frame's
    output: JobOutput | None = field(default=None, compare=False)  # told to the store, not kept


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a frame until ``expires``; renewed at each step."""

    frame: Frame
    worker: WorkerId
    token: str  # proves that a renewal or answer comes from the current holder
    expires: float  # unix seconds, of the store's clock
