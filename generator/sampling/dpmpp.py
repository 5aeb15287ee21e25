"""The DPM-Solver++ family (Lu et al. 2022, arXiv:2211.01095), in lambda = -ln sigma.

The arguments are those of ``singlestep.py``. The stochastic ones draw from Brownian trees:
``draw(sigma, target)`` is the path's increment between two levels, scaled to unit variance.
"""

import itertools

import torch
from torch import Tensor

from generator.sampling.singlestep import Denoise, level


def dpmpp_2m(
    denoise: Denoise, x: Tensor, sigmas: Tensor, draw: object = None
) -> Tensor:
    """DPM-Solver++(2M), algorithm 2: second order from the previous step's estimate."""
    previous: Tensor | None = None
    last_h = sigmas.new_zeros(())
    for sigma, target in itertools.pairwise(sigmas):
        denoised = denoise(x, level(x, sigma))
        h = sigma.log() - target.log()
        estimate = denoised
        if previous is not None and target > 0:
            r = last_h / h
            estimate = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * previous
        x = (target / sigma) * x - torch.expm1(-h) * estimate
        previous, last_h = denoised, h
    return x
