"""How many local workers run: more while jobs wait, fewer once there was nothing to do for a while.

``--workers-min``, ``--workers-max``, ``--idle-seconds``. No process is touched here.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScaleTerms:
    """Workers that always run, workers at most, and seconds after which an idle one ends."""

    least: int
    most: int
    idle_seconds: float

    @property
    def is_fixed(self) -> bool:
        """Whether the same number always runs."""
        return self.least >= self.most

    @classmethod
    def of_flags(
        cls, least: int | None, most: int | None, idle_seconds: float, devices: int
    ) -> "ScaleTerms":
        """What the flags say on a machine of so many devices; None: not given."""
        ceiling = max(devices, least or 0) if most is None else most
        return cls(ceiling if least is None else least, ceiling, idle_seconds)


class WorkerScaler:
    """Decides which workers run, by number. Knows when each was busy last, and nothing else."""

    def __init__(self, terms: ScaleTerms, clock: Callable[[], float] = time.monotonic) -> None:
        self.terms = terms
        self.clock = clock
        self._busy_at: dict[int, float] = {}  # of those that run: when each was busy last

    def choose(self, running: Collection[int], busy: Collection[int], waiting: int) -> set[int]:
        """The workers that shall run. ``busy`` ones of ``running`` have a job each; so many wait.

        As many as there are jobs, at once; idle ones beyond that end when their time is over, those
        that were idle longest first.
        """
        now, chosen, working = self.clock(), set(running), set(busy) & set(running)
        self._busy_at = {
            number: now if number in working else self._busy_at.get(number, now)
            for number in chosen
        }
        needed = min(max(len(working) + waiting, self.terms.least), self.terms.most)
        stopped = (number for number in range(self.terms.most) if number not in chosen)
        for number in [*stopped][: max(needed - len(chosen), 0)]:
            chosen.add(number)
            self._busy_at[number] = now
        idle = [
            number
            for number in chosen - working
            if now - self._busy_at[number] >= self.terms.idle_seconds
        ]
        idle.sort(key=lambda number: (self._busy_at[number], -number))
        return chosen - {*idle[: max(len(chosen) - needed, 0)]}
