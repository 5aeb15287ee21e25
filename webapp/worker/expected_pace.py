"""Seconds that a worker's main thread may go without progress, by activity."""

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
    for ever. Large pictures get more, by this worker's usual time per megapixel.
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
        self._megapixels = MIN_MEGAPIXELS
        self._stepped = True
        self._last_step_at: float | None = None

    def rest(self) -> None:
        """Between jobs: the queue was looked at, or an answer could not be stored yet."""
        self._beat(self.min_seconds)

    def begin(self, megapixels: float = 0.0, *, stepped: bool = True) -> None:
        """A job begins, of pictures of that size a batch, with weights to load first."""
        self._megapixels = max(megapixels, MIN_MEGAPIXELS)
        self._stepped, self._last_step_at = stepped, None
        self._beat(self.min_seconds * (LOADING_FACTOR if stepped else UNSTEPPED_FACTOR))

    def step(self) -> None:
        """A step begins."""
        now = self.clock()
        if self._last_step_at is not None:
            step_seconds = (now - self._last_step_at) / self._megapixels
            self.seconds_per_megapixel += (
                SMOOTHING * (step_seconds - self.seconds_per_megapixel)
                if self.seconds_per_megapixel
                else step_seconds
            )
        self._last_step_at = now
        expected = SLOW_STEP_FACTOR * self.seconds_per_megapixel * self._megapixels
        self._beat(max(self.min_seconds * (1.0 if self._stepped else UNSTEPPED_FACTOR), expected))

    def finish(self) -> None:
        """The steps are over; what is left is to compose, release and save."""
        self._last_step_at = None
        self._beat(self.min_seconds * LOADING_FACTOR)

    def _beat(self, allowed: float) -> None:
        if self.mark is not None:
            self.mark.beat(allowed)
