"""What web processes alone remember of tasks: ended, followed and stopped ones. No Flask."""

import threading
from collections import OrderedDict
from typing import Protocol

from generator.request import Stop

MAX_REMEMBERED = 16
"""How many ended tasks ``/internal/progress`` knows, as in AUTOMATIC1111."""


class Tasks(Protocol):
    """Ended tasks, followed jobs, stop requests; nothing here raises."""

    def record_finished(self, owner: str, task: str) -> None:
        """Remember that a task has ended."""
        ...

    def has_ended(self, owner: str | None, task: str) -> bool:
        """True if this owner's task, or anybody's for None, has ended lately."""
        ...

    def follow(self, owner: str, task: str, job: str) -> None:
        """Remember which job an owner's task is, for when its asker has left."""
        ...

    def is_followed(self, job: str) -> bool:
        """Whether somebody has asked the progress of a job."""
        ...

    def record_stop(self, job: str, stop: Stop) -> None:
        """Remember what was asked of a job, for ``GET progress`` to tell."""
        ...

    def stop_requested(self, job: str) -> Stop:
        """What was last asked of a job."""
        ...


class TaskRegistry:
    """:class:`Tasks` of the one web process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.finished: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.stop_requests: OrderedDict[str, Stop] = OrderedDict()
        self.followed_jobs: OrderedDict[tuple[str, str], str] = OrderedDict()

    def record_finished(self, owner: str, task: str) -> None:
        """Remember that a task has ended."""
        with self.lock:
            self.finished[owner, task] = None
            while len(self.finished) > MAX_REMEMBERED:
                self.finished.popitem(last=False)

    def has_ended(self, owner: str | None, task: str) -> bool:
        """True if this owner's task, or anybody's for None, has ended lately."""
        with self.lock:
            return any(
                task == known and owner in (None, known_owner)
                for known_owner, known in self.finished
            )

    def follow(self, owner: str, task: str, job: str) -> None:
        """Remember which job an owner's task is, for when its asker has left."""
        with self.lock:
            self.followed_jobs[owner, task] = job
            self.followed_jobs.move_to_end((owner, task))
            while len(self.followed_jobs) > MAX_REMEMBERED:
                self.followed_jobs.popitem(last=False)

    def is_followed(self, job: str) -> bool:
        """Whether somebody has asked the progress of a job."""
        with self.lock:
            return job in self.followed_jobs.values()

    def record_stop(self, job: str, stop: Stop) -> None:
        """Remember what was asked of a job, for ``GET progress`` to tell."""
        with self.lock:
            self.stop_requests[job] = stop
            while len(self.stop_requests) > MAX_REMEMBERED:
                self.stop_requests.popitem(last=False)

    def stop_requested(self, job: str) -> Stop:
        """What was last asked of a job."""
        with self.lock:
            return self.stop_requests.get(job, Stop.NO)
