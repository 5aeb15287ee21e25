"""DPM-Solver in its fast and adaptive forms (Lu et al. 2022, arXiv:2206.00927).

Both get only the range of noise levels and choose their own; they end at ``sigma_min``, not at 0.
Time is lambda = -ln sigma.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from generator.sampling.singlestep import Denoise, Draw, ancestral_step, repeat_for_batch


def _sigma_at(t: Tensor) -> Tensor:
    return (-t).exp()


@dataclass
class _StepStart:
    """Where a step starts; network calls are remembered, so that two orders can share them."""

    denoise: Denoise
    x: Tensor
    t: Tensor
    cache: dict[float, Tensor] = field(default_factory=dict)

    def eps(self) -> Tensor:
        """The noise seen in ``x`` at ``t``."""
        return self._compute_once(0.0, lambda: self._eps(self.x, self.t))

    def eps_ahead(self, end: Tensor, share: float) -> Tensor:
        """The noise seen after an Euler step of ``share`` of the way to ``end``."""
        return self._compute_once(
            share, lambda: self._eps(self._euler(end, share), self._at(end, share))
        )

    def euler(self, end: Tensor) -> Tensor:
        """DPM-Solver-1."""
        return self._euler(end, 1.0)

    def second_order(self, end: Tensor, share: float = 0.5) -> Tensor:
        """DPM-Solver-2 with its middle at ``share``."""
        h = end - self.t
        grown = _sigma_at(end) * h.expm1()
        bend = grown / (2 * share) * (self.eps_ahead(end, share) - self.eps())
        return self.x - grown * self.eps() - bend

    def third_order(self, end: Tensor) -> Tensor:
        """DPM-Solver-3 with its middles at 1/3 and 2/3."""
        h, r1, r2 = end - self.t, 1 / 3, 2 / 3
        middle = self._at(end, r2)
        first = self.eps_ahead(end, r1)
        half = self.x - _sigma_at(middle) * (r2 * h).expm1() * self.eps()
        curve = (r2 * h).expm1() / (r2 * h) - 1
        half = half - _sigma_at(middle) * (r2 / r1) * curve * (first - self.eps())
        second = self._eps(half, middle)
        straight = self.x - _sigma_at(end) * h.expm1() * self.eps()
        return straight - _sigma_at(end) / r2 * (h.expm1() / h - 1) * (second - self.eps())

    def _euler(self, end: Tensor, share: float) -> Tensor:
        h = (end - self.t) * share
        return self.x - _sigma_at(self.t + h) * h.expm1() * self.eps()

    def _at(self, end: Tensor, share: float) -> Tensor:
        return self.t + share * (end - self.t)

    def _eps(self, x: Tensor, t: Tensor) -> Tensor:
        sigma = _sigma_at(t)
        return (x - self.denoise(x, repeat_for_batch(x, sigma))) / sigma

    def _compute_once(self, key: float, compute: Callable[[], Tensor]) -> Tensor:
        if key not in self.cache:
            self.cache[key] = compute()
        return self.cache[key]


def _ancestral_time(t: Tensor, target: Tensor, end: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(time to step to, level of the noise that then leads back to ``target``)."""
    if not eta:
        return target, torch.zeros_like(target)
    down, _ = ancestral_step(_sigma_at(t), _sigma_at(target), eta)
    lower = torch.minimum(end, -down.log())
    # with a small eta both levels are alike, and rounding may put the lower one above
    return lower, (_sigma_at(target) ** 2 - _sigma_at(lower) ** 2).clamp(min=0) ** 0.5


def _step_orders(calls: int) -> list[int]:
    """Orders of the steps that together cost ``calls`` denoiser calls."""
    segments = calls // 3 + 1
    if calls % 3 == 0:
        return [*[3] * (segments - 2), 2, 1]
    return [*[3] * (segments - 1), calls % 3]


def dpm_fast(
    denoise: Denoise,
    x: Tensor,
    sigma_min: Tensor,
    sigma_max: Tensor,
    draw: Draw,
    *,
    steps: int,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver-fast: ``steps`` denoiser calls, mostly third order, with ancestral noise."""
    orders = _step_orders(steps)
    end = -sigma_min.log()
    times = torch.linspace(float(-sigma_max.log()), float(end), len(orders) + 1).to(x.device)
    for (t, target), order in zip(pairwise(times), orders, strict=True):
        lower, up = _ancestral_time(t, target, end, eta)
        start = _StepStart(denoise, x, t)
        takers = {1: start.euler, 2: start.second_order, 3: start.third_order}
        x = takers[order](lower) + up * s_noise * draw()
    return x


@dataclass
class _StepSize:
    """An integral controller of the step size (Soderlind 2003)."""

    h: float
    order: float
    safety: float = 0.81

    def accepts(self, error: float) -> bool:
        """Whether a step of this error stands; sets the next step size either way."""
        factor = (1 / (error + 1e-8)) ** (1 / self.order)
        factor = 1 + math.atan(factor - 1)
        self.h *= factor
        return factor >= self.safety


def dpm_adaptive(
    denoise: Denoise,
    x: Tensor,
    sigma_min: Tensor,
    sigma_max: Tensor,
    draw: Draw,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    rtol: float = 0.05,
    atol: float = 0.0078,
) -> Tensor:
    """DPM-Solver-12/23's adaptive form at order 3: as many calls as the tolerance asks for.

    The error is taken over all of ``x``: pictures that are drawn together share their steps.
    """
    t, end = -sigma_max.log(), -sigma_min.log()
    size = _StepSize(0.05, 1.5 if eta else 3.0)
    accepted = x
    while t < end - 1e-5:
        target = torch.minimum(end, t + size.h)
        lower, up = _ancestral_time(t, target, end, eta)
        start = _StepStart(denoise, x, t)
        low, high = start.second_order(lower, 1 / 3), start.third_order(lower)
        allowed = (rtol * torch.maximum(low.abs(), accepted.abs())).clamp(min=atol)
        error = float(torch.linalg.norm((low - high) / allowed)) / x.numel() ** 0.5
        if size.accepts(error):
            accepted = low
            x = high + up * s_noise * draw()
            t = target
    return x
