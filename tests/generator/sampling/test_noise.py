"""Noise against the recorded one, bit for bit, and its independence of the batch."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generator.request import Seeds
from generator.sampling.brownian import BrownianNoise
from generator.sampling.noise import (
    PictureNoise,
    PictureSeed,
    generator,
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
        assert np.array_equal(generator(seed, source)(SHAPE).numpy(), wanted)


@pytest.mark.parametrize(("source", "kind"), list(product(SOURCES, RECORDED)))
def test_picture_noise_equals_the_recorded(
    arrays: dict[str, np.ndarray], source: str, kind: str
) -> None:
    pictures = [PictureSeed(1234 + i, 77 + i, **RECORDED[kind]) for i in range(2)]
    noise = PictureNoise(pictures, SHAPE, source)
    # the recording asked for the first noise twice, from the same generators
    found = {"first": noise.initial(), "next1": noise.initial(), "next2": noise.next()}
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
        assert torch.equal(batch.initial()[2], alone.initial()[0])
        assert torch.equal(batch.next()[2], alone.next()[0])


def test_seeds_count_up_unless_varied() -> None:
    plain = picture_seeds(Seeds(10, 20), 2, 2)
    assert [(p.seed, p.variation_seed) for p in plain] == [(12, 22), (13, 23)]
    varied = picture_seeds(Seeds(10, 20, 0.5), 2, 2)
    assert [(p.seed, p.variation_seed) for p in varied] == [(10, 22), (10, 23)]
    assert picture_seeds(Seeds(1, resize_from_width=64), 0, 1)[0].resize_from is None


def test_ensd_changes_all_but_the_first_noise() -> None:
    plain, moved = (picture_noise(Seeds(5), 0, 1, "CPU", d, SHAPE) for d in (0, 31337))
    assert torch.equal(plain.initial(), moved.initial())
    assert torch.equal(moved.next()[0], generator(5 + 31337, "CPU")(SHAPE))
    assert not torch.equal(plain.next(), moved.next())


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
