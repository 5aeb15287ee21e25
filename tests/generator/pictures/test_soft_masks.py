"""Soft inpainting: cells that moved show the new picture."""

import numpy as np
import pytest
import torch

from generator.pictures.soft_masks import opacity_masks, weighted_percentile
from generator.request import SoftInpainting


def test_a_percentile_of_even_values_is_that_value() -> None:
    even = np.full((5, 7), 3.0)
    assert weighted_percentile(even, 0.25, 0.75) == pytest.approx(even)
    assert weighted_percentile(even, 0.9, 1.0) == pytest.approx(even)


def test_high_percentiles_spread_a_peak_and_middle_ones_remove_it() -> None:
    peak = np.zeros((9, 9))
    peak[4, 4] = 1.0
    assert weighted_percentile(peak, 0.9, 1.0)[4, 5] > 0.3
    assert weighted_percentile(peak, 0.25, 0.75)[4, 4] < 0.3
    assert weighted_percentile(peak, 0.25, 0.75)[4, 5] == 0


def test_what_moved_far_shows() -> None:
    before = torch.zeros(2, 4, 8, 8)
    after = before.clone()
    after[0, :, :, 4:] = 5.0
    shown, still = opacity_masks(before, after, torch.ones(1, 1, 8, 8), SoftInpainting())
    values = np.asarray(shown)
    assert values[:, 6:].min() >= 250
    assert values[:, :1].max() == 0
    assert np.asarray(still).max() == 0


def test_mask_influence_makes_kept_cells_harder_to_change() -> None:
    before, after = torch.zeros(1, 4, 8, 8), torch.full((1, 4, 8, 8), 0.25)
    mask = torch.ones(1, 1, 8, 8)
    mask[..., :4] = 0.05
    (flat,) = opacity_masks(before, after, mask, SoftInpainting())
    (led,) = opacity_masks(before, after, mask, SoftInpainting(mask_influence=1.0))
    assert np.ptp(np.asarray(flat)) == 0
    assert np.asarray(led)[4, 0] < np.asarray(led)[4, 7]


def test_a_threshold_of_nothing_shows_all_that_moved() -> None:
    before, after = torch.zeros(1, 4, 8, 8), torch.full((1, 4, 8, 8), 1e-3)
    (shown,) = opacity_masks(
        before, after, torch.ones(1, 1, 8, 8), SoftInpainting(difference_threshold=0)
    )
    assert np.asarray(shown).min() == 255
