"""Types of one sampling pass: start latent, settings, result."""

from dataclasses import dataclass, field

from torch import Tensor

from generator.hooks import Tools
from generator.prompt.grammar import Timing
from generator.request import Sampling, Snapshot, SoftInpainting, Stop
from generator.sampling.denoiser import StepCallback, ignore_step
from generator.sampling.predictor import NoisePredictor, RefinerSwitch
from generator.sampling.samplers import resolve_sampler
from generator.sampling.schedules import (
    NoiseSchedule,
)
from generator.sampling.step_hooks import StepHooks


@dataclass(frozen=True, slots=True)
class StartLatent:
    """A picture to start from: img2img, inpainting, or the second pass of hires fix."""

    latent: Tensor  # (B, C, h, w)
    strength: float  # denoising strength, 0..1
    fixed_steps: bool = False  # run exactly ``steps`` steps, as hires fix always does
    mask: Tensor | None = None  # 1 where to repaint; broadcastable to the latent
    soft: SoftInpainting | None = None  # how the mask's two sides are joined
    noise_multiplier: float = 1.0  # of the initial noise; img2img only
    inverted_noise: "InvertedNoise | None" = (
        None  # where the initial noise comes from, instead of the seeds
    )


@dataclass(frozen=True, slots=True)
class InvertedNoise:
    """Noise obtained by inverting a picture."""

    noise: Tensor  # (B, C, h, w), unit variance
    randomness: float  # share of the seeds' noise in it, 0..1

    def mix_with(self, drawn: Tensor) -> Tensor:
        """With the seeds' noise (B, C, h, w), still of unit variance."""
        share = self.randomness
        mixed_noise = (1 - share) * self.noise + share * drawn
        return mixed_noise / (share**2 + (1 - share) ** 2) ** 0.5


@dataclass(frozen=True, slots=True)
class SampledLatent:
    """What a pass drew."""

    latent: Tensor  # (B, C, h, w) float32 on the network's device
    stopped: Stop  # NO, or why the pass ended early
    calls: int
    network_seconds: float


@dataclass(frozen=True, slots=True)
class SamplingPass:
    """Everything a pass needs beside the prompts."""

    network: NoisePredictor
    sampling: Sampling
    options: Snapshot = field(default_factory=Snapshot)
    start: StartLatent | None = None
    watch: StepCallback = ignore_step
    empty: Tensor | None = None  # (77, width), the encoded empty prompt, for pad_cond_uncond
    refiner_switch: RefinerSwitch | None = None
    check_nan: bool = True
    step_hooks: StepHooks | None = None
    tools: Tools = field(default_factory=Tools)  # samplers and schedules that plugins bring


def prompt_timing(
    sampling: Sampling, options: Snapshot, first_pass: Sampling | None = None
) -> Timing:
    """For how many denoiser calls prompts are scheduled (contract section 2.4).

    ``first_pass`` is the first pass's sampling when ``sampling`` is that of the hires pass.
    """
    before = None if first_pass is None else _denoiser_calls(first_pass)
    return Timing(_denoiser_calls(sampling), before, options.use_old_scheduling)


def _denoiser_calls(sampling: Sampling) -> int:
    return sampling.steps * resolve_sampler(sampling.sampler, sampling.schedule)[0].order


def noise_schedule(table: NoiseSchedule, options: Snapshot) -> NoiseSchedule:
    """The model's table as the options bend it (contract section 4.11)."""
    if options.use_downcasted_alpha_bar:
        table = table.downcast()
    return table.zero_terminal_snr() if options.sd_noise_schedule != "Default" else table
