"""The queue as all who ask for places and times see it: looked at seldom, for all of them together.

No Flask.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from webapp.jobs.cold_start import LEAVING, cold_start_phase
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.heartbeats import Heartbeats, WorkerState
from webapp.queues.contracts.progress import JobProgress, ProgressBoard
from webapp.queues.contracts.queue import Queue
from webapp.queues.match_forecast import (
    Outlook,
    RunningOutlook,
    WorkerOutlook,
    forecast_takes,
    held_after,
)

MIN_AGE = 0.2  # seconds for which a look counts
AGE_FACTOR = 10.0  # ... and so many times what it took: a long queue is looked at less often

NewFrame = tuple[str, int, str, int]
"""Owner, priority, checkpoint and order of magnitude of a frame that is not queued yet."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a job begins and how long it takes; seconds from now.

    ``position``: its place among waiting jobs, from 1. ``wait`` is None while no worker lives.
    """

    position: int
    wait: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class QueueView:
    """One look: waiting and running frames by id, and how the waiting ones will be taken."""

    waiting: Mapping[str, Frame] = field(default_factory=dict)
    running: Mapping[str, Frame] = field(default_factory=dict)
    outlook: Outlook = field(default_factory=lambda: Outlook({}, (), 0.0))
    forecasts: Mapping[str, Forecast] = field(default_factory=dict)
    cold_start: str = ""  # phase of jobs that wait while no worker is ready
    new: dict[NewFrame, Forecast] = field(default_factory=dict)  # that were asked for

    @classmethod
    def of_frames(
        cls,
        waiting: Sequence[Frame],
        running: Sequence[Frame],
        outlook: Outlook,
        cold_start: str = "",
    ) -> "QueueView":
        """The view of these frames; all that grows with the queue is computed here, once."""
        takes = forecast_takes(waiting, with_a_worker(outlook))
        return cls(
            {frame.id: frame for frame in waiting},
            {frame.id: frame for frame in running},
            outlook,
            {
                frame.id: forecast_of(outlook, number, wait, frame)
                for number, (frame, wait) in enumerate(takes, 1)
            },
            cold_start,
        )

    def forecast(self, frame: Frame) -> Forecast:
        """Of a frame that waits, or would; its seconds are predicted."""
        if known := self.forecasts.get(frame.id):
            return known
        size = round(math.log2(max(frame.predicted_seconds, 0.001)))
        key = (frame.owner, frame.priority, frame.checkpoint, size)
        if key not in self.new:
            self.new[key] = self._forecast_new(frame)
        return replace(self.new[key], seconds=frame.predicted_seconds)

    def _forecast_new(self, frame: Frame) -> Forecast:
        last = max((each.index for each in self.waiting.values()), default=0)
        new = replace(frame, index=last + 1, put_at=self.outlook.now)
        takes = forecast_takes([*self.waiting.values(), new], with_a_worker(self.outlook))
        for number, (taken, wait) in enumerate(takes, 1):
            if taken is new:
                return forecast_of(self.outlook, number, wait, frame)
        raise AssertionError("a forecast takes every frame")


def with_a_worker(outlook: Outlook) -> Outlook:
    """An outlook with one worker at least: places are told also while none lives."""
    return outlook if outlook.workers else replace(outlook, workers=(WorkerOutlook(),))


def forecast_of(outlook: Outlook, position: int, wait: float, frame: Frame) -> Forecast:
    """A frame's forecast; no time is told where no worker lives."""
    return Forecast(position, wait if outlook.workers else None, frame.predicted_seconds)


class QueueOverview:
    """Looks at the queue, at most once in a while."""

    def __init__(
        self,
        queue: Queue,
        progress: ProgressBoard,
        heartbeats: Heartbeats,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue, self.progress = queue, progress
        self.heartbeats, self.clock = heartbeats, clock
        self._lock = threading.Lock()
        self._view: QueueView | None = None
        self._good_until = float("-inf")  # of time.monotonic()

    def view(self) -> QueueView:
        """The last look, or a new one where that is too old. Raises as the store.

        While one looks, others get what was seen before.
        """
        known = self._view
        if known is not None and time.monotonic() < self._good_until:
            return known
        if not self._lock.acquire(blocking=known is None):
            return known or QueueView()
        try:
            if self._view is None or time.monotonic() >= self._good_until:
                began = time.monotonic()
                self._view = self._look()
                ended = time.monotonic()
                self._good_until = ended + max(MIN_AGE, AGE_FACTOR * (ended - began))
            return self._view
        finally:
            self._lock.release()

    def _look(self) -> QueueView:
        frames, now = self.queue.list_frames(), self.clock()
        running = [frame for frame in frames if frame.is_leased]
        waiting = [frame for frame in frames if not frame.is_leased]
        remaining = {
            frame.id: seconds_left(
                self.progress.read_progress(frame.id), frame.predicted_seconds, now
            )
            for frame in running
        }
        living = self.heartbeats.workers()
        workers = outlooks_of(living, running, remaining)
        ends = [RunningOutlook(each.owner, each.sharing, remaining[each.id]) for each in running]
        outlook = Outlook(self.queue.accounts(), workers, now, running=ends)
        return QueueView.of_frames(waiting, running, outlook, cold_start_phase(living))


def outlooks_of(
    workers: Sequence[WorkerState], running: Sequence[Frame], remaining: Mapping[str, float]
) -> Sequence[WorkerOutlook]:
    """When each worker that takes frames is free; ``remaining``: seconds by frame.

    Frames that no heartbeat names were leased since: some idle workers have them.
    """
    told = {worker.job for worker in workers}
    untold = iter([frame for frame in running if frame.id not in told])
    frames = {frame.id: frame for frame in running}
    outlooks = []
    for worker in workers:
        if worker.state != LEAVING:
            frame = frames.get(worker.job) or next(untold, None)
            held = (*filter(None, (worker.checkpoint, *worker.also_loaded)),)
            if frame is None:
                outlooks.append(WorkerOutlook(0.0, held))
            else:
                held = held_after(held, frame.checkpoint)
                outlooks.append(WorkerOutlook(remaining[frame.id], held))
    return outlooks


def seconds_left(job: JobProgress | None, predicted: float, now: float) -> float:
    """Seconds that a running job still takes, by what it has done; before that, as predicted."""
    if job is None:
        return predicted
    elapsed, done = max(now - job.started_at, 0.0), job.share_done
    if done > 0:
        return max(elapsed / done - elapsed, 0.0)
    return max(predicted - elapsed, 0.0)
