"""Noise that continues a picture."""

import numpy as np

from generator.pictures.matched_noise import make_matched_noise


def half_shown() -> tuple[np.ndarray, np.ndarray]:
    """A picture in dark reds, the mask over its right half."""
    picture = np.random.default_rng(3).random((32, 64, 3)) * [0.5, 0.1, 0.1]
    mask = np.zeros((32, 64))
    mask[:, 32:] = 1
    return picture, mask


def test_keeps_what_is_not_masked() -> None:
    picture, mask = half_shown()
    assert np.array_equal(make_matched_noise(picture, mask)[:, :32], picture[:, :32])


def test_noise_has_the_colours_of_the_picture() -> None:
    picture, mask = half_shown()
    found = make_matched_noise(picture, mask)
    for channel in range(3):
        wanted = np.quantile(picture[:, :32, channel], [0.1, 0.5, 0.9])
        own = np.quantile(found[:, 32:, channel], [0.1, 0.5, 0.9])
        assert np.abs(own - wanted).max() < 0.01


def test_noise_is_the_same_each_time_and_follows_the_exponent() -> None:
    picture, mask = half_shown()
    assert np.array_equal(make_matched_noise(picture, mask), make_matched_noise(picture, mask))
    assert not np.allclose(
        make_matched_noise(picture, mask, 2.0), make_matched_noise(picture, mask, 0.5)
    )


def test_a_picture_of_one_colour_has_noise_of_that_colour() -> None:
    _, mask = half_shown()
    found = make_matched_noise(np.full((32, 64, 3), 0.25), mask)
    assert np.allclose(found, 0.25)
    assert np.isfinite(make_matched_noise(np.zeros((32, 64, 3)), mask)).all()


def test_what_the_mask_hides_counts_for_the_brightness() -> None:
    """As in AUTOMATIC1111, where the old picture's edge lies below the mask."""
    picture, mask = half_shown()
    hidden, seen = picture.copy(), mask > 0
    hidden[seen] = 0.9
    bare = picture.copy()
    bare[seen] = 0.0
    assert not np.allclose(
        make_matched_noise(hidden, mask, 2.0), make_matched_noise(bare, mask, 2.0)
    )
    moved = hidden.copy()
    moved[seen] = hidden[seen][::-1]  # only its mean does
    assert np.allclose(make_matched_noise(hidden, mask, 2.0), make_matched_noise(moved, mask, 2.0))
