"""UniPC: a predictor and corrector of any order (Zhao et al. 2023, arXiv:2302.04867).

Works on x0 predictions of latents of unit variance, in continuous time t in (0, 1]; the network
is asked at timestep 1000 t - 1 (contract section 4.7).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from generator.errors import BadRequest
from generator.sampling.timestep import Predict

_FIRST = 1 / 1000  # where sampling ends


@dataclass(frozen=True, slots=True)
class UniPCOptions:
    """The options ``uni_pc_*`` (contract section 7.3)."""

    variant: str = "bh1"  # bh1 | bh2 | vary_coeff
    skip_type: str = "time_uniform"  # time_uniform | time_quadratic | logSNR
    order: int = 3
    lower_order_final: bool = True


class _LambdaTable:
    """ln alpha, sigma and lambda of the model's table at continuous times."""

    def __init__(self, alphas_cumprod: Tensor) -> None:
        count = len(alphas_cumprod)
        self.times = np.linspace(0, 1, count + 1)[1:]
        self.log_alphas = 0.5 * np.log(alphas_cumprod.double().cpu().numpy())

    def log_alpha(self, t: float) -> float:
        return float(np.interp(t, self.times, self.log_alphas))

    def alpha(self, t: float) -> float:
        return float(np.exp(self.log_alpha(t)))

    def sigma(self, t: float) -> float:
        return float(np.sqrt(1 - np.exp(2 * self.log_alpha(t))))

    def lam(self, t: float) -> float:
        log_alpha = self.log_alpha(t)
        return log_alpha - 0.5 * float(np.log(1 - np.exp(2 * log_alpha)))

    def time_of(self, lam: float) -> float:
        log_alpha = -0.5 * np.logaddexp(0.0, -2 * lam)
        return float(np.interp(-log_alpha, -self.log_alphas, self.times))

    def walk(self, skip_type: str, start: float, steps: int) -> list[float]:
        """``steps + 1`` times from ``start`` down."""
        if skip_type == "logSNR":
            lams = np.linspace(self.lam(start), self.lam(_FIRST), steps + 1)
            return [self.time_of(lam) for lam in lams]
        if skip_type == "time_quadratic":
            return list(np.linspace(start**0.5, _FIRST**0.5, steps + 1) ** 2)
        return list(np.linspace(start, _FIRST, steps + 1))


@dataclass(frozen=True, slots=True)
class _SolverStep:
    """One step: how far in lambda, and the earlier estimates as differences."""

    h: float
    ratios: list[float]  # of earlier estimates to h, then 1 for the new one
    differences: list[Tensor]  # (estimate - newest) / ratio

    def phis(self) -> list[float]:
        """phi_1 .. phi_(n+1) of -h, each times h's power as the method uses them."""
        x = -self.h
        values, phi, factorial = [], float(np.expm1(x)), 1.0
        for k in range(1, len(self.ratios) + 2):
            values.append(phi)
            phi = phi / x - 1 / factorial
            factorial *= k + 1
        return values

    def weights(self, variant: str, corrector: bool) -> list[float]:
        """How much of each difference (and, correcting, of the new estimate's) to add."""
        if variant == "vary_coeff":
            return self._vary_coeff_weights(corrector)
        size = len(self.ratios) if corrector else len(self.ratios) - 1
        if size == 0:
            return []
        unit = -self.h if variant == "bh1" else float(np.expm1(-self.h))
        if size == 1:  # the paper's simplification: 1/2 whatever the step
            return [0.5 * unit]
        factorials = np.cumprod(np.arange(1, size + 1))
        wanted = np.array(self.phis()[1 : size + 1]) * factorials / unit
        powers = np.vander(np.array(self.ratios[:size]), size, increasing=True).T
        return list(np.linalg.solve(powers, wanted) * unit)

    def _vary_coeff_weights(self, corrector: bool) -> list[float]:
        """A row of phis times the inverse of the paper's matrix C.

        The corrector ends as AUTOMATIC1111's does (case ``o_unipc_vary``), not as the paper: the
        highest phi meets the row before its own, and the new estimate alone.
        """
        size = len(self.ratios) if corrector else len(self.ratios) - 1
        if size == 0:
            return []
        factorials = np.cumprod(np.arange(1, size + 1))
        powers = np.vander(np.array(self.ratios[:size]), size, increasing=True) / factorials
        inverse = np.linalg.inv(powers)
        phis = np.array(self.phis()[1 : size + 1])
        if not corrector:
            return list(phis @ inverse)
        earlier = phis[:-1] @ inverse[:-1, :-1]
        return [*earlier, phis[-1] * inverse[max(size - 2, 0), -1]]


def unipc(
    predict: Predict,
    x: Tensor,
    timesteps: Tensor,
    alphas_cumprod: Tensor,
    draw: object = None,
    *,
    from_picture: bool = False,
    options: UniPCOptions | None = None,
) -> Tensor:
    """As many solver steps as ``timesteps`` has entries, one network call each.

    Starts at time 1, or at the highest timestep when it starts from a picture. Raises
    :class:`BadRequest` when there are fewer steps than the method's order.
    """
    options = options or UniPCOptions()
    steps = len(timesteps)
    if steps < options.order:
        raise BadRequest(
            f"UniPC order must be < sampling steps: the order is {options.order}, the steps are "
            f"{steps}. Ask for more steps or lower the option uni_pc_order",
            "steps",
            "out_of_range",
            value=steps,
            least=options.order + 1,
        )
    table = _LambdaTable(alphas_cumprod)
    start = float(timesteps[-1]) / 1000 + _FIRST if from_picture else 1.0
    times = table.walk(options.skip_type, start, steps)
    return _solve(_estimator(predict, table), x, times, table, options)


Estimate = Callable[[Tensor, float], Tensor]


def _estimator(predict: Predict, table: _LambdaTable) -> Estimate:
    def estimate(x: Tensor, t: float) -> Tensor:
        eps = predict(x, x.new_ones([len(x)]) * ((t - _FIRST) * 1000.0))
        return (x - table.sigma(t) * eps) / table.alpha(t)

    return estimate


def _solve(
    estimate: Estimate,
    x: Tensor,
    times: list[float],
    table: _LambdaTable,
    options: UniPCOptions,
) -> Tensor:
    steps = len(times) - 1
    past = [(times[0], estimate(x, times[0]))]  # newest first
    for index in range(1, steps + 1):
        order = min(options.order, index)
        if options.lower_order_final and index >= options.order:
            order = min(order, steps + 1 - index)
        t, last = times[index], index == steps
        step = _make_step(table, t, past[:order])
        constant = _constant_step(table, x, t, past[0])
        x = _add_differences(
            constant, table, t, step.weights(options.variant, False), step.differences
        )
        if last:
            break
        new = estimate(x, t)
        differences = [*step.differences, new - past[0][1]]
        x = _add_differences(constant, table, t, step.weights(options.variant, True), differences)
        past = [(t, new), *past][: options.order]
    return x


def _make_step(table: _LambdaTable, t: float, past: list[tuple[float, Tensor]]) -> _SolverStep:
    lam, newest = table.lam(past[0][0]), past[0][1]
    h = table.lam(t) - lam
    ratios = [(table.lam(time) - lam) / h for time, _ in past[1:]]
    differences = [
        (earlier - newest) / ratio for (_, earlier), ratio in zip(past[1:], ratios, strict=True)
    ]
    return _SolverStep(h, [*ratios, 1.0], differences)


def _constant_step(
    table: _LambdaTable, x: Tensor, t: float, newest: tuple[float, Tensor]
) -> Tensor:
    """The exact solution for an estimate that does not change."""
    before, estimate = newest
    h = table.lam(t) - table.lam(before)
    scale = table.sigma(t) / table.sigma(before)
    return scale * x - table.alpha(t) * float(np.expm1(-h)) * estimate


def _add_differences(
    straight: Tensor,
    table: _LambdaTable,
    t: float,
    weights: list[float],
    differences: list[Tensor],
) -> Tensor:
    pairs = zip(weights, differences, strict=True)
    bend = sum((weight * change for weight, change in pairs), torch.zeros_like(straight))
    return straight - table.alpha(t) * bend
