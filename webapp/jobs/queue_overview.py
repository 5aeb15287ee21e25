"""The queue as all who ask for places and times see it: looked at seldom, for all of them together.

No Flask.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from webapp.queues.contracts.counters import Counters
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.heartbeats import Heartbeats
from webapp.queues.contracts.progress import JobProgress, ProgressBoard
from webapp.queues.contracts.queue import Queue
from webapp.queues.job_pace import JobPace

MIN_AGE = 0.2  # seconds for which a look counts
AGE_FACTOR = 10.0  # ... and so many times what it took: a long queue is looked at less often

Predict = Callable[[Frame], float | None]
"""Seconds that a worker will need for a frame; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a job begins and how long it takes, as far as that can be known; seconds from now.

    ``position``: its place among waiting jobs, from 1; 0 once it runs.
    """

    position: int = 0
    wait: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class QueueView:
    """One look: waiting and running frames, what is left of the running ones, live workers."""

    waiting: Mapping[str, Frame] = field(default_factory=dict)  # by id
    ranks: Sequence[tuple[int, float]] = ()  # of the waiting ones, sorted
    seconds_before: Sequence[float] = (0.0,)  # that those ahead of each take, as far as known
    unknown_before: Sequence[int] = (0,)  # ... and how many of them nobody can predict
    remaining: Sequence[float | None] = ()  # seconds that each running one still takes
    workers: int = 0
    predict: Predict = JobPace().predict  # seconds of a frame

    @classmethod
    def of_frames(
        cls,
        waiting: Iterable[Frame],
        remaining: Sequence[float | None],
        workers: int,
        predict: Predict,
    ) -> "QueueView":
        """The view of these frames; all that grows with the queue is computed here, once."""
        ordered = sorted(waiting, key=_rank)
        costs = [predict(frame) for frame in ordered]
        return cls(
            {frame.id: frame for frame in ordered},
            [_rank(frame) for frame in ordered],
            list(accumulate((cost or 0.0 for cost in costs), initial=0.0)),
            list(accumulate((cost is None for cost in costs), initial=0)),
            remaining,
            workers,
            predict,
        )

    def forecast(self, frame: Frame) -> Forecast:
        """Of a frame that waits, or would.

        By priority and age; a checkpoint that is in memory, and owners who have used little, may
        come earlier.
        """
        ahead = bisect_left(self.ranks, _rank(frame))
        unknown = self.unknown_before[ahead] + sum(each is None for each in self.remaining)
        wait: float | None = None
        if ahead + len(self.remaining) < self.workers:
            wait = 0.0
        elif not unknown and self.workers:
            running = sum(each or 0.0 for each in self.remaining)
            wait = (self.seconds_before[ahead] + running) / self.workers
        return Forecast(ahead + 1, wait, self.predict(frame))


def _rank(frame: Frame) -> tuple[int, float]:
    """How frames are ordered: by priority, then age; one without an index would be the last."""
    return (-frame.priority, frame.index or float("inf"))


class QueueOverview:
    """Looks at the queue, at most once in a while."""

    def __init__(
        self,
        queue: Queue,
        progress: ProgressBoard,
        heartbeats: Heartbeats,
        counters: Counters,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue, self.progress = queue, progress
        self.heartbeats, self.counters, self.clock = heartbeats, counters, clock
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
        predict = JobPace.of_counters(self.counters.counters()).predict
        frames = self.queue.list_frames()
        running = [frame for frame in frames if frame.deliveries > 0]
        waiting = [frame for frame in frames if frame.deliveries == 0]
        progress: Mapping[str, JobProgress | None] = {
            frame.id: self.progress.read_progress(frame.id) for frame in running
        }
        remaining = [
            seconds_left(progress[frame.id], predict(frame), self.clock()) for frame in running
        ]
        return QueueView.of_frames(waiting, remaining, len(self.heartbeats.workers()), predict)


def seconds_left(job: JobProgress | None, predicted: float | None, now: float) -> float | None:
    """Seconds that a running job still takes, by what it has done; before that, as predicted."""
    if job is None:
        return predicted
    elapsed, done = max(now - job.started_at, 0.0), job.share_done
    if done > 0:
        return max(elapsed / done - elapsed, 0.0)
    return None if predicted is None else max(predicted - elapsed, 0.0)
