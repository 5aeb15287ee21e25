"""Continuous noise levels with the preconditioning of Karras et al. (2022), section 5 and table 1.

A place in the table of :class:`EdmSchedule` stands for the timestep of other networks: samplers,
prompts and units count by it, the network itself reads :func:`network_time`.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from generator.models.families.family import EdmNoise, Prediction
from generator.sampling.schedules import NoiseSchedule

COUNT = 1000  # places of the table


@dataclass(frozen=True)
class EdmSchedule(NoiseSchedule):
    """Noise levels evenly spaced in ln sigma, (1000,)."""

    noise: EdmNoise

    @cached_property
    def sigmas(self) -> Tensor:
        return _levels(self.noise)

    @property
    def data(self) -> float:
        return self.noise.sigma_data

    @property
    def input_alphas(self) -> Tensor:
        data = self.noise.sigma_data
        return data**2 / (self.sigmas**2 + data**2)

    def zero_terminal_snr(self) -> "EdmSchedule":
        """Itself: its range is the network's own."""
        return self

    def downcast(self) -> "EdmSchedule":
        """Itself: it was never rounded."""
        return self


def edm_schedule(noise: EdmNoise) -> EdmSchedule:
    """The table of a range of noise levels."""
    return EdmSchedule(1 / (1 + _levels(noise) ** 2), noise)


def network_time(noise: EdmNoise, place: Tensor) -> Tensor:
    """``c_noise`` = ln(sigma) / 4 of places 0..999 in the table, of any shape."""
    low, high = math.log(noise.sigma_min), math.log(noise.sigma_max)
    return (low + (high - low) * place.float() / (COUNT - 1)) / 4


def scale_input(x: Tensor, sigma: Tensor, data: float) -> Tensor:
    """``c_in * x``: what the network reads, of unit variance."""
    return x / (sigma**2 + data**2) ** 0.5


def clean_latent(
    x: Tensor, sigma: Tensor, output: Tensor, data: float, prediction: Prediction
) -> Tensor:
    """``c_skip * x + c_out * output``; a network that predicts v answers the negative of F."""
    total = sigma**2 + data**2
    c_out = sigma * data / total**0.5
    sign = -1.0 if prediction is Prediction.V else 1.0
    return x * (data**2 / total) + output * (sign * c_out)


def _levels(noise: EdmNoise) -> Tensor:
    low, high = math.log(noise.sigma_min), math.log(noise.sigma_max)
    return torch.linspace(low, high, COUNT, dtype=torch.float64).exp().float()
