"""Noise levels against the recorded ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from generator.request import Snapshot
from generator.sampling.lcm import distilled_table, distilled_timestep
from generator.sampling.loops import img2img_steps, sigmas_for
from generator.sampling.passes import noise_schedule
from generator.sampling.sampler_names import SCHEDULE_NAMES
from generator.sampling.samplers import SAMPLERS
from generator.sampling.schedules import scaled_linear

TABLE = scaled_linear()


def test_the_model_table_is_the_recorded(goldens: Path) -> None:
    with np.load(goldens / "unit_arrays.npz") as arrays:
        assert np.allclose(TABLE.alphas_cumprod.numpy(), arrays["alphas_cumprod"], rtol=1e-6)
        assert np.allclose(TABLE.sigmas.numpy(), arrays["model_sigmas"], rtol=1e-6)


@pytest.mark.parametrize("label", [s.label for s in SCHEDULE_NAMES])
def test_schedules_equal_the_recorded(goldens: Path, label: str) -> None:
    recorded = json.loads((goldens / "unit.json").read_text())["sigmas"]
    cases = {key: levels for key, levels in recorded.items() if key.startswith(label + "|")}
    assert cases
    for key, wanted in cases.items():
        _, sampler, steps = key.split("|")
        found = sigmas_for(SAMPLERS[sampler], label, int(steps), TABLE, Snapshot())
        assert found.tolist() == pytest.approx(wanted, rel=1e-6), key


def test_image_steps_equal_the_recorded(goldens: Path) -> None:
    recorded = json.loads((goldens / "unit.json").read_text())["img2img_steps"]
    for steps, strength, fixed, wanted_steps, wanted_index in recorded:
        assert img2img_steps(steps, strength, fixed) == (wanted_steps, wanted_index)


def test_timesteps_and_levels_convert_both_ways() -> None:
    t = torch.tensor([0.0, 0.5, 400.25, 999.0])
    assert torch.allclose(TABLE.sigma_to_t(TABLE.t_to_sigma(t)).float(), t, atol=0.02)
    assert TABLE.sigma_to_t(TABLE.sigmas[[3, 700]], quantize=True).tolist() == [3, 700]
    assert float(TABLE.sigma_to_t(torch.tensor([1e6]))) == 999.0


def test_options_bend_the_range() -> None:
    options = Snapshot(sigma_min=0.5, sigma_max=8.0, rho=3.0)
    karras = sigmas_for(SAMPLERS["Euler"], "Karras", 6, TABLE, options)
    assert karras[0] == pytest.approx(8.0)
    assert karras[-2] == pytest.approx(0.5)
    uniform = sigmas_for(SAMPLERS["Euler"], "Uniform", 6, TABLE, options)
    assert float(uniform[0]) == pytest.approx(float(TABLE.sigma_max))
    old = Snapshot(use_old_karras_scheduler_sigmas=True)
    assert sigmas_for(SAMPLERS["DPM2"], "Karras", 6, TABLE, old)[0] == pytest.approx(10.0)


def test_penultimate_level_is_discarded() -> None:
    kept = sigmas_for(SAMPLERS["Euler"], "Karras", 7, TABLE, Snapshot())
    dropped = sigmas_for(SAMPLERS["DPM2"], "Karras", 6, TABLE, Snapshot())
    assert dropped.tolist() == [*kept.tolist()[:-2], 0.0]
    option = Snapshot(always_discard_next_to_last_sigma=True)
    forced = sigmas_for(SAMPLERS["Euler"], "Karras", 6, TABLE, option)
    assert forced.tolist() == dropped.tolist()


def test_kl_optimal_ends_above_zero() -> None:
    levels = sigmas_for(SAMPLERS["Euler"], "KL Optimal", 5, TABLE, Snapshot())
    assert float(levels[-1]) == pytest.approx(float(TABLE.sigma_min), rel=1e-4)


def test_zero_terminal_snr_and_downcast() -> None:
    bent = noise_schedule(TABLE, Snapshot(sd_noise_schedule="Zero Terminal SNR"))
    assert float(bent.sigma_max) == pytest.approx(4518.8, rel=1e-3)
    assert float(bent.alphas_cumprod[0]) == pytest.approx(float(TABLE.alphas_cumprod[0]))
    half = noise_schedule(TABLE, Snapshot(use_downcasted_alpha_bar=True))
    assert torch.allclose(half.alphas_cumprod, TABLE.alphas_cumprod.half().float(), rtol=1e-3)


def test_distilled_table() -> None:
    thin = distilled_table(TABLE)
    assert len(thin.sigmas) == 50
    assert distilled_timestep(TABLE.sigmas[[999, 19, 505]], thin).tolist() == [999, 19, 499]
