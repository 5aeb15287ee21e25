"""How many seconds a worker's main thread may go without progress, by what it does."""

import time
from collections.abc import Callable

from webapp.progress_mark import FOR_EVER, ProgressMark

LOADING = 3.0  # times the flag's seconds: weights are read, pictures decoded, enlarged and saved
UNSTEPPED = 6.0  # ... a whole job of a kind that tells no steps: enlarging, a plugin's task
GENEROUS = 20.0  # times what a step of that size usually takes here
SMALLEST = 0.1  # megapixels; what is smaller takes no less time
NEWEST = 0.2  # share that the last step has in what is usual


class PaceOfWork:
    """Reports each step to the supervisor, and learns how long steps take.

    ``min_seconds`` is ``--worker-hang-seconds``: what is allowed between two steps at least; 0 is
    for ever. Large pictures get more, by this worker's usual time per megapixel.
    """

    def __init__(
        self,
        mark: ProgressMark | None,
        least: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.mark = mark
        self.least = least or FOR_EVER
        self.clock = clock
        self.usual = 0.0  # seconds a megapixel
        self._megapixels = SMALLEST
        self._stepped = True
        self._last: float | None = None

    def rest(self) -> None:
        """Between jobs: the queue was looked at, or an answer could not be stored yet."""
        self._beat(self.least)

    def begin(self, megapixels: float = 0.0, *, stepped: bool = True) -> None:
        """A job begins, of pictures of that size a batch, with weights to load first."""
        self._megapixels = max(megapixels, SMALLEST)
        self._stepped, self._last = stepped, None
        self._beat(self.least * (LOADING if stepped else UNSTEPPED))

    def step(self) -> None:
        """A step begins."""
        now = self.clock()
        if self._last is not None:
            took = (now - self._last) / self._megapixels
            self.usual += NEWEST * (took - self.usual) if self.usual else took
        self._last = now
        learned = GENEROUS * self.usual * self._megapixels
        self._beat(max(self.least * (1.0 if self._stepped else UNSTEPPED), learned))

    def finish(self) -> None:
        """The steps are over; what is left is to compose, release and save."""
        self._last = None
        self._beat(self.least * LOADING)

    def _beat(self, allowed: float) -> None:
        if self.mark is not None:
            self.mark.beat(allowed)
