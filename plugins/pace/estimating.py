"""Estimates a job's duration from measured jobs."""

import math
from dataclasses import dataclass, replace

from plugins.pace.book import FINISH, RECENT, START, Figures, Pace
from plugins.pace.timing import Kind


@dataclass(frozen=True, slots=True)
class Estimate:
    """``like`` is the kind that was measured; a step's time is scaled to what is asked for."""

    seconds: float  # the whole job, loading of weights aside
    per_step: float
    like: Kind

    def exact(self, wanted: Kind) -> bool:
        """Whether just such steps were measured, not only similar ones."""
        return self.like == wanted


def estimate(figures: Figures, wanted: Kind, steps: int, batches: int) -> Estimate | None:
    """From the most similar kind; None while nothing was measured.

    The model counts more than the sampler and that more than the size. Between sizes a step's time
    goes with the number of pixels, which is too little for large pictures (attention grows faster).
    """
    if not figures.paces:
        return None
    like = min(figures.paces, key=lambda pace: distance(pace, wanted))
    per_step = like.recent * pixels(wanted) / pixels(like.kind)
    finish = figures.sum(RECENT, FINISH) * wanted.batch * batches
    seconds = figures.sum(RECENT, START) + per_step * steps * batches + finish
    return Estimate(seconds, per_step, like.kind)


def distance(pace: Pace, wanted: Kind) -> tuple[bool, bool, bool, float]:
    """Small for what is similar."""
    kind = pace.kind
    same = replace(kind, model=wanted.model, sampler=wanted.sampler) == wanted
    apart = abs(math.log(pixels(kind) / pixels(wanted)))
    return kind.model != wanted.model, kind.sampler != wanted.sampler, not same, apart


def pixels(kind: Kind) -> int:
    """Of all pictures that are drawn at once."""
    return kind.width * kind.height * kind.batch
