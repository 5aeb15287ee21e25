"""Another network takes over within a pass, at the right moment and with its own prompts."""

import pytest
import torch
from torch import Tensor

from generator.prompt.conditioning import Conditioning, ScheduledContext, WeightedPrompt
from generator.request import Sampling, Seeds
from generator.sampling.noise import picture_noise
from generator.sampling.passes import SamplingPass
from generator.sampling.predictor import (
    GuidanceSide,
    NoisePredictor,
    RefinerNetwork,
    RefinerSwitch,
    Rows,
)
from generator.sampling.sample import sample
from generator.sampling.schedules import scaled_linear

TABLE = scaled_linear()


def prompts(value: float) -> Conditioning:
    stage = (ScheduledContext(10**6, torch.full((77, 4), value)),)
    return Conditioning(((WeightedPrompt(1.0, stage),),), (stage,))


class Recorder:
    def __init__(self, calls: list[tuple[str, float, float]], name: str) -> None:
        self.calls, self.name = calls, name

    def __call__(self, x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        self.calls.append((self.name, float(t[0]), float(context.mean())))
        return x * 0.1


def record_calls(
    sampler: str, switch_at: float, by_steps: bool = False
) -> list[tuple[str, float, float]]:
    calls: list[tuple[str, float, float]] = []

    def take_over() -> RefinerNetwork:
        return RefinerNetwork(NoisePredictor(Recorder(calls, "refiner"), TABLE), prompts(2.0))

    work = SamplingPass(
        NoisePredictor(Recorder(calls, "base"), TABLE),
        Sampling(sampler, "Automatic", 10),
        refiner_switch=RefinerSwitch(switch_at, by_steps, take_over),
    )
    sample(work, prompts(1.0), picture_noise(Seeds(1), 0, 1, "CPU", 0, (4, 8, 8)))
    return calls


@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "Heun", "DDIM", "UniPC"])
@pytest.mark.parametrize("share", [0.3, 0.75])
def test_switches_once_when_the_share_of_noise_is_done(sampler: str, share: float) -> None:
    calls = record_calls(sampler, share)
    names = [name for name, _, _ in calls]
    assert names == sorted(names)  # base first, then the refiner for good
    for name, t, prompt in calls:
        assert (name == "refiner") == (round(999 - t) / 1000 >= share), (t, calls)
        assert prompt == (2.0 if name == "refiner" else 1.0)


def test_switches_by_steps_where_asked() -> None:
    names = [name for name, _, _ in record_calls("Heun", 0.5, by_steps=True)]
    assert names.count("base") == 10  # of 20 calls planned, 2 a step


def test_may_switch_at_the_very_first_step() -> None:
    assert {name for name, _, _ in record_calls("Euler", 0.0)} == {"refiner"}


def test_never_switches_where_the_share_is_not_reached() -> None:
    assert {name for name, _, _ in record_calls("Euler", 1.0)} == {"base"}


def test_two_scales_follow_prompt_and_picture() -> None:
    """InstructPix2Pix: U + s (C - N) + p (N - U), where only U sees no picture."""
    seen: list[Rows] = []

    def predict(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        seen.append(rows)
        levels = {GuidanceSide.POSITIVE: 5.0, GuidanceSide.NEGATIVE: 3.0, GuidanceSide.BLANK: 1.0}
        eps = x.new_tensor([levels[side] for side in rows.sides])
        return torch.zeros_like(x) + eps[:, None, None, None]

    network = NoisePredictor(predict, TABLE, image_guidance=1.5)
    work = SamplingPass(network, Sampling("Euler", "Automatic", 1, guidance=7.0))
    found = sample(work, prompts(1.0), picture_noise(Seeds(1), 0, 1, "CPU", 0, (4, 8, 8)))
    start = picture_noise(Seeds(1), 0, 1, "CPU", 0, (4, 8, 8)).draw_initial() * TABLE.sigma_max
    assert torch.allclose(start - found.latent, torch.full((1,), 18.0) * TABLE.sigma_max, rtol=1e-4)
    assert seen[0].sides == (GuidanceSide.POSITIVE, GuidanceSide.NEGATIVE, GuidanceSide.BLANK)
