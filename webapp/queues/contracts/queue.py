"""The queue: requests wait in order and are leased to a worker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from webapp.queues.contracts.frame import Frame, Lease
from webapp.queues.scheduler import Account, AccountKey
from webapp.queues.worker_id import WorkerId


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Numbers of waiting and running frames; ``oldest``: seconds that the oldest has waited."""

    waiting: int
    running: int
    oldest: float


@dataclass(frozen=True, slots=True)
class OwnerDepth:
    """One owner's waiting and running frames: how many of a kind, bytes of the bodies of all."""

    frames: int
    body_bytes: int


OwnerCheck = Callable[[OwnerDepth], None]
"""Raises where an owner who has so much in the queue may put no more."""


class Queue(Protocol):
    """Requests in, leases out; durable before ``put`` returns."""

    def put(
        self,
        frame: Frame,
        entry_tags: Mapping[str, str] | None = None,
        check: OwnerCheck | None = None,
    ) -> int:
        """Store a frame and return its index. An id already known is not stored twice.

        ``check`` is called before, with what the owner has in the queue; what it raises is raised.

        With ``entry_tags`` the frame stands for the entry of the input whose request id it has: no
        other is made of that, and its result has these tags where the entry has none of a name.

        Raises ``webapp.queues.errors.QueueFull`` when the disk, or the server's memory, is full,
        ``QueueLost`` when the store's file was removed or replaced (``loss_reason``).
        """
        ...

    def take(
        self,
        worker: WorkerId,
        loaded: Sequence[str],
        timeout: float,
        running: str | None = None,
    ) -> Lease | None:
        """Lease the next frame, or None after ``timeout`` seconds.

        Order (``scheduler.py``): priority, then deficit round robin over owners in predicted GPU
        seconds by weight, then a frame whose checkpoint is in ``loaded``; an age cap lifts a frame
        over the first and the last. Frames whose lease ran out are taken again, ``max_delivery``
        times at most (0: without end); then they are answered 500. Leases run out for one who looks
        steadily, not for one who has just come or stood still: the machine may have stood still
        with him.

        ``running`` is the tag of the jobs that the worker runs (``joint_jobs.py``), None where it
        rests. Where the next frame may not join them, None is the answer at once.
        """
        ...

    def next_checkpoint(self, loaded: Sequence[str]) -> str:
        """The checkpoint of the frame that :meth:`take` would lease now; "" where nothing waits or
        it names none. Cheap, and changes nothing.
        """
        ...

    def may_take(self) -> bool:
        """Whether a frame waits that limits of running jobs do not hold back. Changes nothing."""
        ...

    def renew(self, lease: Lease, gpu_seconds: float | None = None) -> bool:
        """Hold the lease for another term; False if it was lost (stop working).

        ``gpu_seconds``: what the job has taken of the device so far, which is charged if nothing
        more is heard of it; None: all the time since it was leased.
        """
        ...

    def release(self, lease: Lease, gpu_seconds: float | None = None) -> None:
        """Give an unfinished frame back, uncounted (clean shutdown); its time is marked.

        ``gpu_seconds`` as for :meth:`renew`.
        """
        ...

    def cancel(self, frame_id: str) -> bool:
        """Remove a waiting frame (a client that left); False if it is leased or gone."""
        ...

    def read_waiting_frame(self, frame_id: str) -> Frame | None:
        """A frame that waits, its body included; None if it is leased or gone."""
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

    def owner_depth(self, owner: str, kind: str) -> OwnerDepth:
        """What one owner has in the queue. Cheap: checked before each ``put``."""
        ...

    def predict_seconds(self, kind: str, checkpoint: str, work: float) -> float:
        """GPU seconds that a frame of this kind, checkpoint and work (megapixel-steps) will take.

        Learned from jobs that were done to their end (``cost_model.py``); ``put`` stores it with
        the frame. Cheap, and changes nothing.
        """
        ...

    def accounts(self) -> Mapping[AccountKey, Account]:
        """What each owner may still take, by priority: what forecasts begin with. Cheap."""
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
