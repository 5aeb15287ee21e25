"""Reports a job's progress to its watch and passes stop requests on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from generator.hooks import Watch
from generator.request import GenerationRequest, Progress, Stop

if TYPE_CHECKING:
    from PIL.Image import Image

DrawPreview = Callable[[Tensor], "Image"]


class Interrupted(Exception):
    """The watch asked for an interrupt before the sampling began (while loading or encoding)."""


@dataclass(slots=True, eq=False)
class ProgressReporter:
    """Progress of one job. ``draw_preview`` makes a preview picture of a latent (B,4,h,w)."""

    watch: Watch
    progress: Progress
    draw_preview: DrawPreview | None = None
    skip_pending: bool = False  # a skip was heard where nothing could be skipped yet

    @classmethod
    def for_request(
        cls, request: GenerationRequest, watch: Watch, passes: int = 1
    ) -> "ProgressReporter":
        """At the start of ``request``, whose batches take ``passes`` sampling passes each."""
        steps = request.sampling.steps
        route = "img2img" if request.origin else "txt2img"
        start = Progress(f"scripts_{route}", 0, request.batches * passes, 0, steps)
        return cls(watch, start)

    def report(self, text: str | None) -> Stop:
        """Tell what happens before the sampling, None that it begins."""
        return self._report(replace(self.progress, textinfo=text), None)

    def begin_batch(self, batch: int, batches: int) -> Stop:
        """A batch begins; INTERRUPT means that it should not."""
        job = f"Batch {batch + 1} out of {batches}" if batches > 1 else self.progress.job
        done = self.progress.batches // batches * batch
        return self._report(
            replace(self.progress, job=job, batch=done, step=0, textinfo=None), None
        )

    def check_interrupt(self) -> None:
        """Poll for a stop before the sampling: raises :class:`Interrupted`; a skip is
        remembered.
        """
        stop = self._report(self.progress, None)
        if stop is Stop.INTERRUPT:
            raise Interrupted
        self.skip_pending = self.skip_pending or stop is Stop.SKIP

    def begin_pass(self, steps: int) -> None:
        """A further sampling pass of the same batch begins."""
        progress = self.progress
        self.progress = replace(progress, batch=progress.batch + 1, step=0, steps=steps)

    def step(self, step: int, estimate: Tensor | None) -> Stop:
        """A sampling step begins; ``estimate`` is the picture as the last one saw it."""
        stop = self._report(replace(self.progress, step=step, textinfo=None), estimate)
        skip, self.skip_pending = self.skip_pending, False
        return Stop.SKIP if skip and stop is Stop.NO else stop

    def _report(self, progress: Progress, estimate: Tensor | None) -> Stop:
        self.progress = progress
        draw = self.draw_preview
        if draw is None or estimate is None:
            return self.watch(progress, None)
        return self.watch(progress, lambda: draw(estimate))
