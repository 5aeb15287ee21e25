"""Noise whatever the seed, the source and the size: what is equal, what differs, how it spreads."""

import math
from itertools import pairwise

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
    slerp,
)
from generator.sampling.philox import Philox

SHAPE = (4, 6, 8)
SOURCES = ("CPU", "NV")
any_seed = st.integers(0, 2**63 - 1)


@pytest.mark.parametrize("source", SOURCES)
@given(seed=any_seed)
@settings(max_examples=15)
def test_a_seed_is_the_same_noise_again_and_its_neighbours_another(source: str, seed: int) -> None:
    first = make_random_source(seed, source)(SHAPE)
    assert first.dtype == torch.float32
    assert torch.equal(first, make_random_source(seed, source)(SHAPE))
    assert not torch.equal(first, make_random_source(seed + 1, source)(SHAPE))


@pytest.mark.parametrize("source", SOURCES)
def test_draws_of_one_source_follow_one_another(source: str) -> None:
    draw = make_random_source(3, source)
    first, second, third = (draw(SHAPE) for _ in range(3))
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**53])
def test_noise_is_standard_normal(source: str, seed: int) -> None:
    noise = make_random_source(seed, source)((4, 64, 64)).double()
    count = noise.numel()
    assert abs(float(noise.mean())) < 4 / math.sqrt(count)
    assert float(noise.std()) == pytest.approx(1, abs=4 / math.sqrt(2 * count))
    within = [float((noise.abs() < width).double().mean()) for width in (1, 2, 3)]
    assert within == pytest.approx([0.6827, 0.9545, 0.9973], abs=0.02)
    rows = noise[:, :-1] * noise[:, 1:]  # neighbours know nothing of each other
    assert abs(float(rows.mean())) < 0.05


@given(any_seed, st.integers(1, 300), st.integers(1, 300))
@settings(max_examples=20)
def test_a_larger_philox_draw_begins_with_the_smaller(seed: int, few: int, many: int) -> None:
    few, many = sorted((few, many))
    assert np.array_equal(Philox(seed).randn((many,))[:few], Philox(seed).randn((few,)))


@given(any_seed, st.integers(0, 2**20))
@settings(max_examples=20)
def test_philox_goes_on_from_its_offset(seed: int, offset: int) -> None:
    ahead = Philox(seed, offset)
    first, second = ahead.randn((5,)), ahead.randn((2, 3))
    assert ahead.offset == offset + 2
    assert np.array_equal(first, Philox(seed, offset).randn((5,)))
    assert np.array_equal(second, Philox(seed, offset + 1).randn((2, 3)))


@given(any_seed)
@settings(max_examples=15)
def test_philox_takes_64_bits_of_a_seed(seed: int) -> None:
    noise = Philox(seed).randn((8,))
    assert np.array_equal(noise, Philox(seed + 2**64).randn((8,)))
    for bit in (0, 31, 32, 63):
        assert not np.array_equal(noise, Philox(seed ^ (1 << bit)).randn((8,)))


def test_philox_keeps_the_numbers_when_the_shape_changes() -> None:
    assert np.array_equal(Philox(7).randn((2, 3, 4)).ravel(), Philox(7).randn((24,)))
    assert Philox(7).randn((0,)).shape == (0,)


def unit_noises() -> tuple[torch.Tensor, torch.Tensor]:
    return make_random_source(1, "CPU")(SHAPE), make_random_source(2, "CPU")(SHAPE)


@given(st.floats(0.0, 1.0))
@settings(max_examples=25)
def test_slerp_keeps_the_length_between_rows_of_one_length(strength: float) -> None:
    low, high = (noise / noise.norm(dim=1, keepdim=True) for noise in unit_noises())
    mixed = slerp(strength, low, high)
    assert torch.allclose(mixed.norm(dim=1), torch.ones(4, 8), atol=1e-4)


@given(st.floats(0.0, 1.0))
@settings(max_examples=25)
def test_slerp_backwards_is_slerp_of_the_other_share(strength: float) -> None:
    low, high = unit_noises()
    there, back = slerp(strength, low, high), slerp(1 - strength, high, low)
    assert torch.allclose(there, back, atol=1e-4)


def test_slerp_turns_evenly() -> None:
    low, high = (noise / noise.norm(dim=1, keepdim=True) for noise in unit_noises())
    path = [slerp(share, low, high) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    turns = [torch.acos((a * b).sum(1)) for a, b in pairwise(path)]
    for turn in turns[1:]:
        assert torch.allclose(turn, turns[0], atol=1e-3)


def test_slerp_of_a_noise_with_itself_is_that_noise() -> None:
    low, _ = unit_noises()
    assert torch.allclose(slerp(0.3, low, low), low)


sides = st.tuples(st.integers(1, 12), st.integers(1, 12))


@given(sides, sides)
@settings(max_examples=25)
def test_what_is_pasted_is_a_block_in_the_middle(
    small: tuple[int, int], large: tuple[int, int]
) -> None:
    """Of what is larger an equal strip is cut at both sides, as in AUTOMATIC1111."""
    inner = torch.arange(1.0, 1 + small[0] * small[1]).reshape(1, *small)
    found = paste_centred(inner, torch.zeros(1, *large))
    wanted, cut = torch.zeros(1, *large), inner
    places = []
    for axis, (size, outer) in enumerate(zip(small, large, strict=True), start=1):
        strip = max(-((outer - size) // 2), 0)
        cut = cut.narrow(axis, strip, max(size - 2 * strip, 0))
        start = max((outer - size) // 2, 0)
        places.append(slice(start, start + cut.shape[axis]))
    wanted[:, places[0], places[1]] = cut
    assert torch.equal(found, wanted)


def test_pasting_leaves_what_lies_below_as_it_was() -> None:
    below = torch.zeros(1, 4, 4)
    paste_centred(torch.ones(1, 2, 2), below)
    assert float(below.abs().max()) == 0


@given(st.integers(0, 2**32), st.integers(0, 2**32), st.sampled_from([0.0, 0.4]), st.integers(0, 5))
@settings(max_examples=25)
def test_a_jobs_seeds_are_the_same_however_it_is_divided(
    seed: int, variation: int, strength: float, cut: int
) -> None:
    seeds = Seeds(seed, variation, strength)
    whole = picture_seeds(seeds, 0, 5)
    assert picture_seeds(seeds, 0, cut) + picture_seeds(seeds, cut, 5 - cut) == whole
    assert len({(each.seed, each.variation_seed) for each in whole}) == 5


@pytest.mark.parametrize("source", SOURCES)
@given(strength=st.floats(0.05, 0.95))
@settings(max_examples=10)
def test_a_stronger_variation_is_further_from_the_seeds_noise(source: str, strength: float) -> None:
    plain, weaker, stronger = (
        picture_noise(Seeds(5, 9, share), 0, 1, source, 0, SHAPE).draw_initial()
        for share in (0.0, strength * 0.5, strength)
    )
    assert 0 < float((weaker - plain).norm()) < float((stronger - plain).norm())


@pytest.mark.parametrize("source", SOURCES)
def test_pictures_of_one_seed_vary_by_their_variation_seeds(source: str) -> None:
    noise = picture_noise(Seeds(5, 9, 0.5), 0, 3, source, 0, SHAPE)
    first = noise.draw_initial()
    assert {picture.seed for picture in noise.pictures} == {5}
    assert not torch.equal(first[0], first[1])
    following = noise.draw_next()  # their samplers' noise is one seed's
    assert torch.equal(following[0], following[1])


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("delta", [0, 1, 31337])
def test_later_noise_is_that_of_the_seed_moved_by_ensd(source: str, delta: int) -> None:
    noise = PictureNoise([PictureSeed(5)], SHAPE, source, ensd=delta)
    first = noise.draw_initial()
    assert torch.equal(first[0], make_random_source(5, source)(SHAPE))
    again = make_random_source(5 + delta, source)
    if not delta:
        again(SHAPE)  # the first noise came from the same generator
    assert torch.equal(noise.draw_next()[0], again(SHAPE))
    assert torch.equal(noise.draw_next()[0], again(SHAPE))


@pytest.mark.parametrize("source", SOURCES)
def test_a_seed_of_the_same_size_needs_no_resizing(source: str) -> None:
    plain = picture_noise(Seeds(5), 0, 1, source, 0, SHAPE).draw_initial()
    resized = Seeds(5, resize_from_width=64, resize_from_height=48)
    assert torch.equal(plain, picture_noise(resized, 0, 1, source, 0, SHAPE).draw_initial())


LOW, HIGH = torch.tensor(0.03), torch.tensor(14.6)


@given(st.integers(0, 1000), st.floats(0.05, 14.0), st.floats(0.05, 14.0))
@settings(max_examples=12)
def test_brownian_increments_up_are_those_down_with_the_other_sign(
    seed: int, one: float, other: float
) -> None:
    high, low = torch.tensor(max(one, other) + 0.1), torch.tensor(min(one, other))
    noise = BrownianNoise([seed], (1, 2, 2), LOW, HIGH + 1)
    assert torch.allclose(noise(high, low), -noise(low, high))


def test_brownian_paths_are_the_same_at_any_number_of_levels() -> None:
    """What was asked before changes nothing: more steps refine one picture."""
    fresh = BrownianNoise([4], (1, 2, 2), LOW, HIGH)
    asked = BrownianNoise([4], (1, 2, 2), LOW, HIGH)
    for level in (9.0, 7.0, 3.3, 0.4):
        asked(torch.tensor(level + 1), torch.tensor(level))
    a, b = torch.tensor(8.0), torch.tensor(2.0)
    assert torch.allclose(fresh(a, b), asked(a, b), atol=1e-4)


def test_a_shared_path_is_one_for_the_batch_and_of_its_last_seed() -> None:
    shared = [BrownianNoise(seeds, (1, 4, 4), LOW, HIGH, shared=True) for seeds in ([1, 9], [2, 9])]
    first, second = (noise(torch.tensor(5.0), torch.tensor(1.0)) for noise in shared)
    assert first.shape == (2, 1, 4, 4)
    assert torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    own = BrownianNoise([1, 9], (1, 4, 4), LOW, HIGH)(torch.tensor(5.0), torch.tensor(1.0))
    assert not torch.equal(first, own)


@pytest.mark.parametrize("source", SOURCES)
def test_brownian_increments_of_apart_intervals_are_independent(source: str) -> None:
    noise = BrownianNoise([3], (4, 32, 32), LOW, HIGH, source)
    one = noise(torch.tensor(8.0), torch.tensor(4.0)).double()
    other = noise(torch.tensor(4.0), torch.tensor(1.0)).double()
    for increment in (one, other):
        assert float(increment.std()) == pytest.approx(1, abs=0.06)
    assert abs(float((one * other).mean())) < 0.06
