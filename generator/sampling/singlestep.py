"""Samplers that look at one step at a time: Euler, Heun, DPM2 and their ancestral kin.

All take ``denoise(x (B,C,h,w), sigma (B,)) -> x0``, a start ``x`` that carries noise of level
``sigmas[0]``, and the falling ``sigmas`` (n+1,); ``draw()`` gives fresh noise of x's shape.
"""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]
Draw = Callable[[], Tensor]


def repeat_for_batch(x: Tensor, value: Tensor | float) -> Tensor:
    """``value`` (a sigma, a timestep) once for each picture of ``x``, (B,)."""
    return x.new_ones([len(x)]) * value


def slope(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """dx/dsigma of the probability-flow ODE (Karras et al. 2022, equation 3)."""
    return (x - denoised) / sigma


def ancestral_step(sigma: Tensor, target: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(sigma_down, sigma_up): walk down to the first, then add noise of the second."""
    if not eta:
        return target, torch.zeros_like(target)
    fresh = eta * (target**2 * (sigma**2 - target**2) / sigma**2) ** 0.5
    up = torch.minimum(target, fresh)
    return (target**2 - up**2) ** 0.5, up


def add_churn(
    x: Tensor,
    sigma: Tensor,
    steps: int,
    draw: Draw,
    s_churn: float,
    s_tmin: float,
    s_tmax: float,
    s_noise: float,
) -> tuple[Tensor, Tensor]:
    """x and its level after some noise was added back (Karras et al. 2022, algorithm 2)."""
    inside = s_tmin <= sigma <= s_tmax
    fresh = draw()  # drawn whether used or not, so that later draws stay in step
    gamma = min(s_churn / steps, math.sqrt(2) - 1) if inside else 0.0
    raised = sigma * (gamma + 1)
    if gamma > 0:
        x = x + fresh * s_noise * (raised**2 - sigma**2) ** 0.5
    return x, raised


def euler(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    draw: Draw,
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Tensor:
    """Euler steps (Karras et al. 2022, algorithm 2 without its correction)."""
    for sigma, target in itertools.pairwise(sigmas):
        x, raised = add_churn(x, sigma, len(sigmas) - 1, draw, s_churn, s_tmin, s_tmax, s_noise)
        d = slope(x, raised, denoise(x, repeat_for_batch(x, raised)))
        x = x + d * (target - raised)
    return x


def euler_ancestral(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    draw: Draw,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Euler steps below the target, then fresh noise up to it (Song et al. 2020, DDPM's road)."""
    for sigma, target in itertools.pairwise(sigmas):
        down, up = ancestral_step(sigma, target, eta)
        d = slope(x, sigma, denoise(x, repeat_for_batch(x, sigma)))
        x = x + d * (down - sigma)
        if target > 0:
            x = x + draw() * s_noise * up
    return x


def heun(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    draw: Draw,
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Tensor:
    """The trapezoidal rule (Karras et al. 2022, algorithm 2); the step to 0 is Euler's."""
    for sigma, target in itertools.pairwise(sigmas):
        x, raised = add_churn(x, sigma, len(sigmas) - 1, draw, s_churn, s_tmin, s_tmax, s_noise)
        x = heun_step(denoise, x, raised, target)
    return x


def heun_step(denoise: Denoise, x: Tensor, sigma: Tensor, target: Tensor) -> Tensor:
    """One step of the trapezoidal rule from ``sigma`` to ``target``; Euler's to 0."""
    d = slope(x, sigma, denoise(x, repeat_for_batch(x, sigma)))
    ahead = x + d * (target - sigma)
    if target == 0:
        return ahead
    d_ahead = slope(ahead, target, denoise(ahead, repeat_for_batch(x, target)))
    return x + (d + d_ahead) / 2 * (target - sigma)


def dpm2(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    draw: Draw,
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver-2 with churn (Lu et al. 2022; Karras et al. 2022): midpoint in ln sigma."""
    for sigma, target in itertools.pairwise(sigmas):
        x, raised = add_churn(x, sigma, len(sigmas) - 1, draw, s_churn, s_tmin, s_tmax, s_noise)
        x = midpoint_step(denoise, x, raised, target)
    return x


def midpoint_step(denoise: Denoise, x: Tensor, sigma: Tensor, target: Tensor) -> Tensor:
    """The midpoint rule, the middle taken in ln sigma; Euler's to 0."""
    d = slope(x, sigma, denoise(x, repeat_for_batch(x, sigma)))
    if target == 0:
        return x + d * (target - sigma)
    middle = sigma.log().lerp(target.log(), 0.5).exp()
    half = x + d * (middle - sigma)
    return x + slope(half, middle, denoise(half, repeat_for_batch(x, middle))) * (target - sigma)


def dpm2_ancestral(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    draw: Draw,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """:func:`dpm2` to below the target, then fresh noise up to it."""
    for sigma, target in itertools.pairwise(sigmas):
        down, up = ancestral_step(sigma, target, eta)
        x = midpoint_step(denoise, x, sigma, down)
        if down > 0:
            x = x + draw() * s_noise * up
    return x
