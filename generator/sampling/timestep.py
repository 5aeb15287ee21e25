"""Samplers that walk whole timesteps instead of noise levels: DDIM, DDIM CFG++ and PLMS.

They take ``predict(x (B,C,h,w), t (B,)) -> eps`` for latents of unit variance, the rising
``timesteps`` and the model's ``alphas_cumprod`` (1000,). They stop at the level of
``timesteps[0]``, so a trace of noise remains, as in AUTOMATIC1111 (contract section 4.7).
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from generator.errors import BadRequest
from generator.sampling.singlestep import repeat_for_batch

Predict = Callable[[Tensor, Tensor], Tensor]
Draw = Callable[[], Tensor]


def timesteps_for(steps: int) -> Tensor:
    """Rising whole timesteps, ceil(1000 / (1000 // steps)) of them: (n,) int64.

    Raises :class:`BadRequest` for more than 1000 steps.
    """
    if steps > 1000:
        raise BadRequest(
            f"{steps} steps were asked for; a sampler of whole timesteps takes at most 1000",
            "steps",
            "out_of_range",
            value=steps,
            least=1,
            most=1000,
        )
    return torch.clip(torch.arange(0, 1000, 1000 // max(steps, 1)) + 1, 0, 999)


def _walk(timesteps: Tensor, alphas: Tensor) -> Iterator[tuple[Tensor, float, float]]:
    """(timestep, its alpha, the alpha to reach), from the highest down."""
    for index in range(len(timesteps) - 1, 0, -1):
        here, target = alphas[timesteps[index]], alphas[timesteps[index - 1]]
        yield timesteps[index], float(here), float(target)


def ddim(
    predict: Predict,
    x: Tensor,
    timesteps: Tensor,
    alphas_cumprod: Tensor,
    draw: Draw,
    *,
    eta: float = 0.0,
) -> Tensor:
    """Song et al. (2021), "Denoising diffusion implicit models", equation 12."""
    for t, alpha, target in _walk(timesteps, alphas_cumprod.double()):
        eps = predict(x, repeat_for_batch(x, t))
        x = _ddim_step(x, eps, eps, alpha, target, eta, draw())
    return x


def ddim_cfgpp(
    predict: Predict,
    x: Tensor,
    timesteps: Tensor,
    alphas_cumprod: Tensor,
    draw: Draw,
    *,
    negative: Callable[[], Tensor],
    eta: float = 0.0,
) -> Tensor:
    """Chung et al. (2024), "CFG++": the way back to noise follows the negative prediction.

    ``negative()`` is the unguided eps of the last ``predict``; guidance is 1/12.5 of the usual.
    """
    for t, alpha, target in _walk(timesteps, alphas_cumprod.double()):
        eps = predict(x, repeat_for_batch(x, t))
        x = _ddim_step(x, eps, negative(), alpha, target, eta, draw())
    return x


def _ddim_step(
    x: Tensor,
    eps: Tensor,
    back: Tensor,
    alpha: float,
    target: float,
    eta: float,
    noise: Tensor,
) -> Tensor:
    sigma = eta * ((1 - target) / (1 - alpha) * (1 - alpha / target)) ** 0.5
    clean = (x - (1 - alpha) ** 0.5 * eps) / alpha**0.5
    direction = (1 - target - sigma**2) ** 0.5 * back
    return target**0.5 * clean + direction + sigma * noise


def plms(
    predict: Predict,
    x: Tensor,
    timesteps: Tensor,
    alphas_cumprod: Tensor,
    draw: object = None,
) -> Tensor:
    """Liu et al. (2022), "Pseudo numerical methods for diffusion models on manifolds".

    The first step looks ahead once (two calls); later ones are Adams-Bashforth up to order 4.
    """
    past: list[Tensor] = []  # newest first
    for index, (t, alpha, target) in enumerate(_walk(timesteps, alphas_cumprod.double())):
        eps = predict(x, repeat_for_batch(x, t))
        if past:
            joined = _adams_bashforth([eps, *past])
        else:
            ahead = _ddim_step(x, eps, eps, alpha, target, 0.0, x)
            below = timesteps[len(timesteps) - 2 - index]
            joined = (eps + predict(ahead, repeat_for_batch(x, below))) / 2
        x = _ddim_step(x, joined, joined, alpha, target, 0.0, x)
        past = [eps, *past][:3]
    return x


_ADAMS_BASHFORTH = {
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


def _adams_bashforth(newest_first: list[Tensor]) -> Tensor:
    weights = _ADAMS_BASHFORTH[len(newest_first)]
    pairs = zip(weights, newest_first, strict=True)
    return sum((weight * eps for weight, eps in pairs), torch.zeros_like(newest_first[0]))
