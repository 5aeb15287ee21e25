"""Restart: go down, jump back up by fresh noise, go down again (Xu et al. 2023)."""

from itertools import pairwise

import torch
from torch import Tensor

from generator.sampling.singlestep import Denoise, Draw, heun_step

_LOW, _HIGH = 0.1, 2.0  # between which noise levels the restart happens


def _karras(n: int, low: float, high: float) -> Tensor:
    """Karras's spacing with rho 7 and a final 0; as ``schedules.karras``, on bare levels."""
    ramp = torch.linspace(0, 1, n)
    small, large = low ** (1 / 7), high ** (1 / 7)
    return torch.cat([(large + ramp * (small - large)) ** 7, torch.zeros(1)])


def restart_steps(sigmas: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The (sigma, target) pairs of a run; under 20 steps there is no restart.

    From 20 steps on 9 of them, from 36 on twice a quarter of them, are spent in the restart.
    """
    steps = len(sigmas) - 1
    if steps < 20:
        return list(pairwise(sigmas))
    length, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    main = _karras(steps - length * times, float(sigmas[-2]), float(sigmas[0])).to(sigmas)
    bottom = int((main - _LOW).abs().argmin())
    top = int((main - _HIGH).abs().argmin())
    pairs = list(pairwise(main))
    if bottom == 0 or top >= bottom:
        return pairs
    again = _karras(length + 1, float(main[bottom]), float(main[top]))[:-1].to(sigmas)
    return [*pairs[:bottom], *list(pairwise(again)) * times, *pairs[bottom:]]


def restart(
    denoise: Denoise, x: Tensor, sigmas: Tensor, draw: Draw, *, s_noise: float = 1.0
) -> Tensor:
    """Heun's method along :func:`restart_steps`; each jump up adds the missing noise."""
    reached: Tensor | None = None
    for sigma, target in restart_steps(sigmas):
        if reached is not None and reached < sigma:
            x = x + draw() * s_noise * (sigma**2 - reached**2) ** 0.5
        x = heun_step(denoise, x, sigma, target)
        reached = target
    return x
