"""The DPM-Solver++ family (Lu et al. 2022, arXiv:2211.01095), in lambda = -ln sigma.

The arguments are those of ``singlestep.py``. The stochastic ones draw from Brownian trees:
``draw(sigma, target)`` is the path's increment between two levels, scaled to unit variance.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from generator.sampling.singlestep import Denoise, Draw, ancestral_step, repeat_for_batch, slope

BrownianDraw = Callable[[Tensor, Tensor], Tensor]


def _exponential_step(x: Tensor, sigma: Tensor, target: Tensor, denoised: Tensor) -> Tensor:
    """The exact solution from ``sigma`` to ``target`` for a constant estimate."""
    h = sigma.log() - target.log()
    return (target / sigma) * x - torch.expm1(-h) * denoised


def _level_between(sigma: Tensor, target: Tensor, share: float) -> Tensor:
    """The level ``share`` of the way from ``sigma`` to ``target``, in ln sigma."""
    lam, end = -sigma.log(), -target.log()
    return (-(lam + share * (end - lam))).exp()


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, draw: object = None) -> Tensor:
    """DPM-Solver++(2M), algorithm 2: second order from the previous step's estimate."""
    previous: Tensor | None = None
    last_h = sigmas.new_zeros(())
    for sigma, target in pairwise(sigmas):
        denoised = denoise(x, repeat_for_batch(x, sigma))
        h = sigma.log() - target.log()
        estimate = denoised
        if previous is not None and target > 0:
            r = last_h / h
            estimate = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * previous
        x = _exponential_step(x, sigma, target, estimate)
        previous, last_h = denoised, h
    return x


def dpmpp_2s_ancestral(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    draw: Draw,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver++(2S), algorithm 1 with r = 1/2, to below the target; then fresh noise."""
    for sigma, target in pairwise(sigmas):
        denoised = denoise(x, repeat_for_batch(x, sigma))
        down, up = ancestral_step(sigma, target, eta)
        if down == 0:
            x = x + slope(x, sigma, denoised) * (down - sigma)
        else:
            middle = _level_between(sigma, down, 0.5)
            half = _exponential_step(x, sigma, middle, denoised)
            x = _exponential_step(x, sigma, down, denoise(half, repeat_for_batch(x, middle)))
        if target > 0:
            x = x + draw() * s_noise * up
    return x


def dpmpp_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    draw: BrownianDraw,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Tensor:
    """Two stages a step, each followed by the Brownian path's own noise (k-diffusion's SDE)."""
    for sigma, target in pairwise(sigmas):
        denoised = denoise(x, repeat_for_batch(x, sigma))
        if target == 0:
            x = x + slope(x, sigma, denoised) * (target - sigma)
            continue
        middle = _level_between(sigma, target, r)
        down, up = ancestral_step(sigma, middle, eta)
        half = _exponential_step(x, sigma, down, denoised) + draw(sigma, middle) * s_noise * up
        second = denoise(half, repeat_for_batch(x, middle))
        down, up = ancestral_step(sigma, target, eta)
        share = 1 / (2 * r)
        x = _exponential_step(x, sigma, down, (1 - share) * denoised + share * second)
        x = x + draw(sigma, target) * s_noise * up
    return x


def dpmpp_2m_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    draw: BrownianDraw,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: str = "midpoint",
) -> Tensor:
    """SDE-DPM-Solver++(2M), equation 18; ``solver_type`` is "midpoint" or "heun"."""
    previous: Tensor | None = None
    last_h = sigmas.new_zeros(())
    for sigma, target in pairwise(sigmas):
        denoised = denoise(x, repeat_for_batch(x, sigma))
        if target == 0:
            x = denoised
            continue
        h = sigma.log() - target.log()
        faded = -torch.expm1(-h - eta * h)
        x = target / sigma * (-eta * h).exp() * x + faded * denoised
        if previous is not None:
            bend = 0.5 * faded if solver_type == "midpoint" else faded / (-h - eta * h) + 1
            x = x + bend * (h / last_h) * (denoised - previous)
        if eta:
            x = x + draw(sigma, target) * target * (-torch.expm1(-2 * eta * h)).sqrt() * s_noise
        previous, last_h = denoised, h
    return x


def dpmpp_3m_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    draw: BrownianDraw,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """The third-order multistep analogue of :func:`dpmpp_2m_sde`, by divided differences."""
    estimates: list[Tensor] = []  # newest first, two at most
    widths: list[Tensor] = []
    for sigma, target in pairwise(sigmas):
        denoised = denoise(x, repeat_for_batch(x, sigma))
        if target == 0:
            x = denoised
            continue
        h = sigma.log() - target.log()
        reach = h * (eta + 1)
        x = torch.exp(-reach) * x - torch.expm1(-reach) * denoised
        x = x + _curvature(denoised, estimates, [width / h for width in widths], reach)
        if eta:
            x = x + draw(sigma, target) * target * (-torch.expm1(-2 * h * eta)).sqrt() * s_noise
        estimates, widths = [denoised, *estimates][:2], [h, *widths][:2]
    return x


def _curvature(
    now: Tensor, before: list[Tensor], ratios: list[Tensor], reach: Tensor
) -> Tensor | float:
    """What the estimate's first and second derivative add to a step."""
    if not before:
        return 0.0
    phi_2 = torch.expm1(-reach) / reach + 1
    first = (now - before[0]) / ratios[0]
    if len(before) == 1:
        return phi_2 * first
    earlier = (before[0] - before[1]) / ratios[1]
    change = (first - earlier) / (ratios[0] + ratios[1])
    phi_3 = phi_2 / reach - 0.5
    return phi_2 * (first + change * ratios[0]) - phi_3 * change
