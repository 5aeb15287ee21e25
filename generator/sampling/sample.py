"""Runs one sampling pass: from noise, or an initial latent and noise, to the final latent."""

import torch
from torch import Tensor

from generator.prompt.conditioning import Conditioning
from generator.request import Stop
from generator.sampling.blending import Blend, HardBlend, SoftBlend
from generator.sampling.denoiser import Denoiser, Guidance, Interrupted
from generator.sampling.noise import PictureNoise
from generator.sampling.passes import Pass, Sampled, Start
from generator.sampling.roads import SigmaRoad, TimestepRoad
from generator.sampling.samplers import Sampler, resolve


def sample(job: Pass, conditioning: Conditioning, noise: PictureNoise) -> Sampled:
    """Run one pass for a batch; ``noise`` has been asked nothing yet.

    Raises :class:`generator.errors.NotANumber` and :class:`generator.errors.BadRequest`.
    """
    sampler, label = resolve(job.sampling.sampler, job.sampling.schedule, job.tools)
    first = _first(job, noise)
    road = (TimestepRoad if sampler.kind == "timestep" else SigmaRoad)(job, sampler, label)
    guidance = _guidance(job, sampler, road.steps)
    denoiser = Denoiser(job.network, conditioning, guidance, job.watch, job.refinement, job.hearing)
    begun = road.begin(first)
    if job.hearing:
        begun = job.hearing.start(begun, road.levels)
    latent, stopped = _run(road, denoiser, begun, noise)
    if guidance.blend:
        latent = guidance.blend.finish(latent)
    return Sampled(latent, stopped, denoiser.calls, denoiser.seconds)


def _first(job: Pass, noise: PictureNoise) -> Tensor:
    """The noise at the start, (B, C, h, w)."""
    drawn = noise.initial().to(job.network.device)
    if job.start is None or job.start.back is None:
        return drawn
    # The picture is in the noise that was found: what is added to the picture must not hold it.
    level = job.network.table.sigma_max.to(drawn.device)
    return job.start.back.mixed(drawn) - job.start.latent / level


def _run(
    road: "SigmaRoad | TimestepRoad",
    denoiser: Denoiser,
    x: Tensor,
    noise: PictureNoise,
) -> tuple[Tensor, Stop]:
    """The finished latent, or the last estimate of one that a watch stopped."""
    try:
        with torch.no_grad():
            return road.run(denoiser, x, noise), Stop.NO
    except Interrupted as stop:
        return (x if stop.latent is None else stop.latent), stop.stop


def _guidance(job: Pass, sampler: Sampler, steps: int) -> Guidance:
    options, sampling = job.options, job.sampling
    own = sampling.s_min_uncond
    start = job.start
    return Guidance(
        scale=sampling.guidance / (12.5 if sampler.name == "DDIM CFG++" else 1.0),
        calls=steps * sampler.order,
        order=sampler.order,
        s_min_uncond=options.s_min_uncond if own is None else own,
        s_min_uncond_all=options.s_min_uncond_all,
        skip_early_cond=options.skip_early_cond,
        batch_cond_uncond=options.batch_cond_uncond,
        pad_cond_uncond=options.pad_cond_uncond,
        pad_cond_uncond_v0=options.pad_cond_uncond_v0,
        quantize=options.enable_quantization,
        empty=job.empty,
        consistency=sampler.kind == "lcm",
        blend=_blend(start) if start else None,
        check_nan=job.check_nan,
    )


def _blend(start: Start) -> Blend | None:
    if start.mask is None:
        return None
    if start.soft is None:
        return HardBlend(start.latent, start.mask)
    return SoftBlend(start.latent, start.mask, start.soft)
