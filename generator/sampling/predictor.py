"""Interface of the U-Net for samplers, and the rows of one call."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor

from generator.models.families.family import EdmNoise, Prediction
from generator.prompt.conditioning import Conditioning
from generator.sampling.schedules import NoiseSchedule


class GuidanceSide(StrEnum):
    """Which of guidance's predictions a row is for."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    BLANK = "blank"  # InstructPix2Pix: the negative prompt, and no picture to follow


@dataclass(frozen=True, slots=True)
class Rows:
    """What one network call evaluates, row by row."""

    owners: tuple[int, ...]  # whose: the picture's place in the batch
    sides: tuple[GuidanceSide, ...]
    call: int = 0  # denoiser calls before this one in the pass
    calls: int = 1  # denoiser calls planned for the pass
    vectors: Tensor | None = None  # (n, pooled width + added numbers), where the U-Net reads such

    def part(self, span: slice) -> "Rows":
        """The rows of ``span`` alone."""
        vectors = None if self.vectors is None else self.vectors[span]
        return replace(self, owners=self.owners[span], sides=self.sides[span], vectors=vectors)


Predict = Callable[[Tensor, Tensor, Tensor, Rows], Tensor]

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class NoisePredictor:
    """A U-Net as the samplers see it.

    ``predict(x (B,C,h,w), t (B,), context (B,L,width), rows)`` returns what the network was
    trained to predict, eps, v or F by ``prediction``, in float32; t is a timestep from 0 to the
    table's last, not always whole, and a place in it under ``edm``. A wrapper may add to x, or to
    what the network computes, by what ``rows`` tells.
    """

    predict: Predict
    table: NoiseSchedule
    prediction: Prediction = Prediction.EPSILON
    device: torch.device = _CPU
    image_guidance: float | None = None  # InstructPix2Pix's second scale; None is off
    timesteps: int = 1000  # that the network was trained on
    sdxl_step_levels: bool = False  # Align Your Steps has a table of its own for SDXL
    edm: EdmNoise | None = None  # continuous noise levels, whose ``table`` is an EdmSchedule


@dataclass(frozen=True, slots=True)
class RefinerNetwork:
    """The refiner: a network that takes over within a pass, with its own conditioning."""

    network: NoisePredictor
    conditioning: Conditioning
    empty: Tensor | None = None  # (77, width), the encoded empty prompt, for pad_cond_uncond


@dataclass(frozen=True, slots=True)
class RefinerSwitch:
    """When another network takes over (contract section 4.10)."""

    switch_at: float  # share of the noise schedule that is done by then, 0..1
    by_steps: bool  # share of the denoiser calls instead
    take_over: Callable[[], RefinerNetwork]
