"""Prompts of one denoiser call: whose row, which stage, how long; and guidance over them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from generator.prompt.conditioning import Conditioning, ScheduledContext, WeightedPrompt
from generator.sampling.contexts import Contexts, contexts_at
from generator.sampling.denoiser import Denoiser, Guidance
from generator.sampling.predictor import GuidanceSide, NoisePredictor, Rows
from tests.generator.sampling.analytic import FOREVER, TABLE, context, prompts

CPU = torch.device("cpu")


def stages(*ends_and_values: tuple[int, float], length: int = 77) -> tuple[ScheduledContext, ...]:
    return tuple(ScheduledContext(end, context(value, length)) for end, value in ends_and_values)


def contexts(positive: int, negative: int, rows: int = 2) -> Contexts:
    """Numbered vectors, so that it shows which were repeated or cut."""

    def numbered(length: int, start: float) -> Tensor:
        return (torch.arange(length)[None, :, None] + start).repeat(rows, 1, 4)

    return Contexts(numbered(positive, 0.0), numbered(negative, 1000.0), (0, 1), (1.0, 1.0))


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=25)
def test_repeated_negatives_are_as_long_as_the_positives(positive: int, negative: int) -> None:
    before = contexts(positive, negative)
    after = before.repeat_negatives()
    assert after.has_equal_lengths
    assert torch.equal(after.positive, before.positive)
    kept = min(positive, negative)
    assert torch.equal(after.negative[:, :kept], before.negative[:, :kept])
    assert (after.negative[:, negative:] == before.negative[:, -1:]).all()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
@settings(max_examples=25)
def test_the_shorter_side_is_filled_with_empty_prompts(
    positive: int, negative: int, empty: int
) -> None:
    before = contexts(positive, negative)
    filling = -torch.arange(1.0, empty + 1)[:, None].repeat(1, 4)
    after = before.fill_with_empty(filling)
    assert after.positive.shape[1] == after.negative.shape[1] == max(positive, negative)
    for old, new in ((before.positive, after.positive), (before.negative, after.negative)):
        assert torch.equal(new[:, : old.shape[1]], old)
        tail = new[:, old.shape[1] :, 0]
        assert tail.tolist() == [[-1.0 - i % empty for i in range(tail.shape[1])]] * 2


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5, unique=True), st.integers(0, 40))
@settings(max_examples=25)
def test_a_stage_holds_up_to_and_including_its_end(ends: list[int], call: int) -> None:
    ends = sorted(ends)
    row = stages(*((end, float(place)) for place, end in enumerate(ends)))
    found = contexts_at(Conditioning(((WeightedPrompt(1.0, row),),), (row,)), call, CPU)
    wanted = next((place for place, end in enumerate(ends) if call <= end), len(ends) - 1)
    assert float(found.positive.mean()) == float(found.negative.mean()) == wanted


def test_rows_keep_the_order_of_pictures_and_their_parts() -> None:
    def parts(*values: float) -> tuple[WeightedPrompt, ...]:
        return tuple(WeightedPrompt(value / 10, stages((FOREVER, value))) for value in values)

    asked = Conditioning((parts(1.0, 2.0), parts(3.0)), (stages((9, 0.0)),) * 2)
    found = contexts_at(asked, 0, CPU)
    assert found.owners == (0, 0, 1)
    assert found.positive.mean((1, 2)).tolist() == [1.0, 2.0, 3.0]
    assert found.weights == (0.1, 0.2, 0.3)


def test_shorter_prompts_of_a_batch_repeat_their_last_vector() -> None:
    short, long = torch.arange(3.0)[:, None], torch.arange(10.0, 15.0)[:, None]
    rows = tuple((WeightedPrompt(1.0, (ScheduledContext(9, each),)),) for each in (short, long))
    found = contexts_at(Conditioning(rows, (stages((9, 0.0)),) * 2), 0, CPU)
    assert found.positive[..., 0].tolist() == [[0, 1, 2, 2, 2], [10, 11, 12, 13, 14]]


def mean_of_context(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
    return torch.zeros_like(x) + context.mean((1, 2))[:, None, None, None]


def guided_eps(conditioning: Conditioning, scale: float, **options: object) -> list[float]:
    """What guidance makes of each picture's prompts, seen at a latent of zeros and sigma 1."""
    count = len(conditioning.negative)
    denoiser = Denoiser(
        NoisePredictor(mean_of_context, TABLE), conditioning, Guidance(scale, **options)
    )
    return (-denoiser(torch.zeros(count, 4, 2, 2), torch.ones(count)))[:, 0, 0, 0].tolist()


weights = st.floats(-2.0, 2.0)


@given(st.lists(st.tuples(weights, weights), min_size=1, max_size=4), weights, st.floats(0, 12))
@settings(max_examples=25)
def test_and_adds_each_parts_share_of_guidance(
    parts: list[tuple[float, float]], negative: float, scale: float
) -> None:
    """U + sum of w s (C - U), by Liu et al. (2022)."""
    row = tuple(WeightedPrompt(weight, stages((9, value))) for weight, value in parts)
    (found,) = guided_eps(Conditioning((row,), (stages((9, negative)),)), scale)
    wanted = negative + sum(weight * scale * (value - negative) for weight, value in parts)
    assert found == pytest.approx(wanted, abs=1e-3)


@given(st.lists(st.tuples(weights, weights), min_size=1, max_size=4))
@settings(max_examples=15)
def test_each_picture_is_guided_by_its_own_prompts(sides: list[tuple[float, float]]) -> None:
    asked = Conditioning(
        tuple((WeightedPrompt(1.0, stages((9, positive))),) for positive, _ in sides),
        tuple(stages((9, negative)) for _, negative in sides),
    )
    wanted = [negative + 3 * (positive - negative) for positive, negative in sides]
    assert guided_eps(asked, 3.0) == pytest.approx(wanted, abs=1e-3)
    assert guided_eps(asked, 3.0, batch_cond_uncond=False) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("pictures", [1, 3])
def test_rows_tell_whose_they_are_and_which_call_it_is(pictures: int) -> None:
    seen: list[Rows] = []

    def watch(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        seen.append(rows)
        return mean_of_context(x, t, context, rows)

    denoiser = Denoiser(NoisePredictor(watch, TABLE), prompts(pictures), Guidance(calls=5))
    for _ in range(2):
        denoiser(torch.zeros(pictures, 4, 2, 2), torch.ones(pictures))
    assert [rows.call for rows in seen] == [0, 1]
    assert {rows.calls for rows in seen} == {5}
    assert seen[0].owners == tuple(range(pictures)) * 2
    assert (
        seen[0].sides == (GuidanceSide.POSITIVE,) * pictures + (GuidanceSide.NEGATIVE,) * pictures
    )


def test_the_negatives_own_prediction_is_kept_for_cfg_plus_plus() -> None:
    denoiser = Denoiser(NoisePredictor(mean_of_context, TABLE), prompts(1, 3.0, 1.0), Guidance(7.0))
    x, t = torch.zeros(1, 4, 2, 2), torch.tensor([500.0])
    assert float(denoiser.predict_noise(x, t).mean()) == pytest.approx(15.0)
    assert denoiser.negative is not None
    assert float(denoiser.negative.mean()) == pytest.approx(1.0)


@given(st.integers(1, 999), st.floats(-2.0, 2.0))
@settings(max_examples=20)
def test_the_estimate_at_a_timestep_takes_the_noise_off(t: int, value: float) -> None:
    denoiser = Denoiser(NoisePredictor(mean_of_context, TABLE), prompts(1, value), Guidance(1.0))
    alpha = float(TABLE.alphas_cumprod[t])
    x = torch.full((1, 4, 2, 2), alpha**0.5 * 0.7 + (1 - alpha) ** 0.5 * value)
    denoiser.predict_noise(x, torch.tensor([t]))
    assert denoiser.estimate is not None
    assert torch.allclose(denoiser.estimate, torch.tensor(0.7), atol=1e-3)


@pytest.mark.parametrize("calls", [4, 10])
@given(share=st.floats(0.01, 1.0))
@settings(max_examples=15)
def test_the_negative_is_left_out_for_a_share_of_the_calls(calls: int, share: float) -> None:
    sides: list[int] = []

    def watch(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        sides.append(len(set(rows.sides)))
        return mean_of_context(x, t, context, rows)

    guidance = Guidance(calls=calls, skip_early_cond=share)
    denoiser = Denoiser(NoisePredictor(watch, TABLE), prompts(), guidance)
    for _ in range(calls):
        denoiser(torch.zeros(1, 4, 2, 2), torch.ones(1))
    assert sides == sorted(sides)  # without it first, then with it for good
    assert sides.count(1) == min(int(share * calls + 1e-9) + 1, calls)


def test_time_inside_the_network_is_counted_and_only_that(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 1000, 7))
    monkeypatch.setattr("generator.sampling.denoiser.time.perf_counter", lambda: next(ticks))
    denoiser = Denoiser(NoisePredictor(mean_of_context, TABLE), prompts(), Guidance())
    for _ in range(3):
        denoiser(torch.zeros(1, 4, 2, 2), torch.ones(1))
    assert denoiser.calls == 3
    assert denoiser.seconds == 21
