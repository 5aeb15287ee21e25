"""Estimates a job's duration from measured jobs."""

import math
from dataclasses import dataclass, replace

from plugins.pace.records import FINISH, RECENT, START, Figures, Pace
from plugins.pace.stopwatch import StepKind


@dataclass(frozen=True, slots=True)
class Estimate:
    """``like`` is the kind that was measured; a step's time is scaled to what is asked for."""

    seconds: float  # the whole job, loading of weights aside
    per_step: float
    like: StepKind

    def is_exact(self, wanted: StepKind) -> bool:
        """Whether just such steps were measured, not only similar ones."""
        return self.like == wanted


def estimate(figures: Figures, wanted: StepKind, steps: int, batches: int) -> Estimate | None:
    """From the most similar kind; None while nothing was measured.

    The model counts more than the sampler and that more than the size. Between sizes a step's time
    goes with the number of pixels, which is too little for large pictures (attention grows faster).
    """
    if not figures.paces:
        return None
    like = min(figures.paces, key=lambda pace: pace_distance(pace, wanted))
    per_step = like.recent * pixel_count(wanted) / pixel_count(like.kind)
    finish = figures.sum(RECENT, FINISH) * wanted.batch * batches
    seconds = figures.sum(RECENT, START) + per_step * steps * batches + finish
    return Estimate(seconds, per_step, like.kind)


def pace_distance(pace: Pace, wanted: StepKind) -> tuple[bool, bool, bool, float]:
    """Small for what is similar."""
    kind = pace.kind
    same = replace(kind, model=wanted.model, sampler=wanted.sampler) == wanted
    apart = abs(math.log(pixel_count(kind) / pixel_count(wanted)))
    return kind.model != wanted.model, kind.sampler != wanted.sampler, not same, apart


def pixel_count(kind: StepKind) -> int:
    """Of all pictures that are drawn at once."""
    return kind.width * kind.height * kind.batch
