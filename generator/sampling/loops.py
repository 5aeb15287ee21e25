"""Sampling loops: over noise levels (sigmas) or over whole timesteps.

Contract sections 3.6, 4.2, 4.3, 4.6 and 4.7.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from generator.errors import BadRequest
from generator.request import Sampling, Snapshot
from generator.sampling.brownian import BrownianNoise
from generator.sampling.denoiser import Denoiser
from generator.sampling.lcm import distilled_table
from generator.sampling.noise import PictureNoise
from generator.sampling.passes import SamplingPass
from generator.sampling.samplers import Sampler
from generator.sampling.schedules import (
    NoiseSchedule,
    ScheduleOptions,
    schedule_for,
    sigmas_between,
)
from generator.sampling.timestep import timesteps_for
from generator.sampling.unipc import UniPCOptions


def img2img_steps(steps: int, strength: float, fixed: bool) -> tuple[int, int]:
    """(steps of the schedule, index t_enc from which t_enc + 1 steps are run), section 4.6."""
    if fixed:
        return (int(steps / min(strength, 0.999)) if strength > 0 else 0), steps - 1
    return steps, int(min(strength, 0.999) * steps)


def sampler_arguments(
    sampler: Sampler, sampling: Sampling, options: Snapshot
) -> Mapping[str, float]:
    """eta and churn as this sampler gets them (contract section 3.6).

    An option that differs from its built-in default beats the request.
    """
    arguments: dict[str, float] = {}
    default = Snapshot()
    for name in sorted(sampler.takes - {"eta"}):
        option, own = getattr(options, name), getattr(sampling, name)
        arguments[name] = option if own is None or option != getattr(default, name) else own
    if "s_tmax" in arguments:
        arguments["s_tmax"] = arguments["s_tmax"] or math.inf
    if "eta" in sampler.takes:
        usual = options.eta_ddim if sampler.kind == "timestep" else options.eta_ancestral
        arguments["eta"] = usual if sampling.eta is None else sampling.eta
    return arguments


class SigmaSampling:
    """Sampling over noise levels (k-diffusion's samplers)."""

    def __init__(self, sampling_pass: SamplingPass, sampler: Sampler, label: str) -> None:
        self.sampling_pass, self.sampler = sampling_pass, sampler
        network = sampling_pass.network
        distilled = sampler.kind == "lcm" and network.edm is None
        self.table = distilled_table(network.table) if distilled else network.table
        self.steps = steps = sampling_pass.sampling.steps
        start = sampling_pass.start
        if start:
            steps, t_enc = img2img_steps(steps, start.strength, start.fixed_steps)
            self.steps = t_enc + 1
        plugin_schedule = sampling_pass.tools.schedules.get(label)
        if plugin_schedule:
            low, high = float(self.table.sigma_min), float(self.table.sigma_max)
            self.full_sigmas = check_levels(plugin_schedule(steps, low, high), label)
        else:
            self.full_sigmas = sigmas_for(
                sampler,
                label,
                steps,
                self.table,
                sampling_pass.options,
                sdxl=network.sdxl_step_levels,
                automatic=network.edm.schedule if network.edm else "Automatic",
            )
        walked = self.full_sigmas[max(steps - t_enc - 1, 0) :] if start else self.full_sigmas
        self.sigmas = walked.to(sampling_pass.network.device)

    @property
    def levels(self) -> Tensor:
        """The noise levels walked, (n+1,), falling to 0."""
        return self.sigmas

    def initial_latent(self, noise: Tensor) -> Tensor:
        """The latent that the first denoiser call sees."""
        start, options = self.sampling_pass.start, self.sampling_pass.options
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
            **sampler_arguments(
                self.sampler, self.sampling_pass.sampling, self.sampling_pass.options
            ),
            **self.sampler.fixed,
        }
        draw = self._noise_source(noise, x.device)
        if self.sampler.kind != "range":
            return self.sampler.function(denoiser, x, self.sigmas, draw, **arguments)
        low, high, steps = self._sigma_range()
        if self.sampler.name == "DPM fast":
            arguments["steps"] = steps
        return self.sampler.function(denoiser, x, low, high, draw, **arguments)

    def _sigma_range(self) -> tuple[Tensor, Tensor, int]:
        """(sigma_min, sigma_max, steps) of the samplers that choose their own levels."""
        if self.sampling_pass.start:
            return self.sigmas[-2], self.sigmas[0], len(self.sigmas) - 1
        device = self.sampling_pass.network.device
        return (
            self.table.sigma_min.to(device),
            self.table.sigma_max.to(device),
            self.sampling_pass.sampling.steps,
        )

    def _noise_source(self, noise: PictureNoise, device: torch.device) -> Callable[..., Tensor]:
        if not self.sampler.uses_brownian_noise:
            return lambda: noise.draw_next().to(device)
        levels = self.full_sigmas[self.full_sigmas > 0]
        return BrownianNoise(
            [picture.seed for picture in noise.pictures],
            noise.shape,
            levels.min(),
            levels.max(),
            noise.source,
            noise.device,
            self.sampling_pass.options.no_dpmpp_sde_batch_determinism,
        )


def check_levels(levels: Tensor, label: str) -> Tensor:
    """The noise levels that a plugin's schedule gave, on the CPU.

    Raises :class:`BadRequest` unless they fall to 0.
    """
    levels = levels.detach().float().cpu()
    falls = levels.dim() == 1 and len(levels) > 1 and bool((levels[1:] < levels[:-1]).all())
    if not falls or float(levels[-1]) != 0:
        raise BadRequest(
            f"The schedule {label!r} gives levels that do not fall to 0.",
            "scheduler",
            "invalid_value",
        )
    return levels


class TimestepSampling:
    """Sampling over whole timesteps (DDIM, PLMS, UniPC)."""

    def __init__(self, sampling_pass: SamplingPass, sampler: Sampler, label: str) -> None:
        self.sampling_pass, self.sampler = sampling_pass, sampler
        self.steps = steps = sampling_pass.sampling.steps
        start = sampling_pass.start
        if start:
            steps, self.t_enc = img2img_steps(steps, start.strength, start.fixed_steps)
            self.steps = self.t_enc + 1
        self.timesteps = timesteps_for(steps)
        self.alphas = sampling_pass.network.table.alphas_cumprod

    @property
    def levels(self) -> Tensor:
        """The timesteps walked as noise levels, (n+1,), falling to 0."""
        walked = self.timesteps[: self.t_enc] if self.sampling_pass.start else self.timesteps
        alphas = self.alphas[walked.flip(0)]
        return torch.cat([((1 - alphas) / alphas).sqrt(), alphas.new_zeros(1)])

    def initial_latent(self, noise: Tensor) -> Tensor:
        """The latent that the first denoiser call sees."""
        start, extra = self.sampling_pass.start, self.sampling_pass.options.img2img_extra_noise
        if start is None:
            return noise
        alpha = self.alphas[self.timesteps[min(self.t_enc, len(self.timesteps) - 1)]]
        noise = noise * start.noise_multiplier
        x = start.latent * alpha.sqrt() + noise * (1 - alpha).sqrt()
        return x + noise * extra * alpha.sqrt() if extra else x

    def run(self, denoiser: Denoiser, x: Tensor, noise: PictureNoise) -> Tensor:
        """Integrate."""
        device = x.device
        walked = self.timesteps[: self.t_enc] if self.sampling_pass.start else self.timesteps
        return self.sampler.function(
            denoiser.predict_noise,
            x,
            walked,
            self.alphas,
            lambda: noise.draw_next().to(device),
            **sampler_arguments(
                self.sampler, self.sampling_pass.sampling, self.sampling_pass.options
            ),
            **self._extra_arguments(denoiser),
        )

    def _extra_arguments(self, denoiser: Denoiser) -> dict[str, object]:
        """What only some of these samplers take."""
        options = self.sampling_pass.options
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
        return {"from_picture": self.sampling_pass.start is not None, "options": chosen}


def sigmas_for(
    sampler: Sampler,
    label: str,
    steps: int,
    table: NoiseSchedule,
    options: Snapshot,
    *,
    sdxl: bool = False,
    automatic: str = "Automatic",
) -> Tensor:
    """The falling noise levels of a full schedule, mostly ``steps + 1`` of them, on the CPU.

    ``label`` is a schedule's label, "Automatic" included (contract section 4.2); ``automatic`` is
    what that means where the sampler has none of its own.
    """
    schedule = schedule_for(sampler.default_schedule, label)
    discard = sampler.discards_penultimate or options.always_discard_next_to_last_sigma
    sigmas = sigmas_between(
        automatic if schedule == "Automatic" else schedule,
        steps + 1 if discard else steps,
        table,
        ScheduleOptions(
            sigma_min=options.sigma_min,
            sigma_max=options.sigma_max,
            rho=options.rho,
            beta_alpha=options.beta_dist_alpha,
            beta_beta=options.beta_dist_beta,
            use_old_karras_scheduler_sigmas=options.use_old_karras_scheduler_sigmas,
            sdxl=sdxl,
        ),
    )
    return torch.cat([sigmas[:-2], sigmas[-1:]]) if discard else sigmas
