"""Task ids: running, waiting and ended tasks (contract sections 1.10 and 1.12)."""

import secrets
import string
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.request import Stop
from webapp.auth import Caller
from webapp.queues.contracts import Frame, Sighting

if TYPE_CHECKING:
    from webapp.services import Services

TASK_TAG = "task"
ROUTE_TAG = "route"
ASYNC_TAG = "async"  # of a frame whose caller does not wait for its answer
REMEMBERED = 16
"""How many ended tasks ``/internal/progress`` knows, as in AUTOMATIC1111."""

LETTERS = string.ascii_uppercase + string.digits


class Tasks:
    """What the web process alone remembers: ended tasks, followed jobs, stop requests."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.finished: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.stops: OrderedDict[str, Stop] = OrderedDict()
        self.followed: OrderedDict[tuple[str, str], str] = OrderedDict()

    def finish(self, owner: str, task: str) -> None:
        """Remember that a task has ended."""
        with self.lock:
            self.finished[owner, task] = None
            while len(self.finished) > REMEMBERED:
                self.finished.popitem(last=False)

    def ended(self, caller: Caller, task: str) -> bool:
        """True if the caller's task has ended lately; the owner asks about everybody's."""
        with self.lock:
            return any(
                task == known and (caller.owner or owner == caller.name)
                for owner, known in self.finished
            )

    def follow(self, who: Caller, task: str, job: str) -> None:
        """Remember which job a caller's task is, for when its asker has left."""
        with self.lock:
            self.followed[who.name, task] = job
            self.followed.move_to_end((who.name, task))
            while len(self.followed) > REMEMBERED:
                self.followed.popitem(last=False)

    def is_followed(self, job: str) -> bool:
        """Whether somebody has asked the progress of a job."""
        with self.lock:
            return job in self.followed.values()

    def stop(self, job: str, stop: Stop) -> None:
        """Remember what was asked of a job, for ``GET progress`` to tell."""
        with self.lock:
            self.stops[job] = stop
            while len(self.stops) > REMEMBERED:
                self.stops.popitem(last=False)

    def asked(self, job: str) -> Stop:
        """What was last asked of a job."""
        with self.lock:
            return self.stops.get(job, Stop.NO)


@dataclass(frozen=True, slots=True)
class Running:
    """A running job; ``progress`` is None until its worker has published some."""

    frame: Frame
    sighting: Sighting | None


def new_task(route: str) -> str:
    """A task id as AUTOMATIC1111 makes them: ``task(txt2img-XXXXXXX)``."""
    return f"task({route}-{''.join(secrets.choice(LETTERS) for _ in range(7))})"


def task_of(frame: Frame) -> str:
    """The task id of a frame."""
    return frame.tags.get(TASK_TAG, frame.id)


def route_of(frame: Frame) -> str:
    """The drawing route that a frame came by."""
    return frame.tags.get(ROUTE_TAG, "txt2img")


def frames(services: "Services", caller: Caller) -> Sequence[Frame]:
    """The caller's waiting and running frames in order of arrival; everybody's for the owner."""
    return services.stream.waiting(None if caller.owner else caller.name)


def answered(services: "Services", caller: Caller, task: str) -> str | None:
    """The job of a task whose answer is kept, also from before this process began.

    It is the caller's own; the owner gets anybody's where there is none of theirs.
    """
    own = services.stream.answered(TASK_TAG, task, caller.name)
    if own is None and caller.owner:
        return services.stream.answered(TASK_TAG, task)
    return own


def running(services: "Services", caller: Caller) -> list[Running]:
    """The caller's jobs in work, the latest last."""
    leased = [frame for frame in frames(services, caller) if frame.deliveries > 0]
    return [Running(frame, services.board.sighting(frame.id)) for frame in leased]
