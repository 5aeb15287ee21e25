"""A whole pass without weights: what a stop, a mask, a start and a listener make of it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from generator.errors import BadRequest, NotANumber
from generator.hooks import Tools
from generator.models.families.family import Prediction
from generator.request import Seeds, Snapshot, SoftInpainting, Stop
from generator.sampling.noise import picture_noise
from generator.sampling.passes import InvertedNoise, SampledLatent, StartLatent
from generator.sampling.samplers import SAMPLERS, resolve_sampler
from generator.sampling.step_hooks import StepHooks
from tests.generator.sampling.analytic import (
    ALL_SAMPLERS,
    SHAPE,
    SIGMA_SAMPLERS,
    SPREAD,
    TABLE,
    TIMESTEP_SAMPLERS,
    gaussian_eps,
    gaussian_v,
    network_of_picture,
    prompts,
    run_pass,
)

PICTURE = torch.randn(SHAPE, generator=torch.Generator().manual_seed(7)) * SPREAD
KNOWN = network_of_picture(PICTURE)
NO_ENDS = {"DPM fast", "DPM adaptive"}  # they end at the least level, as timestep samplers do
STEPS = 6
CALLS = dict.fromkeys(ALL_SAMPLERS, STEPS) | {
    "DPM++ SDE": 11,
    "DPM++ 2S a": 11,
    "Heun": 11,
    "DPM2": 11,
    "DPM2 a": 11,
    "Restart": 11,
}  # a second-order step is two calls, the last one excepted


def initial_noise(seed: int = 1) -> Tensor:
    return picture_noise(Seeds(seed), 0, 1, "CPU", 0, SHAPE).draw_initial()


class StopAt:
    """A watch that asks to stop at one call, and remembers what it was shown."""

    def __init__(self, call: int, stop: Stop = Stop.INTERRUPT) -> None:
        self.call, self.stop = call, stop
        self.steps: list[int] = []
        self.estimates: list[Tensor | None] = []

    def __call__(self, step: int, estimate: Tensor | None) -> Stop:
        self.steps.append(step)
        self.estimates.append(estimate)
        return self.stop if len(self.steps) > self.call else Stop.NO


@pytest.mark.parametrize("name", ALL_SAMPLERS)
def test_a_known_picture_is_drawn(name: str) -> None:
    """DDIM and its kin leave the level of timestep 1 in it, DPM-Solver that of timestep 0."""
    left = (run_pass(name, KNOWN).latent[0] - PICTURE).abs().max()
    assert float(left) < (0.2 if name in NO_ENDS or name in TIMESTEP_SAMPLERS else 1e-3)


@pytest.mark.parametrize("name", sorted(set(ALL_SAMPLERS) - {"DPM adaptive", "DDIM CFG++"}))
def test_a_sampler_asks_the_network_as_often_as_its_order_says(name: str) -> None:
    # 1000 // 6 gives a seventh timestep: DDIM walks the 6 ways between them, PLMS looks ahead once
    calls = {"PLMS": 7, "UniPC": 7}.get(name, CALLS[name])
    assert run_pass(name).calls == calls


@pytest.mark.parametrize("name", ALL_SAMPLERS)
@pytest.mark.parametrize("stop", [Stop.SKIP, Stop.INTERRUPT])
def test_a_stop_is_heard_at_each_call_and_gives_the_last_estimate(name: str, stop: Stop) -> None:
    calls = 12 if name == "DPM adaptive" else run_pass(name).calls  # it takes forty
    for call in range(1, calls):
        watch = StopAt(call, stop)
        found = run_pass(name, watch=watch)
        assert (found.stopped, found.calls) == (stop, call)
        assert watch.estimates[-1] is not None
        assert torch.equal(found.latent, watch.estimates[-1])


@pytest.mark.parametrize("name", ["Euler", "DDIM"])
def test_a_stop_before_the_first_call_gives_the_start(name: str) -> None:
    found = run_pass(name, watch=StopAt(0))
    scale = float(TABLE.sigma_max) if name == "Euler" else 1.0
    assert found.calls == 0
    assert torch.allclose(found.latent, initial_noise() * scale)


@pytest.mark.parametrize("name", ALL_SAMPLERS)
def test_steps_are_told_in_order_once_a_call(name: str) -> None:
    watch = StopAt(10_000)
    found = run_pass(name, watch=watch)
    order = SAMPLERS[name].order
    assert watch.steps == [call // order for call in range(found.calls)]
    assert watch.estimates[0] is None


@pytest.mark.parametrize("name", sorted(set(ALL_SAMPLERS) - {"LCM"}))
def test_a_network_of_v_draws_what_the_same_network_of_eps_draws(name: str) -> None:
    eps, v = (
        run_pass(name, network, prediction=kind).latent
        for network, kind in ((gaussian_eps, Prediction.EPSILON), (gaussian_v, Prediction.V))
    )
    assert torch.allclose(eps, v, atol=0.02)


@pytest.mark.parametrize("name", sorted(set(ALL_SAMPLERS) - {"DPM adaptive"}))
def test_pictures_in_a_batch_are_those_drawn_alone(name: str) -> None:
    batch = run_pass(name, pictures=3).latent
    for place in range(3):
        alone = run_pass(name, first=place).latent
        assert torch.allclose(batch[place], alone[0], atol=1e-4)


@pytest.mark.parametrize("name", ALL_SAMPLERS)
def test_the_same_request_draws_the_same_picture_and_another_seed_another(name: str) -> None:
    first = run_pass(name).latent
    assert torch.equal(first, run_pass(name).latent)
    assert not torch.allclose(first, run_pass(name, seeds=Seeds(2)).latent, atol=1e-2)


@pytest.mark.parametrize("name", ALL_SAMPLERS)
def test_what_a_mask_keeps_is_kept_to_the_bit(name: str) -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 2:] = 1.0
    kept = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(3))
    found = run_pass(name, KNOWN, start=StartLatent(kept, 0.9, mask=mask)).latent
    assert torch.equal(found[..., :2], kept[..., :2])
    assert not torch.equal(found[..., 2:], kept[..., 2:])


def test_a_soft_mask_of_ones_is_none() -> None:
    kept = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(3))
    everywhere = torch.ones(1, 1, 4, 4)
    plain = run_pass("Euler", start=StartLatent(kept, 0.7)).latent
    soft = StartLatent(kept, 0.7, mask=everywhere, soft=SoftInpainting())
    assert torch.allclose(run_pass("Euler", start=soft).latent, plain, atol=1e-3)


@pytest.mark.parametrize("name", sorted(set(ALL_SAMPLERS) - {"UniPC", "DPM adaptive"}))
@pytest.mark.parametrize("strength", [0.3, 0.7])
def test_a_weaker_img2img_calls_the_network_less(name: str, strength: float) -> None:
    kept = torch.zeros(1, *SHAPE)
    steps = {"steps": 10}
    found = run_pass(name, start=StartLatent(kept, strength), settings=steps)
    whole = run_pass(name, start=StartLatent(kept, 1.0), settings=steps)
    assert 0 < found.calls < whole.calls
    assert found.calls / whole.calls == pytest.approx(strength, abs=0.15)


@pytest.mark.parametrize("name", ["Euler", "DPM++ 2M", "LCM"])
def test_a_start_carries_the_noise_of_its_first_level(name: str) -> None:
    """x = picture + multiplier * noise * sigma, and img2img_extra_noise of it once more."""
    seen: list[Tensor] = []

    def start(latent: Tensor, levels: Tensor) -> Tensor:
        seen.extend([latent, levels])
        return latent

    kept = torch.full((1, *SHAPE), 3.0)
    run_pass(
        name,
        start=StartLatent(kept, 0.5, noise_multiplier=0.5),
        step_hooks=StepHooks(start, lambda estimate: estimate),
        options=Snapshot(img2img_extra_noise=0.25),
    )
    latent, levels = seen
    assert torch.allclose(latent, kept + 0.5 * initial_noise() * (levels[0] + 0.25), atol=1e-5)


def test_sgm_noise_counts_the_picture_in() -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    for option in (False, True):
        hooks = StepHooks(lambda x, levels: seen.append((x, levels)) or x, lambda x: x)
        run_pass("Euler", step_hooks=hooks, options=Snapshot(sgm_noise_multiplier=option))
    (plain, levels), (counted, _) = seen
    assert torch.allclose(plain, initial_noise() * levels[0])
    assert torch.allclose(counted, initial_noise() * (1 + levels[0] ** 2).sqrt())


def test_found_noise_takes_the_place_of_the_seeds() -> None:
    """It holds the picture already: what is added to the picture leaves it out."""
    seen: list[Tensor] = []
    noise, kept = torch.full((1, *SHAPE), 2.0), torch.full((1, *SHAPE), 5.0)
    hooks = StepHooks(lambda x, levels: seen.append(x) or x, lambda x: x)
    start = StartLatent(kept, 1.0, inverted_noise=InvertedNoise(noise, 0.0))
    run_pass("Euler", start=start, step_hooks=hooks)
    assert torch.allclose(seen[0], noise * TABLE.sigma_max, rtol=1e-4)


@pytest.mark.parametrize("name", ALL_SAMPLERS)
def test_a_listener_that_replaces_each_estimate_decides_the_picture(name: str) -> None:
    other = torch.full((1, *SHAPE), 0.5)
    heard: list[Tensor] = []

    def step(estimate: Tensor) -> Tensor:
        heard.append(estimate)
        return other

    found = run_pass(name, step_hooks=StepHooks(lambda x, levels: x, step))
    assert len(heard) == found.calls
    if name != "LCM":
        assert float((found.latent - other).abs().max()) < 0.25  # the least level of noise
    else:
        assert torch.equal(found.latent, other)


def test_a_listener_may_replace_the_start() -> None:
    blank = StepHooks(lambda x, levels: torch.zeros_like(x), lambda x: x)
    assert float(run_pass("Euler", step_hooks=blank).latent.abs().max()) == 0


@pytest.mark.parametrize("name", ["Euler", "DDIM"])
def test_a_network_of_nan_is_refused_unless_nobody_minds(name: str) -> None:
    def broken(x: Tensor, *_: object) -> Tensor:
        return x * torch.nan

    with pytest.raises(NotANumber, match="NaNs was produced in Unet"):
        run_pass(name, broken)
    assert run_pass(name, broken, check_nan=False).latent.isnan().all()


def euler_like(denoise: Callable[..., Tensor], x: Tensor, sigmas: Tensor, draw: object) -> Tensor:
    for sigma, target in pairwise(sigmas):
        x = x + (x - denoise(x, sigma.repeat(len(x)))) / sigma * (target - sigma)
    return x


def test_a_plugins_sampler_runs_as_ours_do() -> None:
    tools = Tools(samplers={"Mine": euler_like})
    assert torch.allclose(run_pass("Mine", tools=tools).latent, run_pass("Euler").latent, atol=1e-4)


def test_a_plugins_sampler_takes_no_name_of_ours() -> None:
    thief = Tools(samplers={"Euler": lambda *_: torch.zeros(1, *SHAPE)})
    assert torch.equal(run_pass("Euler", tools=thief).latent, run_pass("Euler").latent)
    assert resolve_sampler("Euler", None, thief)[0] is SAMPLERS["Euler"]


def test_a_plugins_schedule_gets_the_models_ends_and_is_walked() -> None:
    asked: list[tuple[int, float, float]] = []
    walked: list[Tensor] = []

    def levels(steps: int, low: float, high: float) -> Tensor:
        asked.append((steps, low, high))
        return torch.linspace(high, 0, steps + 1)

    hooks = StepHooks(lambda x, sigmas: walked.append(sigmas) or x, lambda x: x)
    tools = Tools(schedules={"Straight": levels})
    run_pass("Euler", tools=tools, step_hooks=hooks, settings={"schedule": "Straight"})
    assert asked == [
        (STEPS, pytest.approx(float(TABLE.sigma_min)), pytest.approx(float(TABLE.sigma_max)))
    ]
    assert torch.equal(walked[0], torch.linspace(float(TABLE.sigma_max), 0, STEPS + 1))


def test_a_plugins_schedule_that_rises_is_refused() -> None:
    tools = Tools(schedules={"Up": lambda steps, low, high: torch.linspace(low, high, steps)})
    with pytest.raises(BadRequest, match="'Up' gives levels that do not fall to 0"):
        run_pass("Euler", tools=tools, settings={"schedule": "Up"})


def both_sides(x: Tensor, t: Tensor, context: Tensor, rows: object) -> Tensor:
    """Leads to the mean of the prompt's context: guidance shows in the picture."""
    sigma = TABLE.t_to_sigma(t)[:, None, None, None]
    return (x * (sigma**2 + 1) ** 0.5 - context.mean((1, 2))[:, None, None, None]) / sigma


def drawn(name: str, scale: float, **options: object) -> SampledLatent:
    return run_pass(
        name,
        both_sides,
        conditioning=prompts(1, 2.0, 1.0),
        settings={"guidance": scale},
        **options,
    )


@pytest.mark.parametrize("name", sorted(set(SIGMA_SAMPLERS) - NO_ENDS))
@pytest.mark.parametrize(("scale", "wanted"), [(0.0, 1.0), (1.0, 2.0), (7.0, 8.0)])
def test_guidance_goes_from_the_negative_past_the_positive(
    name: str, scale: float, wanted: float
) -> None:
    latent = drawn(name, scale).latent
    assert torch.allclose(latent, torch.tensor(wanted), atol=5e-3)


def test_guidance_of_ddim_cfgpp_is_divided() -> None:
    """Its scale of 12.5 is the others' 1 (Chung et al. 2024); its few steps overshoot a little."""
    shown = [float(drawn("DDIM CFG++", scale).latent.mean()) for scale in (0.0, 12.5, 25.0)]
    assert shown[:2] == pytest.approx([1.0, 2.0], abs=0.2)
    assert shown[2] - shown[1] == pytest.approx(shown[1] - shown[0])


@pytest.mark.parametrize("option", ["batch_cond_uncond", "pad_cond_uncond", "pad_cond_uncond_v0"])
def test_how_prompts_are_batched_changes_no_picture(option: str) -> None:
    usual = Snapshot()
    other = replace(usual, **{option: not getattr(usual, option)})
    found = [drawn("Euler", 7.0, options=options).latent for options in (usual, other)]
    assert torch.allclose(*found, atol=1e-5)


def test_no_guidance_early_or_late_shows_in_the_picture_as_the_positive_alone() -> None:
    for options in (
        Snapshot(skip_early_cond=1.0),
        Snapshot(s_min_uncond=100.0, s_min_uncond_all=True),
    ):
        assert torch.allclose(
            drawn("Euler", 7.0, options=options).latent, torch.tensor(2.0), atol=5e-3
        )
