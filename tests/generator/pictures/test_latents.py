"""From latents to pixels: truncation, NaN, and the cheap preview."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Self

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from generator.errors import NotANumber
from generator.pictures.latents import decode_latents, fit_approximation, to_image


@dataclass
class LinearVae:
    """Draws colours that are affine in the latent; NaN in half precision when told so."""

    overflows: bool = False
    dtype: torch.dtype = torch.float32
    config = SimpleNamespace(scaling_factor=0.5)
    calls: int = 0

    def parameters(self) -> Iterator[Tensor]:
        yield torch.empty(0, dtype=self.dtype)

    def to(self, dtype: torch.dtype) -> Self:
        self.dtype = dtype
        return self

    def decode(self, latent: Tensor) -> SimpleNamespace:
        self.calls += 1
        weight = torch.tensor([[0.1, 0, 0, 0.02], [0, 0.1, 0, 0], [0.01, 0, 0.1, 0]])
        colours = torch.einsum("bchw,rc->brhw", latent.float(), weight) + 0.05
        pixels = functional.interpolate(colours, scale_factor=8)
        if self.overflows and self.dtype != torch.float32:
            pixels[..., 0, 0] = torch.nan
        return SimpleNamespace(sample=pixels)


def test_channels_are_truncated_not_rounded() -> None:
    pixels = torch.tensor([-2.0, -1.0, 0.0, 0.999, 1.0, 3.0]).expand(3, 1, 6)
    assert np.asarray(to_image(pixels))[0, :, 0].tolist() == [0, 0, 127, 254, 255, 255]


def test_pictures_are_decoded_one_at_a_time() -> None:
    vae = LinearVae()
    images = list(decode_latents(vae, torch.zeros(3, 4, 2, 5)))
    assert [image.size for image in images] == [(40, 16)] * 3
    assert vae.calls == 3


def test_a_vae_that_overflows_turns_to_full_precision() -> None:
    vae = LinearVae(overflows=True, dtype=torch.float16)
    (image,) = decode_latents(vae, torch.zeros(1, 4, 2, 2))
    assert vae.dtype == torch.float32
    assert image.getpixel((0, 0)) == (133, 133, 133)


def test_nan_in_full_precision_is_an_error() -> None:
    with pytest.raises(NotANumber, match=r"NaNs was produced in VAE"):
        list(decode_latents(LinearVae(), torch.full((1, 4, 2, 2), torch.nan)))


def test_the_preview_finds_the_colours_of_a_linear_vae() -> None:
    vae = LinearVae()
    latent = torch.randn(1, 4, 3, 5, generator=torch.Generator().manual_seed(3))
    (picture,) = decode_latents(vae, latent)
    preview = fit_approximation(vae).to_picture(latent[0])
    assert preview.size == (5, 3)
    small = np.asarray(picture)[::8, ::8].astype(int)
    assert abs(np.asarray(preview).astype(int) - small).max() <= 1
