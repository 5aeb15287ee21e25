"""Samplers against the closed form of a Gaussian, without weights.

For data ~ N(0, s^2) the ideal denoiser is x s^2 / (s^2 + sigma^2), and going from a to b
multiplies x by sqrt((s^2 + b^2) / (s^2 + a^2)). Halving the step tells the order.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from generator.sampling import (
    dpm_solver,
    dpmpp,
    lcm,
    multistep,
    restart,
    singlestep,
    timestep,
    unipc,
)
from generator.sampling.brownian import BrownianNoise
from generator.sampling.schedules import scaled_linear

S = 0.5
HIGH, LOW = 14.6146, 0.0292
TABLE = scaled_linear()


def denoise(x: Tensor, sigma: Tensor) -> Tensor:
    return x * S**2 / (S**2 + sigma[:, None, None, None] ** 2)


def exact(start: float, end: float) -> float:
    return math.sqrt((S**2 + end**2) / (S**2 + start**2))


def levels(n: int) -> Tensor:
    """Karras's, in float64, without the final 0 that would hide the order."""
    ramp = torch.linspace(0, 1, n, dtype=torch.float64)
    return (HIGH ** (1 / 7) + ramp * (LOW ** (1 / 7) - HIGH ** (1 / 7))) ** 7


def zero_latents(*_: object) -> Tensor:
    return torch.zeros(1, 1, 1, 1, dtype=torch.float64)


def order(error: Callable[[int], float], n: int = 40) -> float:
    return math.log2(error(n) / error(2 * n))


def error(sampler: Callable[..., Tensor], n: int, **options: object) -> float:
    x = torch.full((1, 1, 1, 1), HIGH, dtype=torch.float64)
    found = sampler(denoise, x, levels(n), zero_latents, **options)
    return abs(float(found) / (HIGH * exact(HIGH, LOW)) - 1)


@pytest.mark.parametrize(
    ("sampler", "options", "wanted"),
    [
        (singlestep.euler, {}, 1),
        (singlestep.euler_ancestral, {"eta": 0.0}, 1),
        (singlestep.heun, {}, 2),
        (singlestep.dpm2, {}, 2),
        (singlestep.dpm2_ancestral, {"eta": 0.0}, 2),
        (multistep.lms, {"order": 2}, 2),
        (dpmpp.dpmpp_2m, {}, 2),
        (dpmpp.dpmpp_2s_ancestral, {"eta": 0.0}, 2),
        (dpmpp.dpmpp_sde, {"eta": 0.0}, 2),
        (dpmpp.dpmpp_2m_sde, {"eta": 0.0}, 2),
        (dpmpp.dpmpp_2m_sde, {"eta": 0.0, "solver_type": "heun"}, 2),
    ],
)
def test_order(sampler: Callable[..., Tensor], options: dict[str, object], wanted: int) -> None:
    assert order(lambda n: error(sampler, n, **options)) == pytest.approx(wanted, abs=0.2)


def test_higher_orders() -> None:
    assert order(lambda n: error(multistep.lms, n, order=3), 160) > 2.8
    assert order(lambda n: error(multistep.lms, n, order=4), 160) > 3.4
    # the first two steps of 3M SDE are of lower order and decide about the whole
    assert order(lambda n: error(dpmpp.dpmpp_3m_sde, n, eta=0.0)) > 1.8
    assert error(dpmpp.dpmpp_3m_sde, 20, eta=0.0) < error(dpmpp.dpmpp_2m_sde, 20, eta=0.0) / 5


@pytest.mark.parametrize(
    ("sampler", "wanted"),
    [(singlestep.euler, 1.70e-1), (singlestep.heun, 7.00e-2), (dpmpp.dpmpp_2m, 5.33e-2)],
)
def test_error_of_the_textbook_at_ten_levels(sampler: Callable[..., Tensor], wanted: float) -> None:
    assert error(sampler, 10) == pytest.approx(wanted, rel=0.01)


def test_dpm_fast_and_adaptive() -> None:
    x = torch.full((1, 1, 1, 1), HIGH, dtype=torch.float64)
    ends = torch.tensor([LOW, HIGH], dtype=torch.float64)

    def fast(steps: int) -> float:
        found = dpm_solver.dpm_fast(denoise, x, *ends, zero_latents, steps=steps, eta=0.0)
        return abs(float(found) / (HIGH * exact(HIGH, LOW)) - 1)

    assert math.log2(fast(61) / fast(121)) > 1.9  # its last two steps are of order 2 and 1
    assert fast(30) < 1e-3
    found = dpm_solver.dpm_adaptive(denoise, x, *ends, zero_latents, eta=0.0)
    assert float(found) == pytest.approx(HIGH * exact(HIGH, LOW), rel=0.03)


@pytest.mark.parametrize("steps", [7, 20, 30, 36, 50])
def test_restart_spends_the_steps_it_was_given(steps: int) -> None:
    sigmas = torch.cat([levels(steps).float(), torch.zeros(1)])
    pairs = restart.restart_steps(sigmas)
    assert len(pairs) == steps
    jumps = [(a[1], b[0]) for a, b in itertools.pairwise(pairs) if a[1] < b[0]]
    assert len(jumps) == (0 if steps < 20 else 1 if steps < 36 else 2)
    assert all(0.02 < low < 0.3 and 1 < high < 3 for low, high in jumps)


def eps(x: Tensor, t: Tensor) -> Tensor:
    """The ideal eps for latents of unit variance, at timesteps that may lie between two."""
    log_alpha = torch.from_numpy(TABLE.alphas_cumprod.double().log().numpy())
    low = t.floor().long()
    high = (low + 1).clamp(max=999)
    alpha = (log_alpha[low] + (log_alpha[high] - log_alpha[low]) * (t - low)).exp()
    alpha = alpha[:, None, None, None]
    return x * (1 - alpha).sqrt() / (alpha * S**2 + 1 - alpha)


def timestep_error(steps: int, sampler: Callable[..., Tensor], **options: object) -> float:
    steps_walked = timestep.timesteps_for(steps)
    alphas = TABLE.alphas_cumprod.double()

    def spread(alpha: Tensor) -> float:
        return math.sqrt(float(alpha) * S**2 + 1 - float(alpha))

    x = torch.full((1, 1, 1, 1), 1.0, dtype=torch.float64)
    found = sampler(eps, x, steps_walked, alphas, zero_latents, **options)
    wanted = spread(alphas[steps_walked[0]]) / spread(alphas[steps_walked[-1]])
    return abs(float(found) / wanted - 1)


def test_ddim_and_plms() -> None:
    ddim = math.log2(timestep_error(25, timestep.ddim) / timestep_error(50, timestep.ddim))
    assert ddim == pytest.approx(1.0, abs=0.25)
    assert timestep_error(50, timestep.plms) < timestep_error(50, timestep.ddim) / 5


@pytest.mark.parametrize("variant", ["bh1", "bh2", "vary_coeff"])
@pytest.mark.parametrize("skip", ["time_uniform", "time_quadratic", "logSNR"])
def test_unipc(variant: str, skip: str) -> None:
    x = torch.full((1, 1, 1, 1), 1.0, dtype=torch.float64)
    alphas = TABLE.alphas_cumprod.double()
    options = unipc.UniPCOptions(variant, skip)
    found = unipc.unipc(eps, x, timestep.timesteps_for(25), alphas, options=options)
    first, last = float(alphas[0]), float(alphas[-1])
    wanted = math.sqrt((first * S**2 + 1 - first) / (last * S**2 + 1 - last))
    # steps even in time are long in lambda at the end; vary_coeff converges slowly, see below
    slow = skip == "time_uniform" or variant == "vary_coeff"
    assert float(found) == pytest.approx(wanted, rel=0.07 if slow else 0.002)


STOCHASTIC = [
    (singlestep.euler_ancestral, {}),
    (singlestep.dpm2_ancestral, {}),
    (dpmpp.dpmpp_2s_ancestral, {}),
    (dpmpp.dpmpp_sde, {}),
    (dpmpp.dpmpp_2m_sde, {}),
    (dpmpp.dpmpp_3m_sde, {}),
    (singlestep.euler, {"s_churn": 20.0, "s_noise": 1.0}),
    (restart.restart, {}),
]


@pytest.mark.parametrize(("sampler", "options"), STOCHASTIC)
def test_stochastic_samplers_keep_the_spread(
    sampler: Callable[..., Tensor], options: dict[str, float]
) -> None:
    """Noise that is added is noise that was taken away: the data's spread comes out."""
    torch.manual_seed(0)
    shape = (4, 48, 48)
    x = torch.randn(1, *shape) * HIGH
    sigmas = torch.cat([levels(60).float(), torch.zeros(1)])
    path = BrownianNoise([1], shape, torch.tensor(LOW), torch.tensor(HIGH))
    brownian = sampler.__module__.endswith("dpmpp") and "sde" in sampler.__name__
    draw = path if brownian else lambda: torch.randn(1, *shape)
    found = sampler(denoise, x, sigmas, draw, **options)
    assert float(found.std()) == pytest.approx(S, rel=0.12)


def unipc_error(steps: int, variant: str, order: int) -> float:
    """Against the ideal eps at the very times that UniPC interpolates."""
    alphas = TABLE.alphas_cumprod.double()
    times = torch.linspace(0, 1, len(alphas) + 1, dtype=torch.float64)[1:].numpy()
    logs = alphas.log().numpy()

    def smooth(x: Tensor, t: Tensor) -> Tensor:
        alpha = math.exp(float(np.interp(float(t[0]) / 1000 + 0.001, times, logs)))
        return x * (1 - alpha) ** 0.5 / (alpha * S**2 + 1 - alpha)

    x = torch.full((1, 1, 1, 1), 1.0, dtype=torch.float64)
    options = unipc.UniPCOptions(variant, "logSNR", order, lower_order_final=False)
    found = unipc.unipc(smooth, x, torch.arange(steps), alphas, options=options)
    first, last = float(alphas[0]), float(alphas[-1])
    wanted = math.sqrt((first * S**2 + 1 - first) / (last * S**2 + 1 - last))
    return abs(float(found) / wanted - 1)


@pytest.mark.parametrize("variant", ["bh1", "bh2", "vary_coeff"])
@pytest.mark.parametrize("asked", [1, 2, 3])
def test_unipc_gains_an_order_by_its_corrector(variant: str, asked: int) -> None:
    found = order(lambda n: unipc_error(n, variant, asked))
    if variant == "vary_coeff" and asked > 1:  # AUTOMATIC1111's corrector loses it, see below
        assert found == pytest.approx(0.9, abs=0.1)
    else:
        assert found == pytest.approx(asked + 1, abs=0.35)


@pytest.mark.parametrize("h", [0.02, 0.7])
@pytest.mark.parametrize("ratio", [-0.5, -1.7])
def test_unipc_vary_coeff_corrects_as_automatic1111(h: float, ratio: float) -> None:
    """With the matrix C of two estimates inverted by hand: the row before the last is used."""
    x = -h
    first = math.expm1(x)
    second = first / x - 1
    third = second / x - 1 / 2
    new = torch.zeros(1)
    step = unipc._SolverStep(h, [ratio, 1.0], [new])
    assert step.weights("vary_coeff", False) == pytest.approx([second], rel=1e-6)
    wanted = [second / (1 - ratio), -third * ratio / (1 - ratio)]
    assert step.weights("vary_coeff", True) == pytest.approx(wanted, rel=1e-6)
    alone = unipc._SolverStep(h, [1.0], []).weights("vary_coeff", True)
    assert alone == pytest.approx([second], rel=1e-6)


@pytest.mark.parametrize(
    ("steps", "lower", "wanted"),
    [(4, True, [1, 2, 3, 1]), (6, True, [1, 2, 3, 3, 2, 1]), (5, False, [1, 2, 3, 4, 4])],
)
def test_unipc_lowers_its_order_only_after_the_first_steps(
    monkeypatch: pytest.MonkeyPatch, steps: int, lower: bool, wanted: list[int]
) -> None:
    """As many estimates as the order asks for are gathered first, however few steps follow."""
    orders: list[int] = []
    real = unipc._make_step

    def record_order(
        table: unipc._LambdaTable, t: float, past: list[tuple[float, Tensor]]
    ) -> unipc._SolverStep:
        orders.append(len(past))
        return real(table, t, past)

    monkeypatch.setattr(unipc, "_make_step", record_order)
    options = unipc.UniPCOptions(order=4, lower_order_final=lower)
    x = torch.ones((1, 1, 1, 1), dtype=torch.float64)
    unipc.unipc(eps, x, torch.arange(steps), TABLE.alphas_cumprod.double(), options=options)
    assert orders == wanted


def test_ddim_cfgpp_is_ddim_where_both_predictions_agree() -> None:
    last: list[Tensor] = []

    def predict(x: Tensor, t: Tensor) -> Tensor:
        last[:] = [eps(x, t)]
        return last[0]

    steps, alphas = timestep.timesteps_for(20), TABLE.alphas_cumprod.double()
    x = torch.full((1, 1, 1, 1), 1.0, dtype=torch.float64)
    plain = timestep.ddim(eps, x, steps, alphas, zero_latents)
    found = timestep.ddim_cfgpp(predict, x, steps, alphas, zero_latents, negative=lambda: last[0])
    assert float(found) == pytest.approx(float(plain), rel=1e-9)


def test_lcm_ends_on_the_data_where_the_network_knows_it() -> None:
    """A consistency model jumps along the exact path; noise of the next level starts the next."""

    def jump(x: Tensor, sigma: Tensor) -> Tensor:
        return x * exact(float(sigma[0]), 0.0)

    torch.manual_seed(0)
    x = torch.randn(1, 4, 48, 48) * HIGH
    sigmas = torch.cat([levels(6).float(), torch.zeros(1)])
    found = lcm.lcm(jump, x, sigmas, lambda: torch.randn(x.shape))
    assert float(found.std()) == pytest.approx(S, rel=0.05)
