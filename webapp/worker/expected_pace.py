"""Seconds that a worker's main thread may go without progress, by activity."""

import threading
import time
from collections.abc import Callable

from webapp.worker.hang_guard import HangGuard
from webapp.worker.progress_mark import NO_LIMIT, ProgressMark

LOADING_FACTOR = (
    3.0  # times the flag's seconds: weights are read, pictures decoded, enlarged and saved
)
UNSTEPPED_FACTOR = 6.0  # ... a whole job of a kind that tells no steps: enlarging, a plugin's task
SLOW_STEP_FACTOR = 20.0  # times what a step of that size usually takes here
MIN_MEGAPIXELS = 0.1  # megapixels; what is smaller takes no less time
SMOOTHING = 0.2  # share that the last step has in what is usual


class ExpectedPace:
    """Reports each step to the supervisor, or to a guard, and learns how long steps take.

    ``min_seconds`` is ``--worker-hang-seconds``: what is allowed between two steps at least; 0 is
    for ever. Large pictures get more, by this worker's usual time per megapixel. Of jobs that run
    side by side the one that may take longest counts. Any thread may call it.
    """

    def __init__(
        self,
        mark: ProgressMark | HangGuard | None,
        min_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.mark = mark
        self.min_seconds = min_seconds or NO_LIMIT
        self.clock = clock
        self.seconds_per_megapixel = 0.0  # seconds a megapixel
        self._lock = threading.Lock()
        self._allowed: dict[JobPace, float] = {}  # seconds, of jobs that run
        self._own = JobPace(self)

    def rest(self) -> None:
        """Between jobs: the queue was looked at, or an answer could not be stored yet.

        Says nothing while jobs run in other threads: it is their steps that count.
        """
        self.end(self._own)
        with self._lock:
            if not self._allowed and self.mark is not None:
                self.mark.beat(self.min_seconds)

    def job(self) -> "JobPace":
        """The pace of a job of its own."""
        return JobPace(self)

    def begin(self, megapixels: float = 0.0, *, stepped: bool = True) -> None:
        """Work that is no job begins; see :meth:`JobPace.begin`."""
        self._own.begin(megapixels, stepped=stepped)

    def step(self) -> None:
        """A step of work that is no job begins."""
        self._own.step()

    def finish(self) -> None:
        """The steps of work that is no job are over."""
        self._own.finish()

    def learn(self, step_seconds: float) -> None:
        """A step took so many seconds a megapixel."""
        self.seconds_per_megapixel += (
            SMOOTHING * (step_seconds - self.seconds_per_megapixel)
            if self.seconds_per_megapixel
            else step_seconds
        )

    def beat(self, job: "JobPace", allowed: float) -> None:
        """A job got on, and may now go without progress for so many seconds."""
        with self._lock:
            self._allowed[job] = allowed
            if self.mark is not None:
                self.mark.beat(max(self._allowed.values()))

    def end(self, job: "JobPace") -> None:
        """A job is answered, or given back."""
        with self._lock:
            self._allowed.pop(job, None)


class JobPace:
    """The steps of one job."""

    def __init__(self, pace: ExpectedPace) -> None:
        self._pace = pace
        self._megapixels = MIN_MEGAPIXELS
        self._stepped = True
        self._last_step_at: float | None = None

    def rest(self) -> None:
        """The job waits for the queue, which cannot be used now."""
        self._pace.beat(self, self._pace.min_seconds)

    def begin(self, megapixels: float = 0.0, *, stepped: bool = True) -> None:
        """A job begins, of pictures of that size a batch, with weights to load first."""
        self._megapixels = max(megapixels, MIN_MEGAPIXELS)
        self._stepped, self._last_step_at = stepped, None
        factor = LOADING_FACTOR if stepped else UNSTEPPED_FACTOR
        self._pace.beat(self, self._pace.min_seconds * factor)

    def step(self) -> None:
        """A step begins."""
        pace, now = self._pace, self._pace.clock()
        if self._last_step_at is not None:
            pace.learn((now - self._last_step_at) / self._megapixels)
        self._last_step_at = now
        expected = SLOW_STEP_FACTOR * pace.seconds_per_megapixel * self._megapixels
        least = pace.min_seconds * (1.0 if self._stepped else UNSTEPPED_FACTOR)
        pace.beat(self, max(least, expected))

    def finish(self) -> None:
        """The steps are over; what is left is to compose, release and save."""
        self._last_step_at = None
        self._pace.beat(self, self._pace.min_seconds * LOADING_FACTOR)

    def end(self) -> None:
        """The job is answered, or given back."""
        self._pace.end(self)
