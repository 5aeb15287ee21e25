"""LMS: a linear multistep method in sigma."""

from itertools import pairwise

import numpy as np
from torch import Tensor

from generator.sampling.singlestep import Denoise, repeat_for_batch, slope


def _coefficient(levels: list[float], start: float, end: float, j: int) -> float:
    """Integral from ``start`` to ``end`` of the j-th Lagrange polynomial over ``levels``."""
    polynomial = np.poly1d([1.0])
    for k, other in enumerate(levels):
        if k != j:
            polynomial *= np.poly1d([1.0, -other]) / (levels[j] - other)
    integral = polynomial.integ()
    return float(integral(end) - integral(start))


def lms(
    denoise: Denoise, x: Tensor, sigmas: Tensor, draw: object = None, *, order: int = 4
) -> Tensor:
    """Adams-Bashforth on uneven levels, with coefficients integrated for each step."""
    slopes: list[Tensor] = []  # newest first
    levels: list[float] = []
    for sigma, target in pairwise(sigmas):
        denoised = denoise(x, repeat_for_batch(x, sigma))
        slopes = [slope(x, sigma, denoised), *slopes][:order]
        levels = [float(sigma), *levels][:order]
        for j, d in enumerate(slopes):
            x = x + _coefficient(levels, float(sigma), float(target), j) * d
    return x
