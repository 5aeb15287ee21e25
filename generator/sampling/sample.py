"""Runs one sampling pass: from noise, or an initial latent and noise, to the final latent."""

import torch
from torch import Tensor

from generator.prompt.conditioning import Conditioning
from generator.request import Stop
from generator.sampling.denoiser import Denoiser, Guidance, SamplingInterrupted
from generator.sampling.loops import SigmaSampling, TimestepSampling
from generator.sampling.mask_blend import Blend, HardBlend, SoftBlend
from generator.sampling.noise import PictureNoise
from generator.sampling.passes import SampledLatent, SamplingPass, StartLatent
from generator.sampling.samplers import Sampler, resolve_sampler


def sample(
    sampling_pass: SamplingPass, conditioning: Conditioning, noise: PictureNoise
) -> SampledLatent:
    """Run one pass for a batch; ``noise`` has been asked nothing yet.

    Raises :class:`generator.errors.NotANumber` and :class:`generator.errors.BadRequest`.
    """
    sampler, label = resolve_sampler(
        sampling_pass.sampling.sampler, sampling_pass.sampling.schedule, sampling_pass.tools
    )
    first = _initial_noise(sampling_pass, noise)
    loop = (TimestepSampling if sampler.kind == "timestep" else SigmaSampling)(
        sampling_pass, sampler, label
    )
    guidance = _make_guidance(sampling_pass, sampler, loop.steps)
    denoiser = Denoiser(
        sampling_pass.network,
        conditioning,
        guidance,
        sampling_pass.watch,
        sampling_pass.refiner_switch,
        sampling_pass.step_hooks,
    )
    initial = loop.initial_latent(first)
    if sampling_pass.step_hooks:
        initial = sampling_pass.step_hooks.start(initial, loop.levels)
    latent, stopped = _run_until_stopped(loop, denoiser, initial, noise)
    if guidance.blend:
        latent = guidance.blend.finish(latent)
    return SampledLatent(latent, stopped, denoiser.calls, denoiser.seconds)


def _initial_noise(sampling_pass: SamplingPass, noise: PictureNoise) -> Tensor:
    """The noise at the start, (B, C, h, w)."""
    drawn = noise.draw_initial().to(sampling_pass.network.device)
    if sampling_pass.start is None or sampling_pass.start.inverted_noise is None:
        return drawn
    # The picture is in the noise that was found: what is added to the picture must not hold it.
    level = sampling_pass.network.table.sigma_max.to(drawn.device)
    return sampling_pass.start.inverted_noise.mix_with(drawn) - sampling_pass.start.latent / level


def _run_until_stopped(
    loop: "SigmaSampling | TimestepSampling",
    denoiser: Denoiser,
    x: Tensor,
    noise: PictureNoise,
) -> tuple[Tensor, Stop]:
    """The finished latent, or the last estimate of one that a watch stopped."""
    try:
        with torch.no_grad():
            return loop.run(denoiser, x, noise), Stop.NO
    except SamplingInterrupted as stop:
        return (x if stop.latent is None else stop.latent), stop.stop


def _make_guidance(sampling_pass: SamplingPass, sampler: Sampler, steps: int) -> Guidance:
    options, sampling = sampling_pass.options, sampling_pass.sampling
    own = sampling.s_min_uncond
    start = sampling_pass.start
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
        empty=sampling_pass.empty,
        consistency=sampler.kind == "lcm" and sampling_pass.network.edm is None,
        blend=_make_blend(start) if start else None,
        check_nan=sampling_pass.check_nan,
    )


def _make_blend(start: StartLatent) -> Blend | None:
    if start.mask is None:
        return None
    if start.soft is None:
        return HardBlend(start.latent, start.mask)
    return SoftBlend(start.latent, start.mask, start.soft)
