"""Predicts how long jobs take, from what workers needed before. No Flask, no torch.

A drawing is measured in megapixel-steps (``generator/workload.py``), told by a tag of its frame;
work without that tag (extras, training, ...) in jobs of its kind. The pace is the seconds that
workers needed for each, from sums that outlive processes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from webapp.queues.contracts.counters import Counters, CounterValue
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import WORK_TAG

PACED_AMOUNT, PACED_SECONDS = "paced_amount", "paced_seconds"
"""Names of the sums, by kind, model and unit."""

ANY_MODEL = ""
JOBS, MEGAPIXEL_STEPS = "jobs", "megapixel-steps"

PaceKey = tuple[str, str, str]  # kind, unit, model


@dataclass(frozen=True, slots=True)
class JobPace:
    """Seconds for one unit of work, by kind, unit and model; of any model under ``ANY_MODEL``."""

    seconds: Mapping[PaceKey, float] = field(default_factory=dict)

    @classmethod
    def of_counters(cls, counters: Iterable[CounterValue]) -> "JobPace":
        """The pace by the store's sums."""
        sums: dict[str, dict[PaceKey, float]] = {
            PACED_AMOUNT: defaultdict(float),
            PACED_SECONDS: defaultdict(float),
        }
        for counter in counters:
            if counter.name in sums:
                kind, unit, model = (counter.labels.get(n, "") for n in ("kind", "unit", "model"))
                for each in {model, ANY_MODEL}:
                    sums[counter.name][kind, unit, each] += counter.value
        amounts, seconds = sums[PACED_AMOUNT], sums[PACED_SECONDS]
        return cls({key: seconds[key] / amount for key, amount in amounts.items() if amount > 0})

    def predict(self, frame: Frame) -> float | None:
        """Seconds that a worker will need for a frame; None until one of its kind was done."""
        amount, unit = amount_of(frame)
        for model in (frame.checkpoint, ANY_MODEL):
            pace = self.seconds.get((frame.kind, unit, model))
            if pace is not None:
                return amount * pace
        return None


def amount_of(frame: Frame) -> tuple[float, str]:
    """How much a frame asks for, and in which unit."""
    try:
        return float(frame.tags[WORK_TAG]), MEGAPIXEL_STEPS
    except (KeyError, ValueError):
        return 1.0, JOBS


def count_pace(counters: Counters, frame: Frame, model: str, seconds: float) -> None:
    """Count what a worker needed for a frame that it answered well. Raises as the store."""
    amount, unit = amount_of(frame)
    labels = {"kind": frame.kind, "model": model, "unit": unit}
    counters.add_to_counter(PACED_AMOUNT, labels, amount)
    counters.add_to_counter(PACED_SECONDS, labels, seconds)
