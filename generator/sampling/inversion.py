"""Finds the noise of a picture by running Euler's method backwards.

Contract section 9.6, "img2img alternative test". The probability flow ODE of Song et al. (2021),
"Score-based generative modeling through stochastic differential equations", runs both ways.
"""

from itertools import pairwise

import torch
from torch import Tensor

from generator.request import Inversion
from generator.sampling.denoiser import Denoiser, SamplingInterrupted
from generator.sampling.schedules import NoiseSchedule, ScheduleOptions, sigmas_between


def invert_to_noise(
    latent: Tensor, denoiser: Denoiser, table: NoiseSchedule, inversion: Inversion
) -> Tensor:
    """Noise of unit variance (B,C,h,w) that leads to ``latent`` (B,C,h,w).

    A watch that stops the denoiser ends the walk early.
    """
    sigmas = sigmas_between("Automatic", inversion.steps, table, ScheduleOptions())
    rising = sigmas.flip(0).to(latent.device)  # 0, sigma_min .. sigma_max
    x = latent
    try:
        for low, high in pairwise(rising):
            x = _inversion_step(x, denoiser, low, high, inversion.adjusted)
    except SamplingInterrupted:
        pass  # the sampling after it hears the watch too
    return x / rising[-1] if inversion.adjusted else x / x.std()


def _inversion_step(
    x: Tensor, denoiser: Denoiser, low: Tensor, high: Tensor, adjusted: bool
) -> Tensor:
    """One step up from noise level ``low`` to ``high``."""
    level = low if adjusted else high
    if level == 0:
        return x  # without noise there is nothing to move along
    slope = (x - denoiser(x, level * torch.ones(len(x), device=x.device))) / level
    return x + slope * (high - low)
