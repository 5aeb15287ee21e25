"""Task ids: running, waiting and ended tasks (contract sections 1.10 and 1.12)."""

import secrets
import string
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.request import Stop
from webapp.access.auth import Caller
from webapp.queues.contracts import Frame, JobProgress

if TYPE_CHECKING:
    from webapp.services import Services

TASK_TAG = "task"
ROUTE_TAG = "route"
ASYNC_TAG = "async"  # of a frame whose caller does not wait for its answer
MAX_REMEMBERED = 16
"""How many ended tasks ``/internal/progress`` knows, as in AUTOMATIC1111."""

LETTERS = string.ascii_uppercase + string.digits


class TaskRegistry:
    """What the web process alone remembers: ended tasks, followed jobs, stop requests."""

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

    def has_ended(self, caller: Caller, task: str) -> bool:
        """True if the caller's task has ended lately; the owner asks about everybody's."""
        with self.lock:
            return any(
                task == known and (caller.is_owner or owner == caller.name)
                for owner, known in self.finished
            )

    def follow(self, who: Caller, task: str, job: str) -> None:
        """Remember which job a caller's task is, for when its asker has left."""
        with self.lock:
            self.followed_jobs[who.name, task] = job
            self.followed_jobs.move_to_end((who.name, task))
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


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A running job; ``progress`` is None until its worker has published some."""

    frame: Frame
    progress: JobProgress | None


def new_task(route: str) -> str:
    """A task id as AUTOMATIC1111 makes them: ``task(txt2img-XXXXXXX)``."""
    return f"task({route}-{''.join(secrets.choice(LETTERS) for _ in range(7))})"


def task_of(frame: Frame) -> str:
    """The task id of a frame."""
    return frame.tags.get(TASK_TAG, frame.id)


def route_of(frame: Frame) -> str:
    """The drawing route that a frame came by."""
    return frame.tags.get(ROUTE_TAG, "txt2img")


def frames_of(services: "Services", caller: Caller) -> Sequence[Frame]:
    """The caller's waiting and running frames in order of arrival; everybody's for the owner."""
    return services.stream.list_frames(None if caller.is_owner else caller.name)


def find_answered_job(services: "Services", caller: Caller, task: str) -> str | None:
    """The job of a task whose answer is kept, also from before this process began.

    It is the caller's own; the owner gets anybody's where there is none of theirs.
    """
    job = services.stream.find_answered(TASK_TAG, task, caller.name)
    if job is None and caller.is_owner:
        return services.stream.find_answered(TASK_TAG, task)
    return job


def running_jobs(services: "Services", caller: Caller) -> list[RunningJob]:
    """The caller's jobs in work, the latest last."""
    leased = [frame for frame in frames_of(services, caller) if frame.deliveries > 0]
    return [RunningJob(frame, services.board.read_progress(frame.id)) for frame in leased]
