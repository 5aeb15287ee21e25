"""The way into the queue: limits on one caller's jobs, and the caller's share. No Flask."""

import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from filebrowser.errors import TooBusy
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.queue import OwnerDepth, Queue
from webapp.queues.errors import QueueFull
from webapp.queues.plans import Plans

UNCHECKED_BYTES = 64 * 1024  # bytes of a body for which the disk is not asked
MAX_BYTES = 2 << 30  # bytes of one caller's bodies in the queue


class JobLimit:
    """The one way into the queue: counts each caller's jobs by kind, and their bytes."""

    def __init__(self, plans: Plans, folder: Path, spare: int, max_bytes: int = MAX_BYTES) -> None:
        """``spare`` bytes stay free on the disk of ``folder``."""
        self.plans, self.folder, self.spare, self.max_bytes = plans, folder, spare, max_bytes
        self.lock = threading.Lock()

    def put(
        self,
        queue: Queue,
        frame: Frame,
        role: str = "",
        entry_tags: Mapping[str, str] | None = None,
    ) -> None:
        """Queue a frame with the share of its owner, who has that role.

        ``entry_tags`` as the queue takes them.
        Raises ``TooBusy`` (429), ``QueueFull`` (507), and as the queue.
        """
        size = len(frame.body)
        if size > UNCHECKED_BYTES:
            self._check_disk(size)
        most = self.plans.most_jobs_of(frame.owner, role)
        frame = replace(frame, weight=self.plans.share_of(frame.owner, role))

        def check(depth: OwnerDepth) -> None:
            if depth.frames >= most:
                raise TooBusy(
                    f"{most} jobs of yours of the kind {frame.kind!r} wait or run "
                    "(--max-queued-jobs, --max-queued-jobs-of); wait for one to end, or stop some."
                )
            if depth.body_bytes and depth.body_bytes + size > self.max_bytes:
                raise TooBusy(
                    f"Your jobs in the queue take more than {self.max_bytes >> 20} MiB; wait for "
                    "one to end, or stop some."
                )

        with self.lock:  # or many at once would all find room
            queue.put(frame, entry_tags, check)

    def _check_disk(self, size: int) -> None:
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize - size < self.spare:
            raise QueueFull(
                f"The request was not stored: the disk of the queue has no room for {size:,} bytes "
                "beside what is kept free (--upload-spare). Delete something."
            )
