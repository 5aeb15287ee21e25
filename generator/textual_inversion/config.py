"""Requests to create and to train a textual inversion. No torch.

Gal et al. 2022, "An image is worth one word".
"""

import math
from dataclasses import dataclass
from typing import Literal

from generator.errors import BadRequest

Clipping = Literal["disabled", "value", "norm"]
LatentSampling = Literal["once", "deterministic", "random"]
MAX_LEARNING_RATE = 10.0


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """A word to make: ``vectors`` tokens long, begun as the tokens of ``init_text``; "" is zeros.

    ``path`` is the file to write, ending in ``.pt``.
    """

    name: str
    path: str
    vectors: int = 1
    init_text: str = "*"
    overwrite: bool = False
    checkpoint: str = ""  # name, title or hash; "" is the first


@dataclass(frozen=True, slots=True)
class StepSchedule:
    """A number that changes with the steps: each value holds up to and including its step."""

    stages: tuple[tuple[float, int | None], ...]  # None: to the end

    def value_at(self, step: int) -> float:
        """The value at a step, the first being 1; the last stage's after the end."""
        for value, until in self.stages:
            if until is None or step <= until:
                return value
        return self.stages[-1][0]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Configuration of a training. ``steps`` count from the embedding's first training."""

    name: str
    steps: int
    rate: StepSchedule
    templates: tuple[str, ...]  # with [name] and [filewords] in them
    checkpoint: str = ""
    vae: str = "Automatic"
    batch_size: int = 1
    gradient_step: int = 1  # batches that one step adds up
    width: int = 512  # pixels, multiples of 8
    height: int = 512
    clipping: Clipping = "disabled"
    clip_at: StepSchedule = StepSchedule(((0.1, None),))
    shuffle_tags: bool = False
    tag_drop_out: float = 0.0  # 0..1
    drawing: LatentSampling = "once"  # how latents are drawn of what the VAE tells
    clip_skip: int = 1
    save_every: int = 0  # steps between two copies; 0: none
    copies: str = ""  # folder of the copies
    seed: int | None = None  # None: another each time


def read_step_schedule(text: str, field: str) -> StepSchedule:
    """A number, or ``0.005:100, 0.001:1000, 1e-4`` where it changes after steps 100 and 1000.

    Raises :class:`BadRequest` naming ``field``.
    """
    stages: list[tuple[float, int | None]] = []
    for part in text.split(","):
        value, colon, until = (piece.strip() for piece in part.partition(":"))
        try:
            stages.append((float(value), int(until) if colon else None))
        except ValueError:
            raise _schedule_error(text, field) from None
    ends = [until for _, until in stages[:-1]] + [stages[-1][1] or math.inf]
    rising = None not in ends and ends == sorted(end for end in ends if end is not None)
    if not rising or not all(0 < value <= MAX_LEARNING_RATE for value, _ in stages):
        raise _schedule_error(text, field)
    return StepSchedule(tuple(stages))


def _schedule_error(text: str, field: str) -> BadRequest:
    return BadRequest(
        f"{field} takes a number of up to {MAX_LEARNING_RATE:g}, or numbers with the steps up "
        "to which "
        f"they hold, such as '0.005:100, 0.001:1000'; not {text[:80]!r}.",
        field,
    )
