"""Contracts of a queue store. One contract test runs against every store.

A store holds two things. The **Stream**: requests wait in order, are leased to a worker, and
leave only when their answer is stored ("take, work, commit"). The **Board**: small facts with a
short life - progress, stop flags, what each worker has loaded. Storage carries bytes; what is in
them is the business of ``frames.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from generator.request import Progress, Stop
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


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored HTTP answer: what the route, or the sink's reader, gets."""

    status: int
    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a frame until ``expires``; renewed at each step."""

    frame: Frame
    worker: WorkerId
    token: str  # proves that a renewal or answer comes from the current holder
    expires: float  # unix seconds


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Progress of a running job as workers published it last. ``preview`` is PNG bytes or None."""

    progress: Progress
    started_at: float
    updated_at: float
    preview: bytes | None = None
    preview_id: int = 0


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Numbers of waiting and running frames; ``oldest``: seconds that the oldest has waited."""

    waiting: int
    running: int
    oldest: float


@dataclass(frozen=True, slots=True)
class CounterValue:
    """A counter kept by the store: name, labels, and a value that only grows."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker's heartbeat. ``state``: starting | loading | idle | working | draining."""

    id: WorkerId
    state: str
    checkpoint: str  # title of what is in memory, "" for none
    job: str  # id of the running frame, "" for none
    seen_at: float
    memory: Mapping[str, int] = field(default_factory=dict)  # bytes: rss, device_used, ...


UNLOAD, LOAD, PLUGINS = "unload", "load", "plugins"
"""Verbs of errands: drop all weights; have a checkpoint in memory; load the plugins anew."""


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """A command for one worker, carried out between two jobs."""

    id: str
    verb: str
    checkpoint: str = ""  # title of what to load


class Stream(Protocol):
    """Requests in, answers out; durable before ``put`` returns."""

    def put(self, frame: Frame) -> int:
        """Store a frame and return its index. An id already known is not stored twice.

        Raises ``webapp.queues.errors.QueueFull`` when the disk is full, ``QueueLost`` when the
        store's file was removed or replaced (``loss_reason``).
        """
        ...

    def take(self, worker: WorkerId, loaded: Sequence[str], timeout: float) -> Lease | None:
        """Lease the next frame, or None after ``timeout`` seconds.

        Order: priority, then the owner with the fewest GPU seconds, then a frame whose
        checkpoint is in ``loaded``, then age; an age cap overrides all. Frames whose lease ran
        out are taken again, ``max_delivery`` times at most; then they are answered 500. Leases
        run out for one who looks steadily, not for one who has just come or stood still: the
        machine may have stood still with him.
        """
        ...

    def renew(self, lease: Lease) -> bool:
        """Hold the lease for another term; False if it was lost (stop working)."""
        ...

    def answer(self, lease: Lease, answer: Answer, gpu_seconds: float, model: str = "") -> bool:
        """Store the answer and remove the frame, as one act. False if the lease was lost.

        The job is counted (``Board.tallies``) for its owner and ``model``, the title of what it
        was drawn with, or that its frame names.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Give an unfinished frame back, uncounted (clean shutdown)."""
        ...

    def wait(self, frame_id: str, timeout: float) -> Answer | None:
        """The answer once it is there, or None after ``timeout`` seconds. Answers expire."""
        ...

    def find_answered(self, tag: str, value: str, owner: str | None = None) -> str | None:
        """The newest frame with this tag, of one owner or of anybody, whose answer is kept.

        For a caller who knows the tag alone, whichever process put the frame.
        """
        ...

    def cancel(self, frame_id: str) -> bool:
        """Remove a waiting frame (a client that left); False if it is leased or gone."""
        ...

    def read_waiting_frame(self, frame_id: str) -> Frame | None:
        """A frame that waits, its body included; None if it is leased or gone."""
        ...

    def answer_waiting(self, frame_id: str, answer: Answer) -> bool:
        """Answer a waiting frame in a worker's stead, uncounted; False if it is leased or gone."""
        ...

    def list_frames(self, owner: str | None = None) -> Sequence[Frame]:
        """Waiting and leased frames in order of arrival, of one owner or of all.

        Their bodies are left out (empty), so that listing does not read every picture in the queue.
        """
        ...

    def is_queued(self, frame_id: str) -> bool:
        """Whether the frame still waits or is worked on. Cheap: asked for each waiting caller."""
        ...

    def is_running(self, frame_id: str) -> bool:
        """Whether a worker works on the frame. Cheap, too."""
        ...

    def depth(self) -> QueueDepth:
        """How many frames wait and run, of everybody."""
        ...

    def delete_answer(self, frame_id: str) -> None:
        """Drop an answer that its only reader has got, before it expires."""
        ...

    def loss_reason(self) -> str:
        """Why this is no longer the store that a new process would open; "" while it is. Cheap."""
        ...

    def lease_holders(self) -> Sequence[WorkerId]:
        """The workers that hold leases now, dead ones too."""
        ...

    def release_worker(self, worker: WorkerId, how: str = "") -> int:
        """Take back what a dead worker held, this delivery counted; how many frames it was.

        ``how`` is how it ended ("was killed by SIGSEGV"): the final answer of a frame that no
        worker survives tells it. A frame that two workers died of is taken only when no other
        waits.
        """
        ...


class Board(Protocol):
    """Facts about running jobs and workers, visible to all processes at once."""

    def publish_progress(self, job: str, progress: Progress, preview: bytes | None) -> None: ...

    def read_progress(self, job: str) -> JobProgress | None: ...

    def request_stop(self, job: str, stop: Stop) -> None: ...

    def take_stop_request(self, job: str) -> Stop:
        """The wish for this job; SKIP is cleared by reading it, INTERRUPT stays."""
        ...

    def record_heartbeat(self, state: WorkerState) -> None: ...

    def workers(self) -> Sequence[WorkerState]:
        """Workers seen in the last 15 seconds."""
        ...

    def add_to_counter(self, name: str, labels: Mapping[str, str], amount: float = 1.0) -> None:
        """Add to a sum. Labels named user and model may have any value: few are told apart."""
        ...

    def counters(self) -> Sequence[CounterValue]:
        """Every sum."""
        ...

    def publish_plugin_states(self, worker: WorkerId, plugins: Mapping[str, Sequence[str]]) -> None:
        """Say how a worker's plugins stand: name ->
        ``webapp.plugins.plugin_jobs.REPORTED_FIELDS``.
        """

    def plugin_states(self) -> Mapping[WorkerId, Mapping[str, Sequence[str]]]:
        """What each worker that lives has said of its plugins."""

    def send_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """Give a worker an errand; it takes the place of one that it has not done yet."""
        ...

    def pending_command(self, worker: WorkerId) -> WorkerCommand | None:
        """What the worker shall do, until it says that it is done."""
        ...

    def complete_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """The worker has done this errand; a later one stays."""
        ...


class QueueStore(Stream, Board, Protocol):
    """A whole store, as who opens it has it."""

    def close(self) -> None:
        """Stop listening and close the file; its other users go on."""
        ...
