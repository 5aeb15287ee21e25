"""From noise (or a picture and noise) to a finished latent: the story of one sampling pass.

Contract sections 3.6, 4.2, 4.3, 4.6 and 4.7.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from generator.prompt.conditioning import Conditioning
from generator.prompt.grammar import Timing
from generator.request import Sampling, Snapshot, SoftInpainting, Stop
from generator.sampling.blending import Blend, HardBlend, SoftBlend
from generator.sampling.brownian import BrownianNoise
from generator.sampling.denoiser import Denoiser, Guidance, Interrupted, StepWatch, unwatched
from generator.sampling.lcm import distilled
from generator.sampling.network import Network, Refinement
from generator.sampling.noise import PictureNoise
from generator.sampling.samplers import Sampler, resolve
from generator.sampling.schedules import (
    NoiseSchedule,
    ScheduleOptions,
    schedule_for,
    sigmas_between,
)
from generator.sampling.timestep import timesteps_for
from generator.sampling.unipc import UniPCOptions


@dataclass(frozen=True, slots=True)
class Start:
    """A picture to start from: img2img, inpainting, or the second pass of hires fix."""

    latent: Tensor  # (B, C, h, w)
    strength: float  # denoising strength, 0..1
    fixed_steps: bool = False  # run exactly ``steps`` steps, as hires fix always does
    mask: Tensor | None = None  # 1 where to repaint; broadcastable to the latent
    soft: SoftInpainting | None = None  # how the mask's two sides are joined
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
    options: Snapshot = field(default_factory=Snapshot)
    start: Start | None = None
    watch: StepWatch = unwatched
    empty: Tensor | None = None  # (77, width), the encoded empty prompt, for pad_cond_uncond
    refinement: Refinement | None = None
    check_nan: bool = True


def timing(sampling: Sampling, options: Snapshot, first_pass: Sampling | None = None) -> Timing:
    """For how many denoiser calls prompts are scheduled (contract section 2.4).

    ``first_pass`` is the first pass's sampling when ``sampling`` is that of the hires pass.
    """
    before = None if first_pass is None else _calls(first_pass)
    return Timing(_calls(sampling), before, options.use_old_scheduling)


def _calls(sampling: Sampling) -> int:
    return sampling.steps * resolve(sampling.sampler, sampling.schedule)[0].order


def noise_schedule(table: NoiseSchedule, options: Snapshot) -> NoiseSchedule:
    """The model's table as the options bend it (contract section 4.11)."""
    if options.use_downcasted_alpha_bar:
        table = table.downcast()
    return table.zero_terminal_snr() if options.sd_noise_schedule != "Default" else table


def sample(job: Pass, conditioning: Conditioning, noise: PictureNoise) -> Sampled:
    """Run one pass for a batch; ``noise`` has been asked nothing yet.

    Raises :class:`generator.errors.NotANumber` and :class:`generator.errors.BadRequest`.
    """
    sampler, label = resolve(job.sampling.sampler, job.sampling.schedule)
    first = noise.initial().to(job.network.device)
    road = (_TimestepRoad if sampler.kind == "timestep" else _SigmaRoad)(job, sampler, label)
    guidance = _guidance(job, sampler, road.steps)
    denoiser = Denoiser(job.network, conditioning, guidance, job.watch, job.refinement)
    latent, stopped = _run(road, denoiser, road.begin(first), noise)
    if guidance.blend:
        latent = guidance.blend.finish(latent)
    return Sampled(latent, stopped, denoiser.calls, denoiser.seconds)


def _run(
    road: "_SigmaRoad | _TimestepRoad",
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


def image_steps(steps: int, strength: float, fixed: bool) -> tuple[int, int]:
    """(steps of the schedule, index t_enc from which t_enc + 1 steps are run), section 4.6."""
    if fixed:
        return (int(steps / min(strength, 0.999)) if strength > 0 else 0), steps - 1
    return steps, int(min(strength, 0.999) * steps)


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
        usual = options.eta_ddim if sampler.kind == "timestep" else options.eta_ancestral
        found["eta"] = usual if sampling.eta is None else sampling.eta
    return found


class _SigmaRoad:
    """Samplers that walk noise levels."""

    def __init__(self, job: Pass, sampler: Sampler, label: str) -> None:
        self.job, self.sampler = job, sampler
        table = job.network.table
        self.table = distilled(table) if sampler.kind == "lcm" else table
        self.steps = steps = job.sampling.steps
        start = job.start
        if start:
            steps, t_enc = image_steps(steps, start.strength, start.fixed_steps)
            self.steps = t_enc + 1
        self.full = sigmas_for(sampler, label, steps, self.table, job.options)
        walked = self.full[max(steps - t_enc - 1, 0) :] if start else self.full
        self.sigmas = walked.to(job.network.device)

    def begin(self, noise: Tensor) -> Tensor:
        """The latent that the first denoiser call sees."""
        start, options = self.job.start, self.job.options
        if start:
            noise = noise * start.noise_multiplier
            x = start.latent + noise * self.sigmas[0]
            return x + noise * options.img2img_extra_noise if options.img2img_extra_noise else x
        if options.sgm_noise_multiplier:
            return noise * torch.sqrt(1.0 + self.sigmas[0] ** 2.0)
        return noise * self.sigmas[0]

    def run(self, denoiser: Denoiser, x: Tensor, noise: PictureNoise) -> Tensor:
        """Integrate."""
        arguments = {
            **sampler_arguments(self.sampler, self.job.sampling, self.job.options),
            **self.sampler.fixed,
        }
        draw = self._draw(noise, x.device)
        if self.sampler.kind != "range":
            return self.sampler.function(denoiser, x, self.sigmas, draw, **arguments)
        low, high, steps = self._range()
        if self.sampler.name == "DPM fast":
            arguments["steps"] = steps
        return self.sampler.function(denoiser, x, low, high, draw, **arguments)

    def _range(self) -> tuple[Tensor, Tensor, int]:
        """(sigma_min, sigma_max, steps) of the samplers that choose their own levels."""
        if self.job.start:
            return self.sigmas[-2], self.sigmas[0], len(self.sigmas) - 1
        device = self.job.network.device
        return (
            self.table.sigma_min.to(device),
            self.table.sigma_max.to(device),
            self.job.sampling.steps,
        )

    def _draw(self, noise: PictureNoise, device: torch.device) -> Callable[..., Tensor]:
        if not self.sampler.brownian:
            return lambda: noise.next().to(device)
        levels = self.full[self.full > 0]
        return BrownianNoise(
            [picture.seed for picture in noise.pictures],
            noise.shape,
            levels.min(),
            levels.max(),
            noise.source,
            noise.device,
            self.job.options.no_dpmpp_sde_batch_determinism,
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
        start, extra = self.job.start, self.job.options.img2img_extra_noise
        if start is None:
            return noise
        alpha = self.alphas[self.timesteps[min(self.t_enc, len(self.timesteps) - 1)]]
        noise = noise * start.noise_multiplier
        x = start.latent * alpha.sqrt() + noise * (1 - alpha).sqrt()
        return x + noise * extra * alpha.sqrt() if extra else x

    def run(self, denoiser: Denoiser, x: Tensor, noise: PictureNoise) -> Tensor:
        """Integrate."""
        device = x.device
        walked = self.timesteps[: self.t_enc] if self.job.start else self.timesteps
        return self.sampler.function(
            denoiser.noise,
            x,
            walked,
            self.alphas,
            lambda: noise.next().to(device),
            **sampler_arguments(self.sampler, self.job.sampling, self.job.options),
            **self._special(denoiser),
        )

    def _special(self, denoiser: Denoiser) -> dict[str, object]:
        """What only some of these samplers take."""
        options = self.job.options
        if self.sampler.name == "DDIM CFG++":
            return {"negative": lambda: denoiser.negative}
        if self.sampler.name != "UniPC":
            return {}
        chosen = UniPCOptions(
            options.uni_pc_variant,
            options.uni_pc_skip_type,
            options.uni_pc_order,
            options.uni_pc_lower_order_final,
        )
        return {"from_picture": self.job.start is not None, "options": chosen}


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
