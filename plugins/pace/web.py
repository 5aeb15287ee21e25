"""Pace's figures: for its tab, for scripts and for /metrics."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plugins import hook
from plugins.nouns import Ask, Home, Metric, Part, Reply, Route, Scope, Slot
from plugins.pace.book import BYTES, FAILURES, JOBS, OLD, PICTURES, SECONDS, Book, Pace
from plugins.pace.estimating import estimate
from plugins.pace.timing import Kind

Side = Annotated[int, Field(ge=64, le=4096)]
Few = Annotated[int, Field(ge=1, le=1000)]
KIND = ("model", "sampler", "size", "batch")  # labels of numbers about steps


class Wish(BaseModel):
    """A job whose time is asked for; names as in requests for pictures."""

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    sampler_name: str = "Euler"
    width: Side = 512
    height: Side = 512
    steps: Few = 20
    batch_size: Few = 1
    n_iter: Few = 1


class Plugin:
    """Reads what workers wrote."""

    def __init__(self, home: Home) -> None:
        self.book = Book(home.storage)

    @hook
    def web_start(self) -> None:
        """Forget what nobody has drawn for a long time."""
        self.book.forget(time.time() - OLD)

    @hook
    def web_stop(self) -> None:
        """Let go of the file."""
        self.book.close()

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
            Metric("steps", "Steps drawn", self.of_paces(lambda p: p.steps), KIND, counter=True),
            Metric(
                "step_seconds", "Seconds in steps", self.of_paces(lambda p: p.seconds), KIND,
                counter=True,
            ),
            Metric("seconds_per_step", "The newest", self.of_paces(lambda p: p.recent), KIND),
            Metric(
                "job_seconds", "Seconds before, in and after the steps", self.of_sums(SECONDS),
                ("part",), counter=True,
            ),
            Metric("jobs", "Jobs that ended well", self.of_sum(JOBS), counter=True),
            Metric("pictures", "Pictures drawn", self.of_sum(PICTURES), counter=True),
            Metric("saved_bytes", "Bytes saved", self.of_sum(BYTES), counter=True),
            Metric("failures", "Jobs by error", self.of_sums(FAILURES), ("error",), counter=True),
        )  # fmt: skip

    def of_paces(self, value: Callable[[Pace], float]) -> Callable[[], Mapping[Any, float]]:
        """A number of each kind of step."""
        return lambda: {labels(pace.kind): value(pace) for pace in self.book.figures().paces}

    def of_sums(self, name: str) -> Callable[[], Mapping[Any, float]]:
        """The sums of one name by their kind."""
        found = self.book.figures
        return lambda: {(kind,): value for kind, value in found().sums.get(name, {}).items()}

    def of_sum(self, name: str) -> Callable[[], Mapping[Any, float]]:
        """One sum."""
        return lambda: {(): self.book.figures().sum(name)}

    def figures(self, ask: Ask) -> Reply:
        """Everything that is known."""
        found = self.book.figures()
        sums = {name: kinds.get("", kinds) for name, kinds in found.sums.items()}
        return Reply({"paces": [told(pace) for pace in found.paces], **sums})

    def estimate(self, ask: Ask) -> Reply:
        """How long a job may take: ``seconds`` is null while nothing was measured."""
        try:
            wish = Wish.model_validate(dict(ask.query))
        except ValidationError as error:
            faults = [{"loc": each["loc"], "msg": each["msg"]} for each in error.errors()]
            return Reply({"detail": faults}, status=422)
        kind = Kind(wish.model, wish.sampler_name, wish.width, wish.height, wish.batch_size)
        found = estimate(self.book.figures(), kind, wish.steps, wish.n_iter)
        if found is None:
            return Reply({"seconds": None})
        whole = {"seconds": round(found.seconds, 3), "seconds_per_step": round(found.per_step, 5)}
        return Reply({**whole, "like": asdict(found.like), "exact": found.exact(kind)})


def labels(kind: Kind) -> tuple[str, ...]:
    """As :data:`KIND` names them."""
    return kind.model, kind.sampler, f"{kind.width}x{kind.height}", str(kind.batch)


def told(pace: Pace) -> dict[str, Any]:
    """A kind of step as the page gets it."""
    return {**asdict(pace.kind), "steps": pace.steps, "seconds": pace.seconds,
            "seconds_per_step": pace.recent, "seen": pace.seen}  # fmt: skip
