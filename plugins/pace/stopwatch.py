"""Stopwatch of one job. No torch: only the shape of latents is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

PIXELS_PER_CELL = 8  # pixels a side of one cell of a latent


@dataclass(frozen=True, slots=True)
class StepKind:
    """What distinguishes kinds of steps: model, sampler, size, batch."""

    model: str  # stem of the checkpoint that was asked for; "" is the first one
    sampler: str
    width: int  # pixels
    height: int
    batch: int  # pictures at once


@dataclass(slots=True, eq=False)
class TimedPass:
    """One sampling pass: from its first noise to its last step."""

    kind: StepKind
    began: float
    ended: float = 0.0
    steps: int = 0

    @property
    def seconds(self) -> float:
        """0 for a pass that was left before its first step."""
        return self.ended - self.began if self.steps else 0.0


@dataclass(frozen=True, slots=True)
class JobTimes:
    """Where the time of one finished job went, in seconds."""

    start: float  # before the first step: weights, prompts, pictures to start from
    sampling: float
    finish: float  # what is left: decoding, plugins, saving
    pictures: int
    steps: Mapping[StepKind, tuple[int, float]]  # how many, and what they took together


@dataclass(slots=True, eq=False)
class Stopwatch:
    """Times of the current job; moments are of ``time.perf_counter``.

    The engine waits for a GPU at each call of the network, where it looks for NaN: a step that is
    told is done.
    """

    began: float
    pictures: int = 0
    passes: list[TimedPass] = field(default_factory=list)

    def begin_pass(self, kind: StepKind, now: float) -> None:
        """A pass begins."""
        self.passes.append(TimedPass(kind, now))

    def record_step(self, done: int, now: float) -> None:
        """So many steps of the pass are done, 1 after the first."""
        current_pass = self.passes[-1]
        current_pass.steps, current_pass.ended = done, now

    def to_times(self, now: float) -> JobTimes:
        """The job ends now."""
        steps: dict[StepKind, tuple[int, float]] = {}
        for each_pass in self.passes:
            count, seconds = steps.get(each_pass.kind, (0, 0.0))
            if each_pass.steps:
                steps[each_pass.kind] = (count + each_pass.steps, seconds + each_pass.seconds)
        sampling = sum(each_pass.seconds for each_pass in self.passes)
        start = (self.passes[0].began if self.passes else now) - self.began
        finish = max(now - self.began - start - sampling, 0.0)
        return JobTimes(start, sampling, finish, self.pictures, steps)
