"""LCM: sampling a latent consistency model (Luo et al. 2023, arXiv:2310.04378).

Such a model was distilled on 50 of the 1000 timesteps, so it has a table of its own.
"""

from itertools import pairwise

from torch import Tensor

from generator.sampling.schedules import NoiseSchedule
from generator.sampling.singlestep import Denoise, Draw, repeat_for_batch

_STRIDE = 20  # of the timesteps it was distilled on: 19, 39, ... 999
_SIGMA_DATA = 0.5
_TIME_SCALE = 10.0


def distilled_table(table: NoiseSchedule) -> NoiseSchedule:
    """The 50 entries of the model's table that it was distilled on."""
    return NoiseSchedule(table.alphas_cumprod[_STRIDE - 1 :: _STRIDE])


def distilled_timestep(sigma: Tensor, table: NoiseSchedule) -> Tensor:
    """The nearest of the 50 timesteps, in the numbering of all 1000."""
    return table.sigma_to_t(sigma, quantize=True) * _STRIDE + _STRIDE - 1


def apply_consistency(x: Tensor, denoised: Tensor, timestep: Tensor) -> Tensor:
    """The consistency function: ``denoised`` with a share of ``x`` that vanishes for t > 0."""
    scaled = timestep[:, None, None, None] * _TIME_SCALE
    total = scaled**2 + _SIGMA_DATA**2
    return scaled / total**0.5 * denoised + _SIGMA_DATA**2 / total * x


def lcm(denoise: Denoise, x: Tensor, sigmas: Tensor, draw: Draw) -> Tensor:
    """Jump to the estimate, add fresh noise of the next level, repeat (algorithm 3)."""
    for sigma, target in pairwise(sigmas):
        x = denoise(x, repeat_for_batch(x, sigma))
        if target > 0:
            x = x + target * draw()
    return x
