"""Latents and pixels: there and back, each picture by itself, noise from its own generator."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.errors import NotANumber
from generator.pictures.latents import (
    Approximation,
    decode_latents,
    encode_pictures,
    encode_pixels,
    to_image,
    to_pixels,
)
from tests.generator.pictures.pixel_vae import PixelVae, flat


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=15)
def test_pixels_of_a_picture_make_that_picture(seed: int, width: int, height: int) -> None:
    """All but a level: numbers are cut off, not rounded (contract section 3.8)."""
    wanted = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    pixels = to_pixels(Image.fromarray(wanted))
    assert pixels.shape == (1, 3, height, width)
    assert -1 <= float(pixels.min()) <= float(pixels.max()) <= 1
    found = np.asarray(to_image(pixels[0] + 1e-6), int)
    assert np.abs(found - wanted).max() <= 1


@given(st.integers(0, 254))
@settings(max_examples=25)
def test_levels_are_cut_off(level: int) -> None:
    between = torch.full((3, 1, 1), (level + 0.999) / 255 * 2 - 1)
    assert to_image(between).getpixel((0, 0)) == (level,) * 3


def test_pictures_are_encoded_one_at_a_time_and_scaled() -> None:
    vae = PixelVae()
    latents = encode_pictures(vae, [flat(255), flat(0), flat(51)])
    assert latents.shape == (3, 4, 2, 2)
    assert vae.rows == [1, 1, 1]
    assert latents[:, 0, 0, 0].tolist() == pytest.approx([0.2, -0.2, -0.12])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_latents_are_full_precision_whatever_the_vae(dtype: torch.dtype) -> None:
    assert encode_pictures(PixelVae(dtype), [flat(9)]).dtype == torch.float32


def test_a_picture_comes_back_through_the_vae() -> None:
    vae = PixelVae()
    (found,) = decode_latents(vae, encode_pictures(vae, [flat(100)]))
    assert found.size == (16, 16)
    assert found.getpixel((3, 3)) == pytest.approx((100, 155, 7), abs=1)


def test_each_picture_is_drawn_from_its_own_generator() -> None:
    vae, pictures = PixelVae(), [flat(10), flat(200)]

    def generators(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    both = encode_pictures(vae, pictures, generators(1, 2))
    alone = encode_pictures(vae, pictures[1:], generators(2))
    middle = encode_pictures(vae, pictures)
    assert torch.equal(both[1], alone[0])
    assert not torch.equal(both[0] - middle[0], both[1] - middle[1])
    spread = encode_pictures(vae, [flat(10, 512)], generators(3)) - encode_pictures(
        vae, [flat(10, 512)]
    )
    assert float(spread.std()) == pytest.approx(0.5 * 0.2, rel=0.05)


def test_as_many_generators_are_needed_as_pictures() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        encode_pixels(PixelVae(), torch.zeros(2, 3, 8, 8), [torch.Generator()])


def test_nan_is_let_through_where_nobody_checks() -> None:
    broken = torch.full((1, 4, 1, 1), torch.nan)
    with pytest.raises(NotANumber):
        list(decode_latents(PixelVae(), broken))
    (found,) = decode_latents(PixelVae(), broken, check_nan=False)
    assert found.size == (8, 8)


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
@settings(max_examples=25)
def test_an_approximation_is_affine_in_the_latent(weight: float, bias: float) -> None:
    approximation = Approximation(torch.full((4, 3), weight / 4), torch.full((3,), bias))
    for level in (-1.0, 0.0, 1.0):
        found = approximation.to_picture(torch.full((4, 2, 3), level))
        assert found.size == (3, 2)
        wanted = (max(min(level * weight + bias, 1), -1) + 1) / 2 * 255
        assert found.getpixel((0, 0))[0] == pytest.approx(wanted, abs=1.01)
