"""Noise against the recorded one, bit for bit, and its independence of the batch."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.request import Seeds
from generator.sampling.brownian import BrownianNoise
from generator.sampling.noise import (
    PictureNoise,
    PictureSeed,
    make_random_source,
    paste_centred,
    picture_noise,
    picture_seeds,
)
from generator.sampling.philox import Philox

SHAPE = (4, 8, 8)
SOURCES = ("CPU", "NV", "GPU")
# how the recorded noises were made: seeds 1234 and 1235 with these
RECORDED: dict[str, dict[str, Any]] = {
    "plain": {},
    "sub": {"variation_strength": 0.3},
    "sub1": {"variation_strength": 1.0},
    "resize_up": {"resize_from": (4, 4)},
    "resize_dn": {"resize_from": (16, 12)},
}


@pytest.fixture(scope="session")
def arrays(goldens: Path) -> dict[str, np.ndarray]:
    with np.load(goldens / "unit_arrays.npz") as file:
        return dict(file)


@pytest.mark.parametrize("source", SOURCES)
def test_generators_equal_the_recorded(arrays: dict[str, np.ndarray], source: str) -> None:
    for seed in (0, 1, 1234, 4294967295):
        wanted = arrays[f"randn_{source}_{seed}"]
        found = make_random_source(seed, source)(SHAPE).numpy()
        assert np.allclose(found, wanted, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("source", "kind"), list(product(SOURCES, RECORDED)))
def test_picture_noise_equals_the_recorded(
    arrays: dict[str, np.ndarray], source: str, kind: str
) -> None:
    pictures = [PictureSeed(1234 + i, 77 + i, **RECORDED[kind]) for i in range(2)]
    noise = PictureNoise(pictures, SHAPE, source)
    # the recording asked for the first noise twice, from the same generators
    found = {
        "first": noise.draw_initial(),
        "next1": noise.draw_initial(),
        "next2": noise.draw_next(),
    }
    for name, tensor in found.items():
        wanted = arrays[f"imagerng_{source}_{kind}_{name}"]
        assert np.allclose(tensor.numpy(), wanted, atol=1e-6, rtol=1e-6), name


def test_philox_golden_of_the_contract() -> None:
    philox = Philox(0)
    first = [-0.92466241, -0.42534396, -2.6438458, 0.14518388]
    assert philox.randn((3, 4))[0] == pytest.approx(first, abs=1e-7)
    assert philox.randn((2,)) == pytest.approx([0.18082589, -0.55226272], abs=1e-7)


@pytest.mark.parametrize("source", ["CPU", "NV"])
def test_a_picture_ignores_its_neighbours(source: str) -> None:
    batch = picture_noise(Seeds(5, 9, 0.0), 0, 4, source, 31337, SHAPE)
    alone = picture_noise(Seeds(5, 9, 0.0), 2, 1, source, 31337, SHAPE)
    for _ in range(2):
        assert torch.equal(batch.draw_initial()[2], alone.draw_initial()[0])
        assert torch.equal(batch.draw_next()[2], alone.draw_next()[0])


@given(
    st.sampled_from(["CPU", "NV"]),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([(0, 0), (32, 32), (96, 64), (128, 0)]),
    st.sampled_from([0, 31337]),
    st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_sub_batches_are_parts_of_the_whole(
    source: str, seed: int, strength: float, resize: tuple[int, int], delta: int, size: int
) -> None:
    """However the pictures of a job are divided, each has the noise of its place."""
    seeds = Seeds(seed, seed // 2, strength, *resize)
    whole = picture_noise(seeds, 0, 6, source, delta, SHAPE)
    parts = [
        picture_noise(seeds, first, min(size, 6 - first), source, delta, SHAPE)
        for first in range(0, 6, size)
    ]
    for draw in ("draw_initial", "draw_next", "draw_next"):
        together = torch.cat([getattr(part, draw)() for part in parts])
        assert torch.equal(getattr(whole, draw)(), together)


@pytest.mark.parametrize("source", ["CPU", "NV"])
def test_variation_goes_from_one_noise_to_the_other(source: str) -> None:
    own, other = (make_random_source(seed, source)(SHAPE) for seed in (5, 9))

    def varied_noise(strength: float) -> torch.Tensor:
        return picture_noise(Seeds(5, 9, strength), 0, 1, source, 0, SHAPE).draw_initial()[0]

    assert torch.equal(varied_noise(0.0), own)
    assert torch.allclose(varied_noise(1.0), other, atol=1e-5)
    near, far = varied_noise(0.1), varied_noise(0.9)
    assert float((near - own).norm()) < float((near - other).norm())
    assert float((far - other).norm()) < float((far - own).norm())


@pytest.mark.parametrize("source", ["CPU", "NV"])
@pytest.mark.parametrize(("width", "height"), [(32, 48), (64, 32)])
def test_a_resized_seed_lies_in_the_middle(source: str, width: int, height: int) -> None:
    """The small picture's noise, around it what the seed gives at full size (contract 3.4)."""
    found = picture_noise(Seeds(5, 0, 0.0, width, height), 0, 1, source, 0, SHAPE).draw_initial()[0]
    small = make_random_source(5, source)((4, height // 8, width // 8))
    around = make_random_source(5, source)(SHAPE)
    top, left = (8 - height // 8) // 2, (8 - width // 8) // 2
    wanted = around.clone()
    wanted[:, top : top + height // 8, left : left + width // 8] = small
    assert torch.equal(found, wanted)


def test_one_side_alone_resizes_nothing() -> None:
    plain = picture_noise(Seeds(5), 0, 1, "CPU", 0, SHAPE).draw_initial()
    half = picture_noise(Seeds(5, resize_from_width=32), 0, 1, "CPU", 0, SHAPE).draw_initial()
    assert torch.equal(plain, half)


def test_without_a_gpu_its_noise_is_the_cpus() -> None:
    assert torch.equal(make_random_source(7, "GPU")(SHAPE), make_random_source(7, "CPU")(SHAPE))
    assert not torch.equal(make_random_source(7, "NV")(SHAPE), make_random_source(7, "CPU")(SHAPE))


def test_seeds_count_up_unless_varied() -> None:
    plain = picture_seeds(Seeds(10, 20), 2, 2)
    assert [(p.seed, p.variation_seed) for p in plain] == [(12, 22), (13, 23)]
    varied = picture_seeds(Seeds(10, 20, 0.5), 2, 2)
    assert [(p.seed, p.variation_seed) for p in varied] == [(10, 22), (10, 23)]
    assert picture_seeds(Seeds(1, resize_from_width=64), 0, 1)[0].resize_from is None


def test_ensd_changes_all_but_the_first_noise() -> None:
    plain, moved = (picture_noise(Seeds(5), 0, 1, "CPU", d, SHAPE) for d in (0, 31337))
    assert torch.equal(plain.draw_initial(), moved.draw_initial())
    assert torch.equal(moved.draw_next()[0], make_random_source(5 + 31337, "CPU")(SHAPE))
    assert not torch.equal(plain.draw_next(), moved.draw_next())


@pytest.mark.parametrize("size", [2, 3, 5, 8, 11, 12])
def test_pasting_is_centred(size: int) -> None:
    small = torch.arange(size * size).float().reshape(1, size, size) + 1
    pasted = paste_centred(small, torch.zeros(1, 8, 8))
    assert pasted.shape == (1, 8, 8)
    offset = (8 - size) // 2
    kept = (pasted > 0).sum()
    assert kept == (size * size if size <= 8 else min(8, size + 2 * offset) ** 2)


def test_brownian_paths_belong_to_pictures() -> None:
    low, high = torch.tensor(0.03), torch.tensor(14.6)
    batch = BrownianNoise([7, 8], SHAPE, low, high)
    alone = BrownianNoise([8], SHAPE, low, high)
    sigma, target = torch.tensor(5.0), torch.tensor(2.0)
    assert torch.equal(batch(sigma, target)[1], alone(sigma, target)[0])
    assert torch.equal(batch(sigma, target), batch(sigma, target))
    assert not torch.equal(
        alone(sigma, target), BrownianNoise([8], SHAPE, low, high, "NV")(sigma, target)
    )


def test_brownian_increments_add_up_and_have_unit_variance() -> None:
    noise = BrownianNoise([1], (4, 32, 32), torch.tensor(0.03), torch.tensor(14.6))
    a, b, c = torch.tensor([8.0, 4.0, 1.0])
    whole = noise(a, c) * (a - c).sqrt()
    parts = noise(a, b) * (a - b).sqrt() + noise(b, c) * (b - c).sqrt()
    assert torch.allclose(whole, parts, atol=1e-5)
    assert float(noise(a, b).std()) == pytest.approx(1.0, abs=0.05)
