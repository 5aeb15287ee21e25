"""Pace's figures: for its tab, for scripts and for /metrics."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plugins import hook
from plugins.api import Ask, Home, Metric, Part, Reply, Route, Scope, Slot
from plugins.pace.estimate import estimate
from plugins.pace.records import (
    BYTES,
    FAILURES,
    JOBS,
    MAX_AGE_SECONDS,
    PICTURES,
    SECONDS,
    Figures,
    Pace,
    PaceRecords,
)
from plugins.pace.stopwatch import StepKind

PictureSide = Annotated[int, Field(ge=64, le=4096)]
Count = Annotated[int, Field(ge=1, le=1000)]
KIND_LABELS = ("model", "sampler", "size", "batch")  # labels of numbers about steps


class EstimateRequest(BaseModel):
    """A job whose time is asked for; names as in requests for pictures."""

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    sampler_name: str = "Euler"
    width: PictureSide = 512
    height: PictureSide = 512
    steps: Count = 20
    batch_size: Count = 1
    n_iter: Count = 1


class Plugin:
    """Reads what workers wrote."""

    def __init__(self, home: Home) -> None:
        self.records = PaceRecords(home.storage)

    @hook
    def web_start(self) -> None:
        """Forget what nobody has drawn for a long time."""
        self.records.delete_before(time.time() - MAX_AGE_SECONDS)

    @hook
    def web_stop(self) -> None:
        """Let go of the file."""
        self.records.close()

    @hook
    def routes(self) -> Sequence[Route]:
        """They change nothing."""
        return (
            Route("/figures", self.figures, scope=Scope.READERS),
            Route("/estimate", self.estimate, scope=Scope.READERS),
        )

    @hook
    def parts(self) -> Sequence[Part]:
        """The tab."""
        return (Part(Slot.TAB, "Pace", module="tab.js"),)

    @hook
    def metrics(self) -> Sequence[Metric]:
        """Sums to take rates of, and the newest time of a step."""
        return (
            Metric(
                "steps",
                "Steps drawn",
                self.values_by_kind(lambda p: p.steps),
                KIND_LABELS,
                counter=True,
            ),
            Metric(
                "step_seconds",
                "Seconds in steps",
                self.values_by_kind(lambda p: p.seconds),
                KIND_LABELS,
                counter=True,
            ),
            Metric(
                "seconds_per_step",
                "The newest",
                self.values_by_kind(lambda p: p.recent),
                KIND_LABELS,
            ),
            Metric(
                "job_seconds",
                "Seconds before, in and after the steps",
                self.values_of_sums(SECONDS),
                ("part",),
                counter=True,
            ),
            Metric("jobs", "Jobs that ended well", self.value_of_sum(JOBS), counter=True),
            Metric("pictures", "Pictures drawn", self.value_of_sum(PICTURES), counter=True),
            Metric("saved_bytes", "Bytes saved", self.value_of_sum(BYTES), counter=True),
            Metric(
                "failures", "Jobs by error", self.values_of_sums(FAILURES), ("error",), counter=True
            ),
        )

    def values_by_kind(self, value: Callable[[Pace], float]) -> Callable[[], Mapping[Any, float]]:
        """A number of each kind of step."""
        return lambda: {
            label_values(pace.kind): value(pace) for pace in self.records.read_figures().paces
        }

    def values_of_sums(self, name: str) -> Callable[[], Mapping[Any, float]]:
        """The sums of one name by their kind."""
        read_figures = self.records.read_figures
        return lambda: {(kind,): value for kind, value in read_figures().sums.get(name, {}).items()}

    def value_of_sum(self, name: str) -> Callable[[], Mapping[Any, float]]:
        """One sum."""
        return lambda: {(): self.records.read_figures().sum(name)}

    def visible_figures(self, ask: Ask) -> Figures:
        """The figures without kinds of checkpoints that the caller may not know of."""
        figures = self.records.read_figures()
        if ask.checkpoints is None:
            return figures
        seen = tuple(pace for pace in figures.paces if pace.kind.model in ask.checkpoints)
        return replace(figures, paces=seen)

    def figures(self, ask: Ask) -> Reply:
        """Everything that is known."""
        all_figures = self.visible_figures(ask)
        sums = {name: kinds.get("", kinds) for name, kinds in all_figures.sums.items()}
        return Reply({"paces": [to_json(pace) for pace in all_figures.paces], **sums})

    def estimate(self, ask: Ask) -> Reply:
        """How long a job may take: ``seconds`` is null while nothing was measured."""
        try:
            request = EstimateRequest.model_validate(dict(ask.query))
        except ValidationError as error:
            faults = [{"loc": each["loc"], "msg": each["msg"]} for each in error.errors()]
            return Reply({"detail": faults}, status=422)
        kind = StepKind(
            request.model, request.sampler_name, request.width, request.height, request.batch_size
        )
        result = estimate(self.visible_figures(ask), kind, request.steps, request.n_iter)
        if result is None:
            return Reply({"seconds": None})
        seconds = {
            "seconds": round(result.seconds, 3),
            "seconds_per_step": round(result.per_step, 5),
        }
        return Reply({**seconds, "like": asdict(result.like), "exact": result.is_exact(kind)})


def label_values(kind: StepKind) -> tuple[str, ...]:
    """As :data:`KIND_LABELS` names them."""
    return kind.model, kind.sampler, f"{kind.width}x{kind.height}", str(kind.batch)


def to_json(pace: Pace) -> dict[str, Any]:
    """A kind of step as the page gets it."""
    return {**asdict(pace.kind), "steps": pace.steps, "seconds": pace.seconds,
            "seconds_per_step": pace.recent, "seen": pace.seen}  # fmt: skip
