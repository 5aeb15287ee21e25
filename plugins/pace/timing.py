"""Stopwatch of one job. No torch: only the shape of latents is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FACTOR = 8  # pixels a side of one cell of a latent


@dataclass(frozen=True, slots=True)
class Kind:
    """What distinguishes kinds of steps: model, sampler, size, batch."""

    model: str  # stem of the checkpoint that was asked for; "" is the first one
    sampler: str
    width: int  # pixels
    height: int
    batch: int  # pictures at once


@dataclass(slots=True, eq=False)
class Leg:
    """One sampling pass: from its first noise to its last step."""

    kind: Kind
    began: float
    ended: float = 0.0
    steps: int = 0

    @property
    def seconds(self) -> float:
        """0 for a pass that was left before its first step."""
        return self.ended - self.began if self.steps else 0.0


@dataclass(frozen=True, slots=True)
class Times:
    """Where the time of one finished job went, in seconds."""

    start: float  # before the first step: weights, prompts, pictures to start from
    sampling: float
    finish: float  # what is left: decoding, plugins, saving
    pictures: int
    steps: Mapping[Kind, tuple[int, float]]  # how many, and what they took together


@dataclass(slots=True, eq=False)
class Stopwatch:
    """Times of the current job; moments are of ``time.perf_counter``.

    The engine waits for a GPU at each call of the network, where it looks for NaN: a step that is
    told is done.
    """

    began: float
    pictures: int = 0
    legs: list[Leg] = field(default_factory=list)

    def sample(self, kind: Kind, now: float) -> None:
        """A pass begins."""
        self.legs.append(Leg(kind, now))

    def step(self, done: int, now: float) -> None:
        """So many steps of the pass are done, 1 after the first."""
        leg = self.legs[-1]
        leg.steps, leg.ended = done, now

    def times(self, now: float) -> Times:
        """The job ends now."""
        steps: dict[Kind, tuple[int, float]] = {}
        for leg in self.legs:
            count, seconds = steps.get(leg.kind, (0, 0.0))
            if leg.steps:
                steps[leg.kind] = (count + leg.steps, seconds + leg.seconds)
        sampling = sum(leg.seconds for leg in self.legs)
        start = (self.legs[0].began if self.legs else now) - self.began
        finish = max(now - self.began - start - sampling, 0.0)
        return Times(start, sampling, finish, self.pictures, steps)
