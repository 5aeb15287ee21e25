"""Other sizes: stretch, cover, fit; latents; unknown upscalers."""

import pytest
import torch
from PIL import Image

from generator.pictures.resize import (
    CROP,
    FILL,
    JUST_RESIZE,
    LATENT_MODES,
    resize_image,
    resize_latent,
)


@pytest.fixture
def halves() -> Image.Image:
    """Left red, right blue, 40 x 20."""
    image = Image.new("RGB", (40, 20), "#ff0000")
    image.paste("#0000ff", (20, 0, 40, 20))
    return image


def test_stretching_keeps_everything(halves: Image.Image) -> None:
    small = resize_image(halves, (20, 20))
    assert small.getpixel((1, 10)) == (255, 0, 0)
    assert small.getpixel((18, 10)) == (0, 0, 255)


def test_covering_cuts_the_sides(halves: Image.Image) -> None:
    assert resize_image(halves, (10, 20), CROP).size == (10, 20)
    assert resize_image(halves, (10, 20), CROP).getpixel((0, 10)) == (255, 0, 0)


def test_fitting_stretches_the_edges(halves: Image.Image) -> None:
    fitted = resize_image(halves, (40, 60), FILL)
    assert [fitted.getpixel((5, y)) for y in (0, 30, 59)] == [(255, 0, 0)] * 3
    assert [fitted.getpixel((35, y)) for y in (0, 30, 59)] == [(0, 0, 255)] * 3


@pytest.mark.parametrize("mode", LATENT_MODES)
def test_every_latent_mode_reaches_its_size(mode: str) -> None:
    latent = torch.full((1, 4, 8, 6), 0.5)
    larger = resize_latent(latent, (9, 12), mode)
    assert larger.shape == (1, 4, 12, 9)
    assert torch.allclose(larger, torch.tensor(0.5))


@pytest.mark.parametrize("mode", [JUST_RESIZE, CROP, FILL])
@pytest.mark.parametrize("size", [(1, 1), (500, 3), (3, 500)])
def test_a_line_of_pixels_can_be_resized(size: tuple[int, int], mode: int) -> None:
    assert resize_image(Image.new("RGB", size), (32, 16), mode).size == (32, 16)
