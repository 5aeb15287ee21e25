"""The way back from a picture to its noise."""

import pytest
import torch
from torch import Tensor

from generator.request import Inversion, Stop
from generator.sampling.denoiser import SamplingInterrupted
from generator.sampling.inversion import invert_to_noise
from generator.sampling.passes import InvertedNoise
from generator.sampling.schedules import scaled_linear


class Gaussian:
    """What denoises pictures that are Gaussian noise around ``mean``: exact (Karras et al.)."""

    def __init__(self, mean: float, last: int = 10_000) -> None:
        self.mean, self.last, self.calls = mean, last, 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > self.last:
            raise SamplingInterrupted(Stop.INTERRUPT, None)
        share = 1 / (1 + sigma[:, None, None, None] ** 2)
        return self.mean + share * (x - self.mean)


def latent() -> Tensor:
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("steps", [10, 200])
def test_the_road_back_ends_at_the_noise_of_the_flow(steps: int) -> None:
    # The flow's solution is x(sigma) = x(0) * sqrt(1 + sigma^2): the picture, only louder.
    found = invert_to_noise(latent(), Gaussian(0.0), scaled_linear(), Inversion("", "", steps))
    assert torch.allclose(found, latent() / latent().std(), atol=1e-4)


def test_adjusted_steps_come_near_it_too() -> None:
    asked = Inversion("", "", 400, adjusted=True)
    found = invert_to_noise(latent(), Gaussian(0.0), scaled_linear(), asked)
    assert (found / latent()).std() < 1e-4
    assert 0.8 < float(found.std()) < 1.3


def test_an_interrupt_ends_the_road() -> None:
    denoiser = Gaussian(0.0, last=3)
    found = invert_to_noise(latent(), denoiser, scaled_linear(), Inversion("", "", 50))  # type: ignore[arg-type]
    assert denoiser.calls == 4
    assert torch.isfinite(found).all()


def test_mixed_noise_keeps_its_variance() -> None:
    one, other = torch.randn(2, 1, 4, 64, 64, generator=torch.Generator().manual_seed(2))
    for share in (0.0, 0.3, 1.0):
        assert float(InvertedNoise(one, share).mix_with(other).std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(InvertedNoise(one, 0.0).mix_with(other), one)
