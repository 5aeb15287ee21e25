"""What each sampler must give exactly, whatever its levels: known pictures, linear problems."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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
from tests.generator.sampling.analytic import SPREAD, TABLE

Sampler = Callable[..., Tensor]
DETERMINISTIC: dict[str, tuple[Sampler, dict[str, object]]] = {
    "Euler": (singlestep.euler, {}),
    "Euler a": (singlestep.euler_ancestral, {"eta": 0.0}),
    "Heun": (singlestep.heun, {}),
    "DPM2": (singlestep.dpm2, {}),
    "DPM2 a": (singlestep.dpm2_ancestral, {"eta": 0.0}),
    "LMS": (multistep.lms, {}),
    "DPM++ 2M": (dpmpp.dpmpp_2m, {}),
    "DPM++ 2S a": (dpmpp.dpmpp_2s_ancestral, {"eta": 0.0}),
    "DPM++ SDE": (dpmpp.dpmpp_sde, {"eta": 0.0}),
    "DPM++ 2M SDE": (dpmpp.dpmpp_2m_sde, {"eta": 0.0}),
    "DPM++ 2M SDE Heun": (dpmpp.dpmpp_2m_sde, {"eta": 0.0, "solver_type": "heun"}),
    "DPM++ 3M SDE": (dpmpp.dpmpp_3m_sde, {"eta": 0.0}),
}
STOCHASTIC: dict[str, tuple[Sampler, dict[str, object]]] = {
    "Euler with churn": (singlestep.euler, {"s_churn": 5.0}),
    "Heun with churn": (singlestep.heun, {"s_churn": 5.0}),
    "DPM2 with churn": (singlestep.dpm2, {"s_churn": 5.0}),
    "Euler a": (singlestep.euler_ancestral, {}),
    "DPM2 a": (singlestep.dpm2_ancestral, {}),
    "DPM++ 2S a": (dpmpp.dpmpp_2s_ancestral, {}),
    "DPM++ SDE": (dpmpp.dpmpp_sde, {}),
    "DPM++ 2M SDE": (dpmpp.dpmpp_2m_sde, {}),
    "DPM++ 3M SDE": (dpmpp.dpmpp_3m_sde, {}),
    "Restart": (restart.restart, {}),
    "LCM": (lcm.lcm, {}),
}
PICTURE = torch.tensor([1.5, -0.25, 0.75, -3.0], dtype=torch.float64).reshape(1, 4, 1, 1)


@st.composite
def falling_levels(draw: st.DrawFn, least: int = 2, most: int = 8) -> Tensor:
    """Noise levels whose neighbours differ by 10 % to sixfold; the last one is 0."""
    ratios = draw(st.lists(st.floats(1.1, 6.0), min_size=least - 1, max_size=most - 1))
    levels = [draw(st.floats(0.02, 0.5))]
    for ratio in ratios:
        levels.append(levels[-1] * ratio)
    return torch.tensor([*reversed(levels), 0.0], dtype=torch.float64)


class KnownPicture:
    """The denoiser that has seen one picture; it remembers where it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, Tensor]] = []

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.asked.append((float(sigma[0]), x))
        return PICTURE.expand_as(x)


class Draws:
    """Standard normal numbers that can be drawn again; counts what was asked for."""

    def __init__(self, seed: int = 0, shape: tuple[int, ...] = (1, 4, 1, 1)) -> None:
        self.source = torch.Generator().manual_seed(seed)
        self.shape = shape
        self.count = 0

    def __call__(self, *_: Tensor) -> Tensor:
        self.count += 1
        return torch.randn(self.shape, generator=self.source, dtype=torch.float64)


def no_noise(*_: object) -> Tensor:
    return torch.zeros(1, 4, 1, 1, dtype=torch.float64)


def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    """The ideal denoiser of N(0, SPREAD^2): linear in x."""
    return x * SPREAD**2 / (SPREAD**2 + sigma[:, None, None, None] ** 2)


@pytest.mark.parametrize("name", DETERMINISTIC)
@given(sigmas=falling_levels())
@settings(max_examples=15)
def test_a_known_picture_is_approached_on_a_straight_line(name: str, sigmas: Tensor) -> None:
    """The flow of a single point is straight in sigma, so every method follows it exactly."""
    sampler, options = DETERMINISTIC[name]
    noise = torch.tensor([0.3, -1.0, 2.0, 0.1], dtype=torch.float64).reshape(1, 4, 1, 1)
    denoise = KnownPicture()
    found = sampler(denoise, PICTURE + noise * sigmas[0], sigmas, no_noise, **options)
    for level, x in denoise.asked:
        assert torch.allclose(x, PICTURE + noise * level, atol=1e-9 + 1e-9 * float(sigmas[0]))
    assert torch.allclose(found, PICTURE, atol=1e-9)


@pytest.mark.parametrize("name", STOCHASTIC)
@given(sigmas=falling_levels(), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_fresh_noise_leaves_no_trace_in_a_known_picture(
    name: str, sigmas: Tensor, seed: int
) -> None:
    sampler, options = STOCHASTIC[name]
    draws = Draws(seed)
    x = PICTURE + draws() * sigmas[0]
    assert torch.allclose(sampler(KnownPicture(), x, sigmas, draws, **options), PICTURE, atol=1e-9)


@pytest.mark.parametrize("name", STOCHASTIC)
@given(sigmas=falling_levels(), share=st.floats(-2.0, 2.0))
@settings(max_examples=15)
def test_a_linear_network_makes_a_linear_sampler(name: str, sigmas: Tensor, share: float) -> None:
    """Start and noise of one picture plus a share of another's give the sum of both results."""
    sampler, options = STOCHASTIC[name]
    one, other = torch.eye(4, dtype=torch.float64)[:2].reshape(2, 1, 4, 1, 1) * sigmas[0]

    def run(x: Tensor, draw: Callable[..., Tensor]) -> Tensor:
        return sampler(gaussian, x, sigmas, draw, **options)

    first, second = Draws(1), Draws(2)
    joined = run(one + share * other, lambda *_: first() + share * second())
    apart = run(one, Draws(1)) + share * run(other, Draws(2))
    assert torch.allclose(joined, apart, atol=1e-8)


@pytest.mark.parametrize("name", DETERMINISTIC)
@given(sigmas=falling_levels(least=3))
@settings(max_examples=10)
def test_levels_are_asked_from_the_highest_down_and_never_zero(name: str, sigmas: Tensor) -> None:
    sampler, options = DETERMINISTIC[name]
    denoise = KnownPicture()
    sampler(denoise, PICTURE * sigmas[0], sigmas, no_noise, **options)
    levels = [level for level, _ in denoise.asked]
    assert levels[0] == pytest.approx(float(sigmas[0]))
    assert min(levels) > 0
    for level in sigmas[:-1].tolist():
        assert any(math.isclose(level, asked) for asked in levels)


@given(st.floats(0.01, 50.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=25)
def test_an_ancestral_step_splits_the_target_level_in_two(
    high: float, share: float, eta: float
) -> None:
    sigma, target = torch.tensor([high, high * share], dtype=torch.float64)
    down, up = singlestep.ancestral_step(sigma, target, eta)
    assert float(down**2 + up**2) == pytest.approx(float(target**2), abs=1e-12)
    assert 0 <= float(up) <= float(target)
    if eta == 1.0:  # all the noise that DDPM adds
        wanted = target * (sigma**2 - target**2).clamp(min=0).sqrt() / sigma
        assert float(up) == pytest.approx(float(wanted), abs=1e-9)


def test_an_ancestral_step_without_eta_adds_nothing() -> None:
    down, up = singlestep.ancestral_step(torch.tensor(2.0), torch.tensor(1.0), 0.0)
    assert (float(down), float(up)) == (1.0, 0.0)


@given(
    level=st.floats(0.05, 20.0),
    churn=st.floats(0.0, 100.0),
    steps=st.integers(1, 50),
    s_noise=st.floats(0.5, 1.5),
)
@settings(max_examples=25)
def test_churn_raises_the_level_by_the_noise_it_adds(
    level: float, churn: float, steps: int, s_noise: float
) -> None:
    sigma, draws = torch.tensor(level, dtype=torch.float64), Draws(3)
    x, raised = singlestep.add_churn(
        torch.zeros(1, 4, 1, 1, dtype=torch.float64), sigma, steps, draws, churn, 0.0, 99.0, s_noise
    )
    assert draws.count == 1
    assert 0 <= float(raised / sigma) - 1 <= math.sqrt(2) - 1 + 1e-12
    assert float(raised / sigma) - 1 == pytest.approx(min(churn / steps, math.sqrt(2) - 1))
    added = float((raised**2 - sigma**2).clamp(min=0).sqrt()) * s_noise
    assert torch.allclose(x, Draws(3)() * added)


@pytest.mark.parametrize(("low", "high"), [(2.0, 9.0), (0.0, 0.5)])
def test_churn_outside_its_range_changes_nothing_but_draws_all_the_same(
    low: float, high: float
) -> None:
    draws, x = Draws(), torch.ones(1, 4, 1, 1, dtype=torch.float64)
    same, level = singlestep.add_churn(x, torch.tensor(1.0), 5, draws, 40.0, low, high, 1.0)
    assert torch.equal(same, x)
    assert float(level) == 1.0
    assert draws.count == 1


@pytest.mark.parametrize(
    ("ancestral", "plain"),
    [(singlestep.euler_ancestral, singlestep.euler), (singlestep.dpm2_ancestral, singlestep.dpm2)],
)
@given(sigmas=falling_levels())
@settings(max_examples=10)
def test_an_ancestral_sampler_without_eta_is_its_plain_kin(
    ancestral: Sampler, plain: Sampler, sigmas: Tensor
) -> None:
    x = PICTURE * sigmas[0]
    found = ancestral(gaussian, x, sigmas, Draws(), eta=0.0)
    assert torch.allclose(found, plain(gaussian, x, sigmas, Draws()))


@given(falling_levels())
@settings(max_examples=10)
def test_the_first_steps_of_multistep_samplers_are_of_first_order(sigmas: Tensor) -> None:
    """Nothing came before: DPM++ 2M and LMS begin with the step that Euler takes."""
    pair, x = sigmas[:2], PICTURE * sigmas[0]
    euler = singlestep.euler(gaussian, x, pair, no_noise)
    for sampler in (dpmpp.dpmpp_2m, multistep.lms):
        assert torch.allclose(sampler(gaussian, x, pair, no_noise), euler)
    for sampler in (dpmpp.dpmpp_2m_sde, dpmpp.dpmpp_3m_sde):
        assert torch.allclose(sampler(gaussian, x, pair, no_noise, eta=0.0), euler)


@given(falling_levels(least=4))
@settings(max_examples=10)
def test_lms_of_order_one_is_euler(sigmas: Tensor) -> None:
    x = PICTURE * sigmas[0]
    euler = singlestep.euler(gaussian, x, sigmas, no_noise)
    assert torch.allclose(multistep.lms(gaussian, x, sigmas, order=1), euler)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_lms_is_exact_where_the_slope_is_a_polynomial(order: int) -> None:
    """Adams-Bashforth of order k integrates polynomials of degree k - 1, from its k-th step."""
    sigmas = torch.linspace(3.0, 1.0, 9, dtype=torch.float64)
    power = order - 1

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return x - sigma[:, None, None, None] * sigma[:, None, None, None] ** power

    def curve(level: Tensor) -> Tensor:
        return (level ** (power + 1) / (power + 1)).reshape(1, 1, 1, 1)

    asked: list[Tensor] = []

    def heard(x: Tensor, sigma: Tensor) -> Tensor:
        asked.append(x)
        return denoise(x, sigma)

    found = multistep.lms(heard, curve(sigmas[0]), sigmas, order=order)
    begun = asked[order - 1] - curve(sigmas[order - 1])  # the error of the lower orders before
    assert torch.allclose(found - curve(sigmas[-1]), begun, atol=1e-9)


@pytest.mark.parametrize("name", ["DPM++ 2M SDE", "DPM++ 3M SDE", "DPM++ SDE"])
def test_brownian_samplers_ask_for_increments_between_neighbouring_levels(name: str) -> None:
    sampler, _ = STOCHASTIC[name]
    asked: list[tuple[float, float]] = []

    def draw(sigma: Tensor, target: Tensor) -> Tensor:
        asked.append((float(sigma), float(target)))
        return no_noise()

    sigmas = torch.tensor([8.0, 4.0, 1.0, 0.0], dtype=torch.float64)
    sampler(gaussian, PICTURE * 8, sigmas, draw)
    steps = [(8.0, 4.0), (4.0, 1.0)]
    assert [pair for pair in asked if pair in steps] == steps
    assert all(high > low > 0 for high, low in asked)


@given(st.integers(1, 60))
@settings(max_examples=25)
def test_dpm_fast_spends_the_calls_it_was_given(steps: int) -> None:
    denoise, ends = KnownPicture(), torch.tensor([0.03, 14.6], dtype=torch.float64)
    dpm_solver.dpm_fast(denoise, PICTURE * 14.6, *ends, no_noise, steps=steps, eta=0.0)
    assert len(denoise.asked) == steps


@pytest.mark.parametrize("sampler", [dpm_solver.dpm_fast, dpm_solver.dpm_adaptive])
@pytest.mark.parametrize("eta", [0.0, 1.0])
@given(low=st.floats(0.01, 0.5), ratio=st.floats(2.0, 400.0))
@settings(max_examples=10)
def test_dpm_solver_ends_at_the_least_level(
    sampler: Sampler, eta: float, low: float, ratio: float
) -> None:
    """With no noise added, what is left of a known picture's noise is the least level's share."""
    ends = torch.tensor([low, low * ratio], dtype=torch.float64)
    noise = torch.ones(1, 4, 1, 1, dtype=torch.float64)
    options = {"steps": 12} if sampler is dpm_solver.dpm_fast else {}
    found = sampler(KnownPicture(), PICTURE + noise * ends[1], *ends, no_noise, eta=eta, **options)
    left = (found - PICTURE).abs()
    assert float(left.max()) <= low * (1 + 1e-4)
    if not eta:
        assert torch.allclose(left, noise * low, rtol=1e-4)


@pytest.mark.parametrize("high", [2.4, 3.8, 6.1, 12.5, 14.0])
@pytest.mark.parametrize("eta", [1e-4, 2e-4, 1e-3])
@pytest.mark.parametrize("steps", [20, 30])
def test_dpm_fast_with_little_ancestral_noise_makes_numbers(
    high: float, eta: float, steps: int
) -> None:
    """Rounding in float32 must not take the square root of less than nothing."""
    ends, x = torch.tensor([0.0292, high]), torch.full((1, 4, 1, 1), high)
    found = dpm_solver.dpm_fast(
        gaussian, x, *ends, lambda: torch.zeros_like(x), steps=steps, eta=eta
    )
    assert torch.isfinite(found).all()


def test_dpm_adaptive_pays_for_a_closer_tolerance_with_calls() -> None:
    ends = torch.tensor([0.0292, 14.6146], dtype=torch.float64)
    wanted = math.sqrt((SPREAD**2 + 0.0292**2) / (SPREAD**2 + 14.6146**2)) * 14.6146
    calls, errors = [], []
    for rtol, atol in ((0.5, 0.078), (0.05, 0.0078), (0.0005, 0.000078)):
        asked: list[Tensor] = []

        def denoise(x: Tensor, sigma: Tensor, asked: list[Tensor] = asked) -> Tensor:
            asked.append(sigma)
            return gaussian(x, sigma)

        x = torch.full((1, 1, 1, 1), 14.6146, dtype=torch.float64)
        found = dpm_solver.dpm_adaptive(
            denoise, x, *ends, lambda: torch.zeros(1), eta=0.0, rtol=rtol, atol=atol
        )
        calls.append(len(asked))
        errors.append(abs(float(found) / wanted - 1))
    assert calls == sorted(calls)
    assert calls[0] < calls[-1]
    assert errors[-1] < min(errors[:-1]) / 5


@given(falling_levels(least=3, most=60))
@settings(max_examples=40)
def test_a_restart_goes_down_from_the_first_level_to_nothing(sigmas: Tensor) -> None:
    pairs = restart.restart_steps(sigmas)
    assert float(pairs[0][0]) == pytest.approx(float(sigmas[0]), rel=1e-4)
    assert float(pairs[-1][1]) == 0
    for (sigma, target), (following, _) in pairwise(pairs):
        assert float(target) < float(sigma)
        assert float(following) >= float(target) * (1 - 1e-6)


def test_a_restart_adds_the_noise_that_its_jumps_lack() -> None:
    sigmas = torch.cat([torch.logspace(1.1, -1.5, 24), torch.zeros(1)]).double()
    pairs = restart.restart_steps(sigmas)
    jumps = [(a[1], b[0]) for a, b in pairwise(pairs) if a[1] < b[0]]
    draws = Draws()
    restart.restart(gaussian, PICTURE * sigmas[0], sigmas, draws)
    assert draws.count == len(jumps) == 1
    denoise = KnownPicture()
    found = restart.restart(
        denoise, PICTURE + 0 * PICTURE, sigmas, lambda: torch.ones_like(PICTURE)
    )
    (low, high) = (float(level) for level in jumps[0])
    raised = [x for level, x in denoise.asked if math.isclose(level, high, rel_tol=1e-6)][-1]
    assert torch.allclose(raised - PICTURE, torch.tensor(math.sqrt(high**2 - low**2)).double())
    assert torch.allclose(found, PICTURE, atol=1e-9)


def test_lcm_adds_noise_of_each_level_but_the_last() -> None:
    draws, denoise = Draws(), KnownPicture()
    sigmas = torch.tensor([5.0, 2.0, 0.5, 0.0], dtype=torch.float64)
    lcm.lcm(denoise, PICTURE, sigmas, draws)
    again = Draws()
    assert draws.count == 2
    for level, x in denoise.asked[1:]:
        assert torch.allclose(x, PICTURE + level * again())


@given(st.floats(0.0, 999.0))
@settings(max_examples=25)
def test_the_consistency_function_is_almost_the_estimate_except_at_the_very_end(t: float) -> None:
    x, clean = torch.full((1, 1, 1, 1), 3.0), torch.full((1, 1, 1, 1), -1.0)
    found = float(lcm.apply_consistency(x, clean, torch.tensor([t])))
    if t == 0:
        assert found == 3.0
    elif t >= 19:  # the least timestep of a distilled model
        assert found == pytest.approx(-1.0, abs=1e-4)


ALPHAS = TABLE.alphas_cumprod.double()


def walk_levels(steps: Tensor) -> Iterator[float]:
    yield from ((1 - ALPHAS[steps]) / ALPHAS[steps]).sqrt().flip(0).tolist()


@pytest.mark.parametrize("steps", [1, 4, 20, 333])
def test_ddim_is_euler_along_the_levels_of_its_timesteps(steps: int) -> None:
    """Song et al. (2021), equation 14: DDIM is Euler's method in sigma."""
    walked = timestep.timesteps_for(steps)
    sigmas = torch.tensor(list(walk_levels(walked)), dtype=torch.float64)

    def eps(x: Tensor, t: Tensor) -> Tensor:
        alpha = ALPHAS[t.long()][:, None, None, None]
        sigma = ((1 - alpha) / alpha).sqrt()
        return (x / alpha.sqrt()) * sigma / (SPREAD**2 + sigma**2)

    start = PICTURE * sigmas[0]
    found = timestep.ddim(eps, start * ALPHAS[walked[-1]].sqrt(), walked, ALPHAS, no_noise)
    wanted = singlestep.euler(gaussian, start, sigmas, no_noise)
    assert torch.allclose(found / ALPHAS[walked[0]].sqrt(), wanted)


def known_eps(x: Tensor, t: Tensor) -> Tensor:
    """Of the network that has seen PICTURE only, between timesteps too."""
    log_alpha, low = ALPHAS.log(), t.floor().long().clamp(0, 998)
    alpha = (log_alpha[low] + (log_alpha[low + 1] - log_alpha[low]) * (t - low)).exp()
    alpha = alpha[:, None, None, None]
    return (x - alpha.sqrt() * PICTURE) / (1 - alpha).sqrt()


@pytest.mark.parametrize("steps", [5, 20, 100])
@pytest.mark.parametrize("sampler", [timestep.ddim, timestep.plms])
def test_timestep_samplers_leave_the_lowest_level_in_a_known_picture(
    sampler: Sampler, steps: int
) -> None:
    walked, noise = timestep.timesteps_for(steps), torch.ones_like(PICTURE)
    first, last = ALPHAS[walked[-1]], ALPHAS[walked[0]]
    start = first.sqrt() * PICTURE + (1 - first).sqrt() * noise
    found = sampler(known_eps, start, walked, ALPHAS, no_noise)
    assert torch.allclose(found, last.sqrt() * PICTURE + (1 - last).sqrt() * noise)


@pytest.mark.parametrize("variant", ["bh1", "bh2", "vary_coeff"])
@given(steps=st.integers(3, 12), order=st.integers(1, 3))
@settings(max_examples=10)
def test_unipc_is_exact_for_a_known_picture(variant: str, steps: int, order: int) -> None:
    noise, first, last = torch.ones_like(PICTURE), ALPHAS[-1], ALPHAS[0]
    start = first.sqrt() * PICTURE + (1 - first).sqrt() * noise
    options = unipc.UniPCOptions(variant, "logSNR", order)
    found = unipc.unipc(known_eps, start, torch.arange(steps), ALPHAS, options=options)
    assert torch.allclose(found, last.sqrt() * PICTURE + (1 - last).sqrt() * noise, atol=1e-6)


@given(st.integers(1, 1000))
@settings(max_examples=25)
def test_timesteps_are_an_even_ladder_within_the_table(steps: int) -> None:
    found = timestep.timesteps_for(steps).tolist()
    assert found[0] == 1
    assert found == sorted(found)
    assert found[-1] <= 999
    assert len(found) >= steps
    strides = [after - before for before, after in pairwise(found)]
    assert set(strides[:-1]) <= {1000 // steps}
    assert all(stride <= 1000 // steps for stride in strides)  # the last one ends at 999


@given(st.floats(0.0, 1.0), st.integers(2, 10))
@settings(max_examples=20)
def test_ddim_with_eta_keeps_the_variance_of_noise(eta: float, steps: int) -> None:
    """Where the network sees nothing but noise, x stays of unit variance at each step."""
    walked, variance = timestep.timesteps_for(steps), []

    def eps(x: Tensor, t: Tensor) -> Tensor:
        variance.append(float(x.std()))
        alpha = ALPHAS[t.long()][:, None, None, None]
        return (1 - alpha).sqrt() * x  # data of unit variance: so is every mix of it with noise

    draws = Draws(5, (1, 1, 64, 64))
    found = timestep.ddim(eps, draws(), walked, ALPHAS, draws, eta=eta)
    assert all(0.5 < spread < 1.1 for spread in [*variance, float(found.std())])
