"""The way into the queue: limits on one caller's jobs, its quotas and its share. No Flask."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from filebrowser.errors import TooBusy
from webapp.queues.contracts.charges import GROUP_TAG
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.queue import OwnerDepth, Queue
from webapp.queues.errors import QueueFull
from webapp.queues.plans import Plan, PlanSource
from webapp.queues.quotas import Quotas, check_amount, check_size

UNCHECKED_BYTES = 64 * 1024  # bytes of a body for which the disk is not asked
MAX_BYTES = 2 << 30  # bytes of one caller's bodies in the queue
LOCKS = 64  # by group or owner: who is counted for long holds up few others
NO_QUOTAS = Quotas(None, lambda user: 0)


class JobLimit:
    """The one way into the queue: each caller's jobs by kind, their bytes, and its plan."""

    def __init__(
        self,
        plans: PlanSource,
        folder: Path,
        spare: int,
        max_bytes: int = MAX_BYTES,
        quotas: Quotas = NO_QUOTAS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``spare`` bytes stay free on the disk of ``folder``."""
        self.plans, self.folder, self.spare, self.max_bytes = plans, folder, spare, max_bytes
        self.quotas, self.clock = quotas, clock
        self.locks = tuple(threading.Lock() for _ in range(LOCKS))

    def put(
        self,
        queue: Queue,
        frame: Frame,
        role: str = "",
        entry_tags: Mapping[str, str] | None = None,
    ) -> None:
        """Queue a frame by the plan of its owner, who has that role.

        ``entry_tags`` as the queue takes them.
        Raises ``TooBusy`` and ``QuotaExceeded`` (429), ``JobTooLarge`` (422), ``QueueFull`` (507),
        and as the queue: then nothing is stored.
        """
        size = len(frame.body)
        if size > UNCHECKED_BYTES:
            self._check_disk(size)
        plan = self.plans.plan_of(frame.owner, role)
        if plan.limits.stored_bytes is not None:
            self.quotas.stored(frame.owner)  # looks through files: known once the lock is held

        def check(depth: OwnerDepth) -> None:
            self._check_depth(depth, frame, plan)
            self.check_plan(queue, frame, plan)

        with self.locks[hash(plan.group or frame.owner) % LOCKS]:  # or all at once would find room
            queue.put(by_plan(frame, plan), entry_tags, check)

    def check_plan(self, queue: Queue, frame: Frame, plan: Plan) -> None:
        """See that the plan lets the frame in now. Raises ``QuotaExceeded``, ``JobTooLarge``."""
        check_size(plan, frame)
        of_group = not COUNTED_LIMITS.isdisjoint(plan.group_limits.told())
        of_owner = not COUNTED_LIMITS.isdisjoint(plan.limits.told())
        if not (of_group or of_owner or plan.limits.stored_bytes is not None):
            return
        counted = of_group or of_owner
        frames = queue.list_frames(None if of_group else frame.owner) if counted else ()
        now = self.clock()
        for amount in self.quotas.amounts(frame.owner, plan, frames, now):
            check_amount(amount, frame, now)

    def _check_depth(self, depth: OwnerDepth, frame: Frame, plan: Plan) -> None:
        if depth.frames >= plan.max_jobs:
            raise TooBusy(
                f"{plan.max_jobs} jobs of yours of the kind {frame.kind!r} wait or run "
                "(--max-queued-jobs, --max-queued-jobs-of); wait for one to end, or stop some."
            )
        if depth.body_bytes and depth.body_bytes + len(frame.body) > self.max_bytes:
            raise TooBusy(
                f"Your jobs in the queue take more than {self.max_bytes >> 20} MiB; wait for "
                "one to end, or stop some."
            )

    def _check_disk(self, size: int) -> None:
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize - size < self.spare:
            raise QueueFull(
                f"The request was not stored: the disk of the queue has no room for {size:,} bytes "
                "beside what is kept free (--upload-spare). Delete something."
            )


COUNTED_LIMITS = frozenset(
    {"waiting_jobs", "gpu_seconds_day", "gpu_seconds_month", "pictures_day", "pictures_month"}
)
"""Limits for which jobs in the queue count."""


def by_plan(frame: Frame, plan: Plan) -> Frame:
    """The frame with what the plan says of its turn, and the group that it counts for."""
    tags = {**frame.tags, GROUP_TAG: plan.group} if plan.group else frame.tags
    priority = plan.priority(frame.priority)
    return replace(frame, weight=plan.weight, priority=priority, sharing=plan.sharing(), tags=tags)
