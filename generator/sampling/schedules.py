"""Noise schedules: the model's table of sigmas, and the sigmas (n+1,) of a pass.

Contract sections 4.2 and 4.11. Sigmas are noise standard deviations relative to a signal of unit
variance; a list runs from the highest down and ends, except KL Optimal's, with 0.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from generator.models.families.family import NoiseTable
from generator.sampling.sampler_names import find_schedule

USUAL_NOISE = NoiseTable()  # of Stable Diffusion 1, 2 and XL


@dataclass(frozen=True)
class NoiseSchedule:
    """The discrete noise table that a model was trained with.

    ``alphas_cumprod`` is the share of signal variance left at each timestep, falling.
    """

    alphas_cumprod: Tensor  # (1000,) float32

    @cached_property
    def sigmas(self) -> Tensor:
        """Noise level of each timestep, rising, (1000,)."""
        return ((1 - self.alphas_cumprod) / self.alphas_cumprod) ** 0.5

    @cached_property
    def log_sigmas(self) -> Tensor:
        """ln of :attr:`sigmas`, (1000,)."""
        return self.sigmas.log()

    @property
    def data(self) -> float:
        """Standard deviation of the latents that the levels are relative to."""
        return 1.0

    @property
    def input_alphas(self) -> Tensor:
        """The share of signal variance in what the network reads at each timestep, (1000,)."""
        return self.alphas_cumprod

    @property
    def sigma_min(self) -> Tensor:
        """Lowest noise level, a scalar tensor."""
        return self.sigmas[0]

    @property
    def sigma_max(self) -> Tensor:
        """Highest noise level, a scalar tensor."""
        return self.sigmas[-1]

    def sigma_to_t(self, sigma: Tensor, quantize: bool = False) -> Tensor:
        """Timesteps (float, 0..999) of noise levels of any shape; linear in (t, ln sigma)."""
        log_sigma = sigma.flatten().log()
        distance = log_sigma - self.log_sigmas.to(sigma.device)[:, None]  # (1000, n)
        if quantize:
            return distance.abs().argmin(dim=0).view(sigma.shape)
        low = distance.ge(0).cumsum(dim=0).argmax(dim=0).clamp(max=len(self.log_sigmas) - 2)
        log_sigmas = self.log_sigmas.to(sigma.device)
        below, above = log_sigmas[low], log_sigmas[low + 1]
        share = ((below - log_sigma) / (below - above)).clamp(0, 1)
        return ((1 - share) * low + share * (low + 1)).view(sigma.shape)

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """Noise levels of float timesteps 0..999."""
        t = t.float()
        low, high, share = t.floor().long(), t.ceil().long(), t.frac()
        log_sigmas = self.log_sigmas.to(t.device)
        return ((1 - share) * log_sigmas[low] + share * log_sigmas[high]).exp()

    def zero_terminal_snr(self) -> "NoiseSchedule":
        """This table rescaled so that the last timestep is (almost) pure noise.

        Lin et al., "Common diffusion noise schedules and sample steps are flawed" (2024),
        section 3.1; the last value is kept above 0 as contract section 4.11 says.
        """
        root = self.alphas_cumprod.sqrt()
        first, last = root[0].clone(), root[-1].clone()
        rescaled = (root - last) * (first / (first - last))
        alphas = rescaled**2
        alphas[-1] = 4.8973451890853435e-08
        return NoiseSchedule(alphas)

    def downcast(self) -> "NoiseSchedule":
        """This table rounded through float16 (option ``use_downcasted_alpha_bar``)."""
        return NoiseSchedule(self.alphas_cumprod.half().float())


def scaled_linear(noise: NoiseTable = USUAL_NOISE) -> NoiseSchedule:
    """The table that a family was trained with: betas linear in their square root."""
    betas = np.linspace(noise.start**0.5, noise.end**0.5, noise.count, dtype=np.float64) ** 2
    return NoiseSchedule(torch.tensor(np.cumprod(1 - betas), dtype=torch.float32))


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """Options that shape a schedule; zeros mean "not set" (contract section 4.2)."""

    sigma_min: float = 0.0
    sigma_max: float = 0.0
    rho: float = 0.0
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    use_old_karras_scheduler_sigmas: bool = False  # 0.1 .. 10
    sdxl: bool = False  # Align Your Steps has a table of its own for SDXL


@dataclass(frozen=True, slots=True)
class SigmaRange:
    """What a schedule function gets beside the number of steps."""

    low: float
    high: float
    table: NoiseSchedule
    options: ScheduleOptions
    rho: float


ScheduleFunction = Callable[[int, SigmaRange], Tensor]

_AYS_LEVELS = (
    14.615,
    6.475,
    3.861,
    2.697,
    1.886,
    1.396,
    0.963,
    0.652,
    0.399,
    0.152,
    0.029,
)
_AYS_LEVELS_SDXL = (
    14.615,
    6.315,
    3.771,
    2.181,
    1.342,
    0.862,
    0.555,
    0.380,
    0.234,
    0.113,
    0.029,
)


def _append_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros([1])])


def model_sigmas(n: int, span: SigmaRange) -> Tensor:
    """The model's table at ``n`` evenly spaced timesteps, both ends included."""
    return _append_zero(span.table.t_to_sigma(torch.linspace(len(span.table.sigmas) - 1, 0, n)))


def uniform(n: int, span: SigmaRange) -> Tensor:
    """As :func:`model_sigmas`."""
    return model_sigmas(n, span)


def karras(n: int, span: SigmaRange) -> Tensor:
    """Karras et al. (2022), "Elucidating the design space...", equation 5."""
    ramp = torch.linspace(0, 1, n)
    low, high = span.low ** (1 / span.rho), span.high ** (1 / span.rho)
    return _append_zero((high + ramp * (low - high)) ** span.rho)


def exponential(n: int, span: SigmaRange) -> Tensor:
    """Evenly spaced in ln sigma."""
    return _append_zero(torch.linspace(math.log(span.high), math.log(span.low), n).exp())


def polyexponential(n: int, span: SigmaRange) -> Tensor:
    """A power of an even spacing in ln sigma; rho 1 is the exponential schedule."""
    ramp = torch.linspace(1, 0, n) ** span.rho
    low, high = math.log(span.low), math.log(span.high)
    return _append_zero(torch.exp(ramp * (high - low) + low))


def _timestep_range(span: SigmaRange) -> tuple[float, float]:
    start, end = span.table.sigma_to_t(torch.tensor([span.high, span.low])).tolist()
    return start, end


def sgm_uniform(n: int, span: SigmaRange) -> Tensor:
    """Stability's generative-models: evenly spaced timesteps without the lowest."""
    start, end = _timestep_range(span)
    return _append_zero(span.table.t_to_sigma(torch.linspace(start, end, n + 1)[:-1]))


def normal(n: int, span: SigmaRange) -> Tensor:
    """Evenly spaced timesteps between the two ends."""
    start, end = _timestep_range(span)
    return _append_zero(span.table.t_to_sigma(torch.linspace(start, end, n)))


def kl_optimal(n: int, span: SigmaRange) -> Tensor:
    """Sabour et al. (2024), "Align Your Steps", equation 3.

    Ends at sigma_min and not at 0, as in AUTOMATIC1111: a trap kept for equal pictures.
    """
    share = torch.arange(n + 1, dtype=torch.float32) / n
    return torch.tan(share * math.atan(span.low) + (1 - share) * math.atan(span.high))


def align_your_steps(n: int, span: SigmaRange) -> Tensor:
    """Sabour et al. (2024): a table of 11 levels, interpolated in ln sigma for other counts."""
    levels = np.array(_AYS_LEVELS_SDXL if span.options.sdxl else _AYS_LEVELS)
    if n != len(levels):
        points = np.linspace(0, 1, len(levels))
        # from the low end up, so that a single level is the lowest one, as in the reference
        rising = np.interp(np.linspace(0, 1, n), points, np.log(levels[::-1]))
        levels = np.exp(rising)[::-1].copy()
    return _append_zero(torch.tensor(levels, dtype=torch.float32))


def simple(n: int, span: SigmaRange) -> Tensor:
    """Every (1000 / n)-th level of the model's table from the top."""
    sigmas = span.table.sigmas
    stride = len(sigmas) / n
    return torch.stack([*(sigmas[-(1 + int(i * stride))] for i in range(n)), torch.tensor(0.0)])


def ddim(n: int, span: SigmaRange) -> Tensor:
    """DDIM's own stride through the table; the count may exceed ``n``."""
    sigmas = span.table.sigmas
    return _append_zero(sigmas[1 :: max(len(sigmas) // n, 1)].flip(0))


def beta(n: int, span: SigmaRange) -> Tensor:
    """Lee et al. (2024), "Beta sampling is all you need": quantiles of a beta distribution."""
    places = 1 - np.linspace(0, 1, n)
    shares = stats.beta.ppf(places, span.options.beta_alpha, span.options.beta_beta)
    return _append_zero(
        torch.tensor(span.low + shares * (span.high - span.low), dtype=torch.float32)
    )


SCHEDULES: Mapping[str, ScheduleFunction] = {
    "Automatic": model_sigmas,
    "Uniform": uniform,
    "Karras": karras,
    "Exponential": exponential,
    "Polyexponential": polyexponential,
    "SGM Uniform": sgm_uniform,
    "KL Optimal": kl_optimal,
    "Align Your Steps": align_your_steps,
    "Simple": simple,
    "Normal": normal,
    "DDIM": ddim,
    "Beta": beta,
}


def schedule_for(sampler_default: str | None, label: str) -> str:
    """The label that is really used: Automatic means the sampler's own, else the model's."""
    entry = find_schedule(label)
    if entry is None or entry.label == "Automatic":
        own = find_schedule(sampler_default) if sampler_default else None
        return own.label if own else "Automatic"
    return entry.label


def sigmas_between(
    label: str, n: int, table: NoiseSchedule, options: ScheduleOptions | None = None
) -> Tensor:
    """``n`` falling noise levels and (mostly) a final 0, float32 on the CPU; for no steps only 0.

    ``label`` is a key of :data:`SCHEDULES`, no longer "Automatic" in the sampler's sense.
    """
    if n <= 0:
        return torch.zeros(1)
    options = options or ScheduleOptions()
    low, high = float(table.sigma_min), float(table.sigma_max)
    if options.use_old_karras_scheduler_sigmas:
        low, high = 0.1, 10.0
    entry = find_schedule(label)
    assert entry is not None
    span = SigmaRange(
        options.sigma_min or low,
        options.sigma_max or high,
        table,
        options,
        options.rho or entry.default_rho,
    )
    return SCHEDULES[label](n, span).float()
