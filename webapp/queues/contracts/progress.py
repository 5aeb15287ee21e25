"""Progress and previews of running jobs, visible to all processes at once."""

from dataclasses import dataclass
from typing import Protocol

from generator.request import Progress


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Progress of a running job as workers published it last. ``preview`` is PNG bytes or None."""

    progress: Progress
    started_at: float
    updated_at: float
    preview: bytes | None = None
    preview_id: int = 0

    @property
    def share_done(self) -> float:
        """How much of the job is done, 0..1, by batches and steps."""
        return share_done(self.progress)


def share_done(progress: Progress) -> float:
    """How much of a job is done, 0..1, by batches and steps."""
    step = progress.step / progress.steps if progress.steps > 0 else 0.0
    return min((progress.batch + step) / max(progress.batches, 1), 1.0)


class ProgressBoard(Protocol):
    """How far running jobs are."""

    def publish_progress(self, job: str, progress: Progress, preview: bytes | None) -> None:
        """Show how far a job is; the last preview stays where none is given."""
        ...

    def read_progress(self, job: str) -> JobProgress | None:
        """A running job's progress; None before its first step and after its answer."""
        ...
