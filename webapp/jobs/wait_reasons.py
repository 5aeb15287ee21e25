"""Why a job waits, by what the match rule makes of the queue. No Flask."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from webapp.jobs.queue_overview import QueueView
from webapp.queues.contracts.frame import Frame
from webapp.queues.sharing import RunningJobs, count_running


class WaitKind(StrEnum):
    """What keeps a job waiting."""

    NO_WORKER = "no_worker"  # none lives that takes jobs
    WORKER_STARTS = "worker_starts"  # those that live are not ready yet
    OWN_LIMIT = "own_limit"  # its owner has as many running as it may
    GROUP_LIMIT = "group_limit"  # the group of its owner has
    JOBS_FIRST = "jobs_first"  # others, or earlier ones of its owner, go first
    WORKERS_BUSY = "workers_busy"  # it is the next


@dataclass(frozen=True, slots=True)
class WaitReason:
    """Why a job waits. ``others`` and ``own``: jobs that go first, of others and of its owner."""

    kind: WaitKind
    others: int = 0
    own: int = 0
    limit: int | None = None  # jobs at once
    group: str | None = None

    def text(self) -> str:
        """The same as a sentence."""
        if self.kind is WaitKind.NO_WORKER:
            return "No worker takes jobs now."
        if self.kind is WaitKind.WORKER_STARTS:
            return "A worker starts, or loads its first checkpoint."
        if self.kind is WaitKind.OWN_LIMIT:
            return f"Your limit of {self.limit} jobs at once."
        if self.kind is WaitKind.GROUP_LIMIT:
            return f"The limit of the group {self.group!r} of {self.limit} jobs at once."
        if self.kind is WaitKind.WORKERS_BUSY:
            return "The next one: it begins when a worker is free."
        return f"{self.others} jobs of others and {self.own} of yours go first."


def find_reasons(view: QueueView) -> Mapping[str, WaitReason]:
    """The reason of each waiting job, by its id."""
    running = count_running((frame.owner, frame.sharing) for frame in view.running.values())
    of_owner = Counter[str]()
    reasons: dict[str, WaitReason] = {}
    in_order = sorted(view.waiting.values(), key=lambda each: view.forecast(each).position)
    for before, frame in enumerate(in_order):
        own = of_owner[frame.owner]
        reasons[frame.id] = _reason_of(frame, view, running, before - own, own)
        of_owner[frame.owner] += 1
    return reasons


def _reason_of(
    frame: Frame, view: QueueView, running: RunningJobs, others: int, own: int
) -> WaitReason:
    sharing = frame.sharing
    if not view.outlook.workers:
        return WaitReason(WaitKind.NO_WORKER, others, own)
    if view.cold_start:
        return WaitReason(WaitKind.WORKER_STARTS, others, own)
    if running.fill_owner(frame.owner, sharing):
        return WaitReason(WaitKind.OWN_LIMIT, others, own, sharing.most_running)
    if running.fill_group(sharing):
        most = sharing.most_running_of_group
        return WaitReason(WaitKind.GROUP_LIMIT, others, own, most, sharing.group)
    kind = WaitKind.JOBS_FIRST if others or own else WaitKind.WORKERS_BUSY
    return WaitReason(kind, others, own)
