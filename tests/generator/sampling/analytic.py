"""Networks that are known in closed form, and passes that sample with them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from generator.models.families.family import Prediction
from generator.prompt.conditioning import Conditioning, ScheduledContext, WeightedPrompt
from generator.request import Sampling, Seeds
from generator.sampling.noise import picture_noise
from generator.sampling.passes import SampledLatent, SamplingPass
from generator.sampling.predictor import NoisePredictor, Rows
from generator.sampling.sample import sample
from generator.sampling.sampler_names import SAMPLER_NAMES
from generator.sampling.schedules import NoiseSchedule, scaled_linear

TABLE = scaled_linear()
SHAPE = (4, 4, 4)
SPREAD = 0.5  # standard deviation of the Gaussian data
FOREVER = 10**6
ALL_SAMPLERS = [entry.name for entry in SAMPLER_NAMES]
TIMESTEP_SAMPLERS = ["DDIM", "DDIM CFG++", "PLMS", "UniPC"]
SIGMA_SAMPLERS = [name for name in ALL_SAMPLERS if name not in TIMESTEP_SAMPLERS]

Network = Callable[[Tensor, Tensor, Tensor, Rows], Tensor]


def context(value: float, length: int = 77, width: int = 4) -> Tensor:
    """An encoded prompt: one number everywhere."""
    return torch.full((length, width), value)


def prompts(pictures: int = 1, positive: float = 1.0, negative: float = 0.0) -> Conditioning:
    """The same two prompts for each picture, from the first call to the last."""
    wanted = (WeightedPrompt(1.0, (ScheduledContext(FOREVER, context(positive)),)),)
    unwanted = (ScheduledContext(FOREVER, context(negative)),)
    return Conditioning((wanted,) * pictures, (unwanted,) * pictures)


def sigma_at(t: Tensor, table: NoiseSchedule = TABLE) -> Tensor:
    """The noise level (B,1,1,1) of a timestep (B,)."""
    return table.t_to_sigma(t)[:, None, None, None]


def gaussian_eps(x: Tensor, t: Tensor, *_: object) -> Tensor:
    """eps of an ideal network for data ~ N(0, SPREAD^2), x of unit variance."""
    sigma = sigma_at(t)
    return x * sigma * (sigma**2 + 1) ** 0.5 / (SPREAD**2 + sigma**2)


def gaussian_v(x: Tensor, t: Tensor, *_: object) -> Tensor:
    """The same network, trained to predict v."""
    sigma = sigma_at(t)
    alpha = 1 / (sigma**2 + 1)
    return (gaussian_eps(x, t) - (1 - alpha).sqrt() * x) / alpha.sqrt()


def network_of_picture(picture: Tensor) -> Network:
    """The network that has seen one latent (C,h,w) only: its x0 is that, at every level."""

    def predict(x: Tensor, t: Tensor, *_: object) -> Tensor:
        sigma = sigma_at(t)
        return (x * (sigma**2 + 1) ** 0.5 - picture) / sigma

    return predict


def run_pass(
    sampler: str,
    network: Network = gaussian_eps,
    *,
    pictures: int = 1,
    first: int = 0,
    seeds: Seeds | None = None,
    prediction: Prediction = Prediction.EPSILON,
    conditioning: Conditioning | None = None,
    settings: dict[str, Any] | None = None,
    **changes: Any,
) -> SampledLatent:
    """Six steps (or as ``settings`` of :class:`Sampling` say) of a pass without weights."""
    sampling = Sampling(sampler, **{"steps": 6, "schedule": "Automatic", **(settings or {})})
    noise = picture_noise(seeds or Seeds(1), first, pictures, "CPU", 0, SHAPE)
    work = SamplingPass(NoisePredictor(network, TABLE, prediction), sampling, **changes)
    return sample(work, conditioning or prompts(pictures), noise)
