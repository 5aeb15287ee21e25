"""Measures jobs in the worker and records them when they end."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from generator.request import GenerationRequest, Progress
from plugins import hook
from plugins.nouns import Home
from plugins.pace.book import Book
from plugins.pace.timing import FACTOR, Kind, Stopwatch

if TYPE_CHECKING:
    from torch import Tensor


class Plugin:
    """One stopwatch, for a worker draws one job at a time. It changes nothing of any."""

    def __init__(self, home: Home) -> None:
        self.book = Book(home.storage)
        self.watch = Stopwatch(0.0)

    @hook
    def worker_start(self) -> None:
        """The file is there before the first job needs it."""
        self.book.figures()

    @hook
    def worker_stop(self) -> None:
        """Everything is written by now."""
        self.book.close()

    @hook(tryfirst=True)
    def before_generate(self) -> None:
        """A job begins; of one that never ended nothing is kept."""
        self.watch = Stopwatch(time.perf_counter())

    @hook(trylast=True)
    def before_sampling(self, latent: "Tensor", request: GenerationRequest) -> None:
        """A pass begins over ``latent`` (B,4,h,w)."""
        batch, _, height, width = latent.shape
        model, sampler = Path(request.checkpoint).stem, request.sampling.sampler
        kind = Kind(model, sampler, width * FACTOR, height * FACTOR, batch)
        self.watch.sample(kind, time.perf_counter())

    @hook(trylast=True)
    def at_step(self, progress: Progress) -> None:
        """On the hot path: two numbers are noted."""
        self.watch.step(progress.step + 1, time.perf_counter())

    @hook
    def after_decode(self) -> None:
        """One picture more."""
        self.watch.pictures += 1

    @hook(trylast=True)
    def after_save(self, paths: Sequence[Path]) -> None:
        """The job is done: one entry."""
        times = self.watch.times(time.perf_counter())
        self.book.add(times, sum(path.stat().st_size for path in paths if path.exists()))

    @hook
    def job_failed(self, error: Exception) -> None:
        """Counted by the kind of error."""
        self.book.add_failure(type(error).__name__)
