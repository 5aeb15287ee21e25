"""Each recorded sampling, step by step: the recorded estimates go in, the recorded x must come.

No weights: the network answers what makes the recorded estimate, so an error of the sampler, its
levels or its noise shows at the first call where x differs.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from generator.prompt.conditioning import Conditioning, ScheduledContext, WeightedPrompt
from generator.request import Sampling, Seeds, Snapshot
from generator.sampling.lcm import distilled_table, distilled_timestep
from generator.sampling.noise import picture_noise
from generator.sampling.passes import SamplingPass, StartLatent, noise_schedule
from generator.sampling.predictor import NoisePredictor
from generator.sampling.sample import sample
from generator.sampling.samplers import Sampler, resolve_sampler
from generator.sampling.schedules import NoiseSchedule, scaled_linear

SUMS = 5e-4  # of the largest |x|: the recorded estimates are float32, and errors add up
# not replayable so: another network path, masks, two passes, or predictions that were not kept
OTHER = (
    "infotext_paste",
    "cn_",
    "extras",
    "inpaint",
    "script",
    "hires",
    "pnginfo",
    "refiner",
    "i2i_refiner",
)
UNKEPT = ("sampler_ddim_cfgpp", "steps_1_unipc")  # an unguided eps; a refused request


def recorded_names(goldens: Path) -> Iterator[str]:
    for path in sorted((goldens / "trace").glob("*.npz")):
        if not path.stem.startswith(OTHER) and path.stem not in UNKEPT:
            yield path.stem


class Replay:
    """Answers with the prediction that leads to the next recorded estimate."""

    def __init__(self, trace: Mapping[str, Any], sampler: Sampler, table: NoiseSchedule) -> None:
        self.trace, self.sampler, self.table = trace, sampler, table
        self.worst = 0.0
        self.calls = 0

    def __call__(self, x: Tensor, t: Tensor, *_: object) -> Tensor:
        level = float(self.trace["sigma"][self.calls])
        estimate = torch.from_numpy(self.trace[f"denoised_{self.calls}"])
        wanted = torch.from_numpy(self.trace[f"x_{self.calls}"][:1])
        walked = self.sampler.kind == "timestep"
        seen = x[:1] if walked else x[:1] * (level**2 + 1) ** 0.5
        self.worst = max(self.worst, float((seen - wanted).abs().max() / wanted.abs().max()))
        if walked:
            assert float(t[0]) == pytest.approx(level, abs=1e-3)
        self.calls += 1
        return self._prediction(seen, estimate, level).expand_as(x)

    def _prediction(self, x: Tensor, estimate: Tensor, level: float) -> Tensor:
        if self.sampler.kind == "timestep":
            return estimate
        if self.sampler.kind == "lcm":
            t = float(distilled_timestep(torch.tensor([level]), distilled_table(self.table))) * 10
            share = 0.25 / (t**2 + 0.25)
            estimate = (estimate - share * x) / (t / (t**2 + 0.25) ** 0.5)
        return (x - estimate) / level


def replay(goldens: Path, name: str) -> tuple[Replay, Tensor, Mapping[str, Any]]:
    body = json.loads((goldens / "cases" / f"{name}.request.json").read_text())["body"]
    with np.load(goldens / "trace" / f"{name}.npz", allow_pickle=True) as file:
        trace = {key: file[key] for key in file}
    options = options_of(goldens, body)
    name_asked = body.get("sampler_name") or body.get("sampler_index")
    sampler, label = resolve_sampler(name_asked, body.get("scheduler"))
    asked = {key: body.get(key) for key in ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise")}
    sampling = Sampling(sampler.name, label, body["steps"], body["cfg_scale"], **asked)
    table = noise_schedule(scaled_linear(), options)
    network = Replay(trace, sampler, table)
    start = None
    if "encoded_0" in trace:
        strength = body.get("denoising_strength", 0.75)
        start = StartLatent(
            torch.from_numpy(trace["encoded_0"]),
            strength,
            options.img2img_fix_steps,
            noise_multiplier=body.get("initial_noise_multiplier", options.initial_noise_multiplier),
        )
    stage = (ScheduledContext(10**6, torch.zeros(77, 8)),)
    conditioning = Conditioning(((WeightedPrompt(1.0, stage),),), (stage,))
    shape = trace["latents_0"].shape[1:]
    noise = picture_noise(
        seeds_of(body), 0, 1, options.randn_source, options.eta_noise_seed_delta, shape
    )
    found = sample(
        SamplingPass(NoisePredictor(network, table), sampling, options, start), conditioning, noise
    )
    return network, found.latent, trace


def options_of(goldens: Path, body: Mapping[str, Any]) -> Snapshot:
    config = json.loads((goldens / "checkpoint" / "config.json").read_text())
    known = set(Snapshot.__dataclass_fields__)
    values = {**config, **body.get("override_settings", {})}
    return Snapshot(**{key: value for key, value in values.items() if key in known})


def seeds_of(body: Mapping[str, Any]) -> Seeds:
    return Seeds(
        body["seed"],
        body.get("subseed", 0),
        body.get("subseed_strength", 0.0),
        body.get("seed_resize_from_w", 0),
        body.get("seed_resize_from_h", 0),
    )


def test_recorded_samplings_step_by_step(goldens: Path) -> None:
    names = list(recorded_names(goldens))
    assert len(names) > 100
    for name in names:
        network, latent, trace = replay(goldens, name)
        assert network.calls == len(trace.get("sigma", ())), name
        assert network.worst < SUMS, name
        wanted = torch.from_numpy(trace["latents_0"])
        assert float((latent - wanted).abs().max() / wanted.abs().max()) < SUMS, name


def test_a_replay_can_fail(goldens: Path) -> None:
    network, _, trace = replay(goldens, "sampler_euler")
    trace["x_5"] = trace["x_5"] * 1.01
    assert network.worst < SUMS
    network.calls = 5
    network(torch.from_numpy(trace["x_4"]), torch.zeros(2), torch.zeros(0))
    assert network.worst > SUMS
