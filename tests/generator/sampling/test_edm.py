"""Continuous noise: the formulas of Karras et al., the noise levels, and samplers that arrive."""

import math

import pytest
import torch
from diffusers import EDMEulerScheduler
from torch import Tensor

from generator.models.families.family import EdmNoise, Prediction
from generator.request import Sampling, Seeds, Snapshot
from generator.sampling.edm import clean_latent, edm_schedule, network_time, scale_input
from generator.sampling.noise import picture_noise
from generator.sampling.passes import SamplingPass
from generator.sampling.predictor import NoisePredictor, Rows
from generator.sampling.sample import sample
from generator.sampling.step_hooks import StepHooks
from tests.generator.sampling.analytic import prompts

PLAYGROUND, COSXL = EdmNoise(), EdmNoise(0.01, 130.0, 1.0, "Exponential")
BOTH = [(PLAYGROUND, Prediction.EDM), (COSXL, Prediction.V)]
SHAPE = (4, 16, 16)


@pytest.mark.parametrize(("noise", "prediction"), BOTH)
def test_the_formulas_are_those_of_the_paper_and_of_diffusers(
    noise: EdmNoise, prediction: Prediction
) -> None:
    x, output = torch.randn(2, *SHAPE), torch.randn(2, *SHAPE)
    named = "v_prediction" if prediction is Prediction.V else "epsilon"
    theirs = EDMEulerScheduler(
        noise.sigma_min, noise.sigma_max, noise.sigma_data, prediction_type=named
    )
    for level in (noise.sigma_min, 0.7, noise.sigma_max):
        sigma, data = torch.tensor(level), noise.sigma_data
        total = level**2 + data**2
        c_out = level * data / math.sqrt(total) * (-1 if prediction is Prediction.V else 1)
        found = clean_latent(x, sigma, output, data, prediction)
        assert torch.allclose(found, data**2 / total * x + c_out * output, atol=1e-4)
        assert torch.allclose(found, theirs.precondition_outputs(x, output, sigma), atol=1e-4)
        assert torch.allclose(scale_input(x, sigma, data), x / math.sqrt(total), rtol=1e-5)
        place = edm_schedule(noise).sigma_to_t(sigma)
        assert float(network_time(noise, place)) == pytest.approx(math.log(level) / 4, abs=1e-5)


@pytest.mark.parametrize(("noise", "prediction"), BOTH)
def test_its_table_has_its_range_and_is_not_bent(noise: EdmNoise, prediction: Prediction) -> None:
    table = edm_schedule(noise)
    assert float(table.sigma_min) == pytest.approx(noise.sigma_min)
    assert float(table.sigma_max) == pytest.approx(noise.sigma_max)
    assert torch.allclose(table.log_sigmas.diff(), table.log_sigmas.diff().mean(), atol=1e-5)
    assert table.zero_terminal_snr() is table
    assert table.downcast() is table


def draw(
    noise: EdmNoise, prediction: Prediction, sampler: str, spread: float, schedule: str, steps: int
) -> tuple[Tensor, Tensor]:
    """(the levels walked, what is drawn) of a network that knows pictures N(0, spread^2)."""
    table, data = edm_schedule(noise), noise.sigma_data
    walked: list[Tensor] = []

    def predict(scaled: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        sigma = (4 * network_time(noise, t)).exp()[:, None, None, None]
        total = sigma**2 + data**2
        x = scaled * total**0.5
        known = x * spread**2 / (sigma**2 + spread**2)
        sign = -1 if prediction is Prediction.V else 1
        return sign * (known - data**2 / total * x) * total**0.5 / (sigma * data)

    def start(latent: Tensor, levels: Tensor) -> Tensor:
        walked.append(levels)
        return latent

    hooks = StepHooks(start=start, step=lambda estimate: estimate)
    work = SamplingPass(
        NoisePredictor(predict, table, prediction, edm=noise),
        Sampling(sampler, steps=steps, schedule=schedule),
        Snapshot(),
        step_hooks=hooks,
    )
    latent = sample(work, prompts(1), picture_noise(Seeds(1), 0, 1, "CPU", 0, SHAPE)).latent
    return walked[0], latent


@pytest.mark.parametrize(("noise", "prediction"), BOTH)
@pytest.mark.parametrize(
    "sampler", ["Euler", "Euler a", "DPM++ 2M", "DPM++ SDE", "Heun", "DDIM", "UniPC", "PLMS", "LCM"]
)
def test_samplers_arrive_at_the_pictures_spread(
    noise: EdmNoise, prediction: Prediction, sampler: str
) -> None:
    spread = 0.6 * noise.sigma_data
    _, latent = draw(noise, prediction, sampler, spread, "Automatic", 40)
    if sampler == "LCM":  # each of its steps ends at the mean of all pictures
        assert float(latent.std()) < spread
        return
    assert float(latent.std()) == pytest.approx(spread, rel=0.15)


def test_automatic_is_the_models_own_schedule_from_end_to_end() -> None:
    for noise, prediction in BOTH:
        levels, _ = draw(noise, prediction, "Euler", 0.3, "Automatic", 8)
        assert float(levels[0]) == pytest.approx(noise.sigma_max, rel=1e-4)
        assert float(levels[-2]) == pytest.approx(noise.sigma_min, rel=1e-3)
        assert float(levels[-1]) == 0
        named, _ = draw(noise, prediction, "Euler", 0.3, noise.schedule, 8)
        assert torch.equal(levels, named)
    theirs = EDMEulerScheduler(0.002, 80.0, 0.5, sigma_schedule="karras")
    theirs.set_timesteps(8)
    levels, _ = draw(PLAYGROUND, Prediction.EDM, "Euler", 0.3, "Automatic", 8)
    assert torch.allclose(levels, theirs.sigmas, rtol=1e-4, atol=1e-6)
