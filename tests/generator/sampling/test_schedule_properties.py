"""What holds of noise levels whatever the schedule, the number of steps and the options."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import BadRequest
from generator.models.families.family import NoiseTable
from generator.request import Snapshot
from generator.sampling.loops import check_levels, img2img_steps, sigmas_for
from generator.sampling.passes import noise_schedule
from generator.sampling.sampler_names import SCHEDULE_NAMES, find_schedule
from generator.sampling.samplers import SAMPLERS
from generator.sampling.schedules import (
    SCHEDULES,
    ScheduleOptions,
    SigmaRange,
    align_your_steps,
    scaled_linear,
    schedule_for,
    sigmas_between,
)

TABLE = scaled_linear()
LOW, HIGH = float(TABLE.sigma_min), float(TABLE.sigma_max)
LABELS = [entry.label for entry in SCHEDULE_NAMES]
RANGED = ["Karras", "Exponential", "Polyexponential", "Normal", "Beta", "KL Optimal"]
"""Schedules that run from sigma_max to sigma_min, both included."""


@pytest.mark.parametrize("label", LABELS)
@given(n=st.integers(1, 150))
@settings(max_examples=20)
def test_levels_fall_and_end_at_nothing(label: str, n: int) -> None:
    levels = sigmas_between(label, n, TABLE)
    assert levels.dtype == torch.float32
    assert torch.isfinite(levels).all()
    assert (levels.diff() < 0).all()
    if label == "KL Optimal":
        assert float(levels[-1]) == pytest.approx(LOW, rel=1e-4)
    else:
        assert float(levels[-1]) == 0


@pytest.mark.parametrize("label", LABELS)
@given(n=st.integers(2, 150))
@settings(max_examples=10)
def test_a_schedule_has_a_level_a_step_and_one_more(label: str, n: int) -> None:
    count = len(sigmas_between(label, n, TABLE))
    if label == "DDIM":
        assert count >= n + 1  # its stride is a whole number
    else:
        assert count == n + 1


@pytest.mark.parametrize("label", LABELS)
def test_no_steps_walk_no_levels(label: str) -> None:
    assert sigmas_between(label, 0, TABLE).tolist() == [0.0]
    assert sigmas_between(label, -3, TABLE).tolist() == [0.0]


@pytest.mark.parametrize("label", sorted(set(LABELS) - {"Align Your Steps", "DDIM"}))
@given(n=st.integers(2, 150))
@settings(max_examples=10)
def test_a_schedule_begins_at_the_models_highest_level(label: str, n: int) -> None:
    assert float(sigmas_between(label, n, TABLE)[0]) == pytest.approx(HIGH, rel=1e-3)


@pytest.mark.parametrize("label", RANGED)
@given(n=st.integers(2, 60), low=st.floats(0.03, 0.9), high=st.floats(1.0, 14.0))
@settings(max_examples=15)
def test_the_options_ends_are_walked(label: str, n: int, low: float, high: float) -> None:
    options = ScheduleOptions(sigma_min=low, sigma_max=high)
    levels = sigmas_between(label, n, TABLE, options)
    last = levels[-1] if label == "KL Optimal" else levels[-2]
    assert float(levels[0]) == pytest.approx(high, rel=1e-3)
    assert float(last) == pytest.approx(low, rel=1e-3)


@pytest.mark.parametrize("label", ["Simple", "DDIM", "Uniform", "Automatic", "Align Your Steps"])
def test_schedules_of_the_models_table_know_no_other_ends(label: str) -> None:
    options = ScheduleOptions(sigma_min=0.5, sigma_max=2.0)
    assert torch.equal(
        sigmas_between(label, 9, TABLE, options), sigmas_between(label, 9, TABLE, None)
    )


@pytest.mark.parametrize("label", ["Uniform", "Automatic", "Simple", "DDIM"])
@given(n=st.integers(1, 100))
@settings(max_examples=10)
def test_schedules_of_the_models_table_stay_inside_it(label: str, n: int) -> None:
    levels = sigmas_between(label, n, TABLE)[:-1]
    assert float(levels.min()) >= LOW * (1 - 1e-5)
    assert float(levels.max()) <= HIGH * (1 + 1e-5)
    if label in ("Simple", "DDIM"):  # they only pick
        distance = (levels[:, None] - TABLE.sigmas[None]).abs().min(dim=1).values
        assert float(distance.max()) == 0


@pytest.mark.parametrize(
    "label", ["Exponential", "Karras", "Polyexponential", "Uniform", "Normal", "Beta"]
)
@given(n=st.integers(2, 40))
@settings(max_examples=10)
def test_twice_as_fine_a_schedule_meets_all_levels_of_the_coarse_one(label: str, n: int) -> None:
    coarse = sigmas_between(label, n, TABLE)[:-1]
    fine = sigmas_between(label, 2 * n - 1, TABLE)[:-1]
    assert torch.allclose(fine[::2], coarse, rtol=1e-3)


@given(st.integers(3, 60))
@settings(max_examples=15)
def test_exponential_levels_keep_their_ratio(n: int) -> None:
    levels = sigmas_between("Exponential", n, TABLE)[:-1]
    ratios = levels[1:] / levels[:-1]
    assert torch.allclose(ratios, ratios[0], rtol=1e-4)


@given(st.integers(3, 60))
@settings(max_examples=15)
def test_a_polyexponential_of_rho_one_is_exponential(n: int) -> None:
    one = sigmas_between("Polyexponential", n, TABLE, ScheduleOptions(rho=1.0))
    assert torch.allclose(one, sigmas_between("Exponential", n, TABLE), rtol=1e-4)


@given(st.integers(4, 60), st.floats(1.5, 6.0))
@settings(max_examples=15)
def test_a_larger_rho_spends_more_of_karras_levels_near_the_end(n: int, rho: float) -> None:
    flat = sigmas_between("Karras", n, TABLE, ScheduleOptions(rho=rho))
    bent = sigmas_between("Karras", n, TABLE, ScheduleOptions(rho=rho + 1))
    assert (bent[1 : n - 1] < flat[1 : n - 1]).all()


@given(st.integers(4, 60), st.floats(1.0, 6.0))
@settings(max_examples=15)
def test_polyexponential_levels_are_a_power_of_an_even_spacing(n: int, rho: float) -> None:
    levels = sigmas_between("Polyexponential", n, TABLE, ScheduleOptions(rho=rho))[:-1].double()
    shares = (levels.log() - math.log(LOW)) / (math.log(HIGH) - math.log(LOW))
    even = shares.clamp(min=0) ** (1 / rho)
    assert torch.allclose(even[: n // 2].diff(), torch.tensor(-1 / (n - 1)).double(), atol=1e-3)


def test_karras_of_rho_one_is_linear() -> None:
    levels = sigmas_between("Karras", 11, TABLE, ScheduleOptions(rho=1.0))[:-1]
    assert torch.allclose(levels.diff(), levels.diff()[0], rtol=1e-3)


@given(st.floats(0.3, 1.0), st.floats(0.3, 1.0), st.integers(3, 30))
@settings(max_examples=15)
def test_beta_levels_mirror_where_its_two_numbers_change_places(
    alpha: float, beta: float, n: int
) -> None:
    def inner(a: float, b: float) -> torch.Tensor:
        options = ScheduleOptions(beta_alpha=a, beta_beta=b)
        return sigmas_between("Beta", n, TABLE, options)[:-1]

    mirrored = LOW + HIGH - inner(beta, alpha).flip(0)
    assert torch.allclose(inner(alpha, beta), mirrored, atol=1e-3)


@pytest.mark.parametrize("sdxl", [False, True])
def test_eleven_aligned_steps_are_the_papers_table(sdxl: bool) -> None:
    span = SigmaRange(LOW, HIGH, TABLE, ScheduleOptions(sdxl=sdxl), 1.0)
    levels = align_your_steps(11, span)
    assert float(levels[1]) == pytest.approx(6.315 if sdxl else 6.475)
    ends = [align_your_steps(n, span)[[0, -2]].tolist() for n in (2, 5, 11, 40)]
    assert all(each == pytest.approx([14.615, 0.029], rel=1e-4) for each in ends)
    # 10 intervals cut in two: each of the table's levels is met, and the geometric middles
    fine = align_your_steps(21, span)[:-1]
    assert torch.allclose(fine[::2], levels[:-1], rtol=1e-4)
    assert torch.allclose(fine[1::2], (levels[:-2] * levels[1:-1]).sqrt(), rtol=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("label", ["Karras", "Automatic", "SGM Uniform"])
def test_a_discarded_level_changes_no_other_and_no_count(sampler: str, label: str) -> None:
    levels = sigmas_for(SAMPLERS[sampler], label, 8, TABLE, Snapshot())
    assert len(levels) == 9
    used = schedule_for(SAMPLERS[sampler].default_schedule, label)
    if SAMPLERS[sampler].discards_penultimate:
        whole = sigmas_between(used, 9, TABLE)
        assert torch.equal(levels, whole[[0, 1, 2, 3, 4, 5, 6, 7, 9]])
    else:
        assert torch.equal(levels, sigmas_between(used, 8, TABLE))


@pytest.mark.parametrize("entry", SCHEDULE_NAMES, ids=lambda entry: entry.name)
def test_a_schedule_is_found_by_each_of_its_names_and_means_itself(entry) -> None:
    for text in (entry.name, entry.label, *(entry.aliases or ())):
        assert find_schedule(text) is entry
    if entry.label != "Automatic":
        assert schedule_for("karras", entry.label) == entry.label


def test_automatic_means_the_samplers_schedule_else_the_models() -> None:
    assert schedule_for("exponential", "Automatic") == "Exponential"
    assert schedule_for(None, "Automatic") == "Automatic"
    assert schedule_for("karras", "of a plugin that is gone") == "Karras"


def test_each_schedule_is_a_function_of_its_own_but_for_uniform() -> None:
    drawn = {label: sigmas_between(label, 10, TABLE) for label in SCHEDULES}
    for label, levels in drawn.items():
        twins = {each for each, other in drawn.items() if torch.equal(levels, other)} - {label}
        alike = {"Exponential": {"Polyexponential"}, "Polyexponential": {"Exponential"}}
        table = {"Automatic", "Uniform", "Normal"}
        allowed = alike.get(label, table if label in table else set())
        assert twins <= allowed


@given(st.floats(0.0, 999.0), st.floats(0.0, 999.0))
@settings(max_examples=25)
def test_later_timesteps_are_noisier(one: float, other: float) -> None:
    levels = TABLE.t_to_sigma(torch.tensor(sorted((one, other))))
    assert levels[0] <= levels[1] * (1 + 1e-6)


@given(st.floats(0.03, 14.6))
@settings(max_examples=25)
def test_the_quantized_timestep_is_the_nearest_of_all(sigma: float) -> None:
    level = torch.tensor([sigma])
    t = int(TABLE.sigma_to_t(level, quantize=True))
    distances = (TABLE.log_sigmas - math.log(sigma)).abs()
    assert float(distances[t]) == pytest.approx(float(distances.min()), abs=1e-6)
    assert abs(float(TABLE.sigma_to_t(level)) - t) <= 1


@given(st.lists(st.floats(0.03, 14.6), min_size=6, max_size=6))
@settings(max_examples=20)
def test_timesteps_keep_the_shape_of_their_levels(levels: list[float]) -> None:
    flat = torch.tensor(levels)
    square = flat.reshape(2, 3)
    for quantize in (False, True):
        found = TABLE.sigma_to_t(square, quantize)
        assert found.shape == (2, 3)
        assert torch.equal(found.flatten(), TABLE.sigma_to_t(flat, quantize))


@given(st.floats(1e-6, 1e-2), st.floats(15.0, 1e6))
@settings(max_examples=25)
def test_levels_outside_the_table_are_its_ends(below: float, above: float) -> None:
    assert TABLE.sigma_to_t(torch.tensor([below, above])).tolist() == [0.0, 999.0]


def test_zero_terminal_snr_keeps_the_order_of_levels_and_the_first_one() -> None:
    bent = TABLE.zero_terminal_snr()
    assert (bent.alphas_cumprod.diff() < 0).all()
    assert float(bent.sigma_min) == pytest.approx(LOW, rel=1e-4)
    assert float(bent.alphas_cumprod[-1].sqrt()) < 3e-4
    # the roots of the shares are moved and stretched, nothing else
    stretched = bent.alphas_cumprod[:-1].sqrt().double() - bent.alphas_cumprod[0].sqrt()
    plain = TABLE.alphas_cumprod[:-1].sqrt().double() - TABLE.alphas_cumprod[0].sqrt()
    ratio = (stretched / plain)[100:]
    assert float(ratio.max() - ratio.min()) < 1e-4


def test_both_bends_of_the_table_go_together() -> None:
    both = noise_schedule(
        TABLE, Snapshot(use_downcasted_alpha_bar=True, sd_noise_schedule="Zero Terminal SNR")
    )
    assert torch.equal(both.alphas_cumprod, TABLE.downcast().zero_terminal_snr().alphas_cumprod)
    assert noise_schedule(TABLE, Snapshot()) is TABLE


@given(st.floats(1e-4, 1e-3), st.floats(5e-3, 0.1), st.integers(10, 2000))
@settings(max_examples=20)
def test_a_scaled_linear_table_falls_from_its_first_beta(
    start: float, end: float, count: int
) -> None:
    alphas = scaled_linear(NoiseTable(start, end, count)).alphas_cumprod
    assert len(alphas) == count
    assert float(alphas[0]) == pytest.approx(1 - start, rel=1e-5)
    assert float(alphas[-1] / alphas[-2]) == pytest.approx(1 - end, rel=1e-3)
    assert (alphas.diff() <= 0).all()


@given(st.integers(1, 150), st.floats(0.0, 1.0))
@settings(max_examples=25)
def test_a_weaker_img2img_walks_fewer_steps(steps: int, strength: float) -> None:
    schedule, index = img2img_steps(steps, strength, False)
    assert schedule == steps
    assert 0 <= index < steps
    assert index == pytest.approx(strength * steps, abs=1.2)


@given(st.integers(1, 150), st.floats(0.01, 1.0))
@settings(max_examples=25)
def test_fixed_steps_are_walked_whatever_the_strength(steps: int, strength: float) -> None:
    """The schedule is made longer, so that its last ``steps`` begin at the strength's share."""
    schedule, index = img2img_steps(steps, strength, True)
    assert index + 1 == steps
    assert schedule >= steps
    assert steps / schedule == pytest.approx(min(strength, 0.999), abs=1.5 / steps)


def test_no_strength_needs_no_schedule() -> None:
    assert img2img_steps(20, 0.0, True) == (0, 19)
    assert img2img_steps(20, 0.0, False) == (20, 0)


@pytest.mark.parametrize(
    "levels",
    [
        [3.0, 2.0, 1.0],  # does not end at 0
        [3.0, 3.0, 0.0],  # stands still
        [1.0, 2.0, 0.0],  # rises
        [0.0],  # no step
        [[2.0, 0.0]],  # no line
        [2.0, -1.0],
        [math.nan, 0.0],
    ],
)
def test_levels_of_a_plugin_that_do_not_fall_to_nothing_are_refused(levels: list) -> None:
    with pytest.raises(BadRequest, match="The schedule 'Mine' gives levels") as refusal:
        check_levels(torch.tensor(levels), "Mine")
    assert refusal.value.field == "scheduler"


def test_levels_of_a_plugin_are_taken_in_any_precision() -> None:
    wanted = [3.0, 1.5, 0.0]
    for kind in (torch.float16, torch.float64, torch.int32):
        levels = torch.tensor(wanted).to(kind).requires_grad_(kind is not torch.int32)
        found = check_levels(levels, "Mine")
        assert (found.dtype, found.requires_grad) == (torch.float32, False)
        assert found.tolist() == (wanted if kind is not torch.int32 else [3.0, 1.0, 0.0])
