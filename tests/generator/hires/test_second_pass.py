"""The second pass of hires fix: its size, its sampling, its start, what is told of it."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.hires.hires import (
    LATE_KEYS,
    HiresTexts,
    hires_notes,
    second_pass_sampling,
    upscale_latent,
)
from generator.hires.hires_size import HiresSize, second_pass_size
from generator.pictures.resize import LATENT_MODES, resize_lanczos
from generator.request import GenerationRequest, HiresFix, Sampling, Seeds
from tests.generator.pictures.pixel_vae import PixelVae

eighths = st.integers(8, 128).map(lambda cells: cells * 8)
REQUEST = GenerationRequest("a", Seeds(1), sampling=Sampling("Euler", "Karras", 20, eta=0.3))
NOTHING = HiresTexts(None, None, None)


@given(eighths, eighths, st.floats(1.0, 4.0))
@settings(max_examples=25)
def test_a_scale_enlarges_both_sides_and_cuts_nothing(width, height, scale: float) -> None:
    found = second_pass_size(HiresFix(0.5, scale), width, height)
    assert found == HiresSize(int(width * scale), int(height * scale))


@given(eighths, eighths, eighths, eighths)
@settings(max_examples=25)
def test_a_size_is_covered_and_what_stands_over_is_cut(width, height, to_x, to_y) -> None:
    found = second_pass_size(HiresFix(0.5, 2.0, to_x, to_y), width, height)
    assert found.width >= to_x
    assert found.height >= to_y
    assert found.width == to_x or found.height == to_y
    cells = found.width // 8 - found.cut_x, found.height // 8 - found.cut_y
    assert cells == pytest.approx((to_x // 8, to_y // 8), abs=1)
    assert abs(found.width * height - found.height * width) <= max(width, height)


@given(eighths, eighths, eighths, st.booleans())
@settings(max_examples=25)
def test_one_side_alone_keeps_the_proportions(width, height, side, is_width: bool) -> None:
    fix = HiresFix(0.5, 2.0, side if is_width else 0, 0 if is_width else side)
    found = second_pass_size(fix, width, height)
    assert (found.width if is_width else found.height) == side
    assert abs(found.width * height - found.height * width) < max(width, height)
    assert (found.cut_x, found.cut_y) == (0, 0)


@pytest.mark.parametrize(
    ("fix", "sampler", "schedule", "steps"),
    [
        (HiresFix(0.5), "Euler", "Karras", 20),
        (HiresFix(0.5, steps=7), "Euler", "Karras", 7),
        (HiresFix(0.5, sampler="Heun"), "Heun", "Karras", 20),
        (HiresFix(0.5, schedule="Simple"), "Euler", "Simple", 20),
        (HiresFix(0.5, sampler="DPM++ 2M Exponential"), "DPM++ 2M", "Karras", 20),
    ],
)
def test_what_the_fix_does_not_say_is_the_first_passs(fix, sampler, schedule, steps) -> None:
    found = second_pass_sampling(REQUEST, fix)
    assert (found.sampler, found.schedule, found.steps) == (sampler, schedule, steps)
    assert (found.guidance, found.eta) == (REQUEST.sampling.guidance, 0.3)


@pytest.mark.parametrize("mode", [None, *LATENT_MODES])
def test_a_latent_is_enlarged_without_the_vae(mode: str | None) -> None:
    latent = torch.randn(2, 4, 4, 6, generator=torch.Generator().manual_seed(1))
    vae = PixelVae()
    larger, pictures = upscale_latent(
        latent, HiresFix(0.5, upscaler=mode), HiresSize(96, 64), vae, (1, 2), resize_lanczos
    )
    assert larger.shape == (2, 4, 8, 12)
    assert (pictures, vae.rows) == ((), [])


@given(st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=15)
def test_what_is_cut_off_lies_at_both_sides(cut_x: int, cut_y: int) -> None:
    """Of an odd number of cells the last side loses one more."""
    latent = torch.arange(96.0).reshape(1, 1, 8, 12).repeat(1, 4, 1, 1)
    fix, to = HiresFix(0.5, upscaler="Latent (nearest)"), HiresSize(96, 64, cut_x, cut_y)
    found, _ = upscale_latent(latent, fix, to, PixelVae(), (1,), resize_lanczos)
    assert found.shape[-2:] == (8 - cut_y, 12 - cut_x)
    first = latent[0, 0, cut_y // 2, cut_x // 2]
    last = latent[0, 0, 7 - (cut_y + 1) // 2, 11 - (cut_x + 1) // 2]
    assert found[0, 0, 0, 0] == first
    assert found[0, 0, -1, -1] == last


def test_an_upscaler_works_on_the_decoded_pictures_with_each_seeds_noise() -> None:
    latent, sizes = torch.zeros(2, 4, 2, 3), []

    def resample(image: Image.Image, size: tuple[int, int]) -> Image.Image:
        sizes.append((image.size, size))
        return image.resize(size)

    fix, to = HiresFix(0.5, upscaler="ESRGAN"), HiresSize(48, 32)
    both, pictures = upscale_latent(latent, fix, to, PixelVae(), (1, 2), resample)
    assert sizes == [((24, 16), (48, 32))] * 2
    assert [picture.size for picture in pictures] == [(48, 32)] * 2
    alone, _ = upscale_latent(latent[:1], fix, to, PixelVae(), (2,), resample)
    assert torch.equal(both[1], alone[0])
    assert not torch.equal(both[0], both[1])


@pytest.mark.parametrize(
    ("fix", "entries"),
    [
        (HiresFix(0.5), {"Hires upscale": 2.0}),
        (HiresFix(0.5, 1.5), {"Hires upscale": 1.5}),
        (HiresFix(0.5, 1.5, 640), {"Hires resize": "640x0"}),
        (HiresFix(0.5, 1.5, 640, 320), {"Hires resize": "640x320"}),
        (HiresFix(0.5, steps=9), {"Hires upscale": 2.0, "Hires steps": 9}),
        (HiresFix(0.5, upscaler="Latent"), {"Hires upscale": 2.0, "Hires upscaler": "Latent"}),
        (HiresFix(0.5, sampler="Heun"), {"Hires sampler": "Heun", "Hires upscale": 2.0}),
        (HiresFix(0.5, sampler="Euler"), {"Hires upscale": 2.0}),
    ],
)
def test_the_infotext_tells_what_differs_from_the_first_pass(fix: HiresFix, entries: dict) -> None:
    found = hires_notes(REQUEST, fix, NOTHING)
    assert {key: value for key, value in found.items() if value is not None} == {
        "Denoising strength": 0.5
    } | entries
    assert set(LATE_KEYS) <= set(found)


def test_prompts_and_checkpoint_of_its_own_are_told_in_order() -> None:
    own = HiresTexts("other [12]", "a dog", "bad")
    found = hires_notes(replace(REQUEST, prompt="x"), HiresFix(0.5, sampler="Heun"), own)
    told = [key for key, value in found.items() if value is not None]
    assert told == [
        "Denoising strength", "Hires checkpoint", "Hires sampler", "Hires prompt",
        "Hires negative prompt", "Hires upscale",
    ]  # fmt: skip
