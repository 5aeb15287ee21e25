"""Task ids: running, waiting and ended tasks (contract sections 1.10 and 1.12)."""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from webapp.access.credentials import Caller
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.progress import JobProgress

if TYPE_CHECKING:
    from webapp.services import Services

TASK_TAG = "task"
ROUTE_TAG = "route"
ASYNC_TAG = "async"  # of a frame whose caller does not wait for its answer

LETTERS = string.ascii_uppercase + string.digits


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
    return services.queue.list_frames(None if caller.is_owner else caller.name)


def find_answered_job(services: "Services", caller: Caller, task: str) -> str | None:
    """The job of a task whose answer is kept, also from before this process began.

    It is the caller's own; the owner gets anybody's where there is none of theirs.
    """
    job = services.sink.find_answered(TASK_TAG, task, caller.name)
    if job is None and caller.is_owner:
        return services.sink.find_answered(TASK_TAG, task)
    return job


def running_jobs(services: "Services", caller: Caller) -> list[RunningJob]:
    """The caller's jobs in work, the latest last."""
    leased = [frame for frame in frames_of(services, caller) if frame.is_leased]
    return [RunningJob(frame, services.progress.read_progress(frame.id)) for frame in leased]
