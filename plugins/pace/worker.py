"""Measures jobs in the worker and records them when they end."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from generator.request import GenerationRequest, Progress
from plugins import hook
from plugins.api import Home
from plugins.pace.records import PaceRecords
from plugins.pace.stopwatch import PIXELS_PER_CELL, StepKind, Stopwatch

if TYPE_CHECKING:
    from torch import Tensor


class Plugin:
    """One stopwatch, for a worker draws one job at a time. It changes nothing of any."""

    def __init__(self, home: Home) -> None:
        self.records = PaceRecords(home.storage)
        self.stopwatch = Stopwatch(0.0)

    @hook
    def worker_start(self) -> None:
        """The file is there before the first job needs it."""
        self.records.read_figures()

    @hook
    def worker_stop(self) -> None:
        """Everything is written by now."""
        self.records.close()

    @hook(tryfirst=True)
    def before_generate(self) -> None:
        """A job begins; of one that never ended nothing is kept."""
        self.stopwatch = Stopwatch(time.perf_counter())

    @hook(trylast=True)
    def before_sampling(self, latent: "Tensor", request: GenerationRequest) -> None:
        """A pass begins over ``latent`` (B,4,h,w)."""
        batch, _, height, width = latent.shape
        model, sampler = Path(request.checkpoint).stem, request.sampling.sampler
        kind = StepKind(model, sampler, width * PIXELS_PER_CELL, height * PIXELS_PER_CELL, batch)
        self.stopwatch.begin_pass(kind, time.perf_counter())

    @hook(trylast=True)
    def at_step(self, progress: Progress) -> None:
        """On the hot path: two numbers are noted."""
        self.stopwatch.record_step(progress.step + 1, time.perf_counter())

    @hook
    def after_decode(self) -> None:
        """One picture more."""
        self.stopwatch.pictures += 1

    @hook(trylast=True)
    def after_save(self, paths: Sequence[Path]) -> None:
        """The job is done: one entry."""
        times = self.stopwatch.to_times(time.perf_counter())
        self.records.add_job(times, sum(path.stat().st_size for path in paths if path.exists()))

    @hook
    def job_failed(self, error: Exception) -> None:
        """Counted by the kind of error."""
        self.records.add_failure(type(error).__name__)
