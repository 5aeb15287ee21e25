"""From noise (or a picture and noise) to a finished latent: the story of one sampling pass.

Contract sections 3.6, 4.2, 4.3, 4.6 and 4.7.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.prompt.conditioning import Conditioning
from generator.prompt.grammar import Timing
from generator.request import Sampling, Snapshot, Stop
from generator.sampling.denoiser import (
    Blend,
    Denoiser,
    Guidance,
    Interrupted,
    Network,
    StepWatch,
    unwatched,
)
from generator.sampling.noise import PictureNoise
from generator.sampling.samplers import Sampler, resolve
from generator.sampling.schedules import (
    NoiseSchedule,
    ScheduleOptions,
    schedule_for,
    sigmas_between,
)
from generator.sampling.timestep import timesteps_for


@dataclass(frozen=True, slots=True)
class Start:
    """A picture to start from: img2img, inpainting, or the second pass of hires fix."""

    latent: Tensor  # (B, C, h, w)
    strength: float  # denoising strength, 0..1
    fixed_steps: bool = False  # run exactly ``steps`` steps, as hires fix always does
    mask: Tensor | None = None  # 1 where to repaint; broadcastable to the latent
    noise_multiplier: float = 1.0  # of the initial noise; img2img only


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a pass drew."""

    latent: Tensor  # (B, C, h, w) float32 on the network's device
    stopped: Stop  # NO, or why the pass ended early
    calls: int
    network_seconds: float


@dataclass(frozen=True, slots=True)
class Pass:
    """Everything a pass needs beside the prompts."""

    network: Network
    sampling: Sampling
    options: Snapshot = Snapshot()
    start: Start | None = None
    watch: StepWatch = unwatched


def timing(
    sampling: Sampling, options: Snapshot, first_pass: Sampling | None = None
) -> Timing:
    """For how many denoiser calls prompts are scheduled (contract section 2.4).

    ``first_pass`` is the first pass's sampling when ``sampling`` is that of the hires pass.
    """
    order = resolve(sampling.sampler, sampling.schedule)[0].order
    before = None if first_pass is None else first_pass.steps * order
    return Timing(sampling.steps * order, before, options.use_old_scheduling)


def noise_schedule(table: NoiseSchedule, options: Snapshot) -> NoiseSchedule:
    """The model's table as the options bend it (contract section 4.11)."""
    if options.use_downcasted_alpha_bar:
        table = table.downcast()
    return (
        table.zero_terminal_snr() if options.sd_noise_schedule != "Default" else table
    )


def sample(job: Pass, conditioning: Conditioning, noise: PictureNoise) -> Sampled:
    """Run one pass for a batch; ``noise`` has been asked nothing yet.

    Raises :class:`generator.errors.NotANumber` and :class:`generator.errors.BadRequest`.
    """
    sampler, label = resolve(job.sampling.sampler, job.sampling.schedule)
    first = noise.initial().to(job.network.device)
    road = _TimestepRoad if sampler.kind == "timestep" else _SigmaRoad
    way = road(job, sampler, label)
    denoiser = Denoiser(
        job.network, conditioning, _guidance(job, sampler, way.steps), job.watch
    )
    x = way.begin(first)
    try:
        with torch.no_grad():
            latent = way.run(denoiser, x, noise)
        stopped = Stop.NO
    except Interrupted as stop:
        latent = stop.latent if stop.latent is not None else x
        stopped = stop.stop
    if job.start and job.start.mask is not None:
        latent = _blend(job.start)(latent) if denoiser.guidance.blend else latent
    return Sampled(latent, stopped, denoiser.calls, denoiser.seconds)


def image_steps(steps: int, strength: float, fixed: bool) -> tuple[int, int]:
    """(steps of the schedule, index t_enc from which t_enc + 1 steps are run), section 4.6."""
    if fixed:
        return (int(steps / min(strength, 0.999)) if strength > 0 else 0), steps - 1
    return steps, int(min(strength, 0.999) * steps)


def _blend(start: Start) -> Blend:
    assert start.mask is not None
    return Blend(start.latent, start.mask)


def _guidance(job: Pass, sampler: Sampler, steps: int) -> Guidance:
    options, sampling = job.options, job.sampling
    own = sampling.s_min_uncond
    start = job.start
    return Guidance(
        scale=sampling.guidance,
        calls=steps * sampler.order,
        order=sampler.order,
        s_min_uncond=options.s_min_uncond if own is None else own,
        s_min_uncond_all=options.s_min_uncond_all,
        skip_early_cond=options.skip_early_cond,
        batch_cond_uncond=options.batch_cond_uncond,
        pad_cond_uncond=options.pad_cond_uncond,
        pad_cond_uncond_v0=options.pad_cond_uncond_v0,
        quantize=options.enable_quantization,
        blend=_blend(start) if start and start.mask is not None else None,
    )


def sampler_arguments(
    sampler: Sampler, sampling: Sampling, options: Snapshot
) -> Mapping[str, float]:
    """eta and churn as this sampler gets them (contract section 3.6).

    An option that differs from its built-in default beats the request.
    """
    found: dict[str, float] = {}
    default = Snapshot()
    for name in sorted(sampler.takes - {"eta"}):
        option, own = getattr(options, name), getattr(sampling, name)
        found[name] = option if own is None or option != getattr(default, name) else own
    if "s_tmax" in found:
        found["s_tmax"] = found["s_tmax"] or math.inf
    if "eta" in sampler.takes:
        usual = (
            options.eta_ddim if sampler.kind == "timestep" else options.eta_ancestral
        )
        found["eta"] = usual if sampling.eta is None else sampling.eta
    return found


class _SigmaRoad:
    """Samplers that walk noise levels."""

    def __init__(self, job: Pass, sampler: Sampler, label: str) -> None:
        self.job, self.sampler = job, sampler
        self.steps = steps = job.sampling.steps
        start = job.start
        if start:
            steps, t_enc = image_steps(steps, start.strength, start.fixed_steps)
            self.steps = t_enc + 1
        self.sigmas = sigmas_for(sampler, label, steps, job.network.table, job.options)
        if start:
            self.sigmas = self.sigmas[max(steps - t_enc - 1, 0) :]
        self.sigmas = self.sigmas.to(job.network.device)

    def begin(self, noise: Tensor) -> Tensor:
        """The latent that the first denoiser call sees."""
        start = self.job.start
        if start:
            x = start.latent + noise * start.noise_multiplier * self.sigmas[0]
            return x + noise * self.job.options.img2img_extra_noise
        if self.job.options.sgm_noise_multiplier:
            return noise * torch.sqrt(1.0 + self.sigmas[0] ** 2.0)
        return noise * self.sigmas[0]

    def run(self, denoiser: Denoiser, x: Tensor, noise: PictureNoise) -> Tensor:
        """Integrate."""
        arguments = sampler_arguments(self.sampler, self.job.sampling, self.job.options)
        device = x.device
        return self.sampler.function(
            denoiser,
            x,
            self.sigmas,
            lambda: noise.next().to(device),
            **arguments,
            **self.sampler.fixed,
        )


class _TimestepRoad:
    """Samplers that walk whole timesteps."""

    def __init__(self, job: Pass, sampler: Sampler, label: str) -> None:
        self.job, self.sampler = job, sampler
        self.steps = steps = job.sampling.steps
        start = job.start
        if start:
            steps, self.t_enc = image_steps(steps, start.strength, start.fixed_steps)
            self.steps = self.t_enc + 1
        self.timesteps = timesteps_for(steps)
        self.alphas = job.network.table.alphas_cumprod

    def begin(self, noise: Tensor) -> Tensor:
        """The latent that the first denoiser call sees."""
        start = self.job.start
        if start is None:
            return noise
        alpha = self.alphas[self.timesteps[self.t_enc]]
        noise = noise * start.noise_multiplier
        x = start.latent * alpha.sqrt() + noise * (1 - alpha).sqrt()
        return x + noise * self.job.options.img2img_extra_noise * alpha.sqrt()

    def run(self, denoiser: Denoiser, x: Tensor, noise: PictureNoise) -> Tensor:
        """Integrate."""
        arguments = sampler_arguments(self.sampler, self.job.sampling, self.job.options)
        device = x.device
        walked = self.timesteps[: self.t_enc] if self.job.start else self.timesteps
        return self.sampler.function(
            denoiser.noise,
            x,
            walked,
            self.alphas,
            lambda: noise.next().to(device),
            **arguments,
            **self.sampler.fixed,
        )


def sigmas_for(
    sampler: Sampler, label: str, steps: int, table: NoiseSchedule, options: Snapshot
) -> Tensor:
    """The falling noise levels of a full schedule, mostly ``steps + 1`` of them, on the CPU.

    ``label`` is a schedule's label, "Automatic" included (contract section 4.2).
    """
    discard = sampler.discard_penultimate or options.always_discard_next_to_last_sigma
    sigmas = sigmas_between(
        schedule_for(sampler.default_schedule, label),
        steps + 1 if discard else steps,
        table,
        ScheduleOptions(
            sigma_min=options.sigma_min,
            sigma_max=options.sigma_max,
            rho=options.rho,
            beta_alpha=options.beta_dist_alpha,
            beta_beta=options.beta_dist_beta,
            use_old_karras_scheduler_sigmas=options.use_old_karras_scheduler_sigmas,
        ),
    )
    return torch.cat([sigmas[:-2], sigmas[-1:]]) if discard else sigmas
