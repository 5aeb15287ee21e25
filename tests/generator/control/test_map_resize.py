"""Maps at other sizes (contract section 10.4)."""

import numpy as np
import pytest

from generator.control import map_resize
from generator.control.map_resize import (
    CROP,
    FILL,
    STRETCH,
    Pixels,
    at_resolution,
    fit_map,
    perfect_resolution,
    resize_map,
)
from generator.control.thinning import thin_lines
from tests.generator.control.sample_maps import lines, photograph


@pytest.mark.parametrize("mode", [STRETCH, CROP, FILL])
@pytest.mark.parametrize("size", [(64, 64), (96, 40), (40, 96), (200, 200)])
def test_every_mode_gives_the_size(mode: str, size: tuple[int, int]) -> None:
    assert fit_map(photograph(60, 80), size, mode).shape == (size[1], size[0], 3)


def test_crop_shows_the_middle_and_fill_the_whole() -> None:
    map = np.zeros((40, 80, 3), np.uint8)
    map[:, 20:60] = 255  # white in the middle, black left and right
    assert fit_map(map, (40, 40), CROP).min() == 255
    filled = fit_map(map, (40, 40), FILL)
    assert filled[20].max() == 255
    assert not filled[0].any()  # the border's colour above and below


def test_the_size_itself_changes_nothing() -> None:
    map = photograph(64, 64)
    for mode in (STRETCH, CROP, FILL):
        assert np.array_equal(fit_map(map, (64, 64), mode), map)


def test_flat_areas_are_not_blended() -> None:
    areas = np.zeros((64, 64, 3), np.uint8)
    areas[:32], areas[:, 32:] = (120, 120, 70), (4, 250, 7)
    for size in ((37, 41), (150, 133)):
        colours = {tuple(colour) for colour in resize_map(areas, size).reshape(-1, 3).tolist()}
        assert colours == {(120, 120, 70), (4, 250, 7), (0, 0, 0)}


@pytest.mark.parametrize("side", [40, 64, 128])
def test_lines_stay_black_and_white_and_thin(side: int) -> None:
    resized = resize_map(lines(), (side, side))
    assert set(np.unique(resized)) == {0, 255}
    length = 2 * np.pi * side / 3
    assert 0.5 * length < np.count_nonzero(resized[..., 0]) < 1.6 * length


@pytest.mark.parametrize(("to", "pruned"), [((24, 20), True), ((20, 16), False), ((16, 16), False)])
def test_only_enlarged_lines_lose_their_loose_ends(
    monkeypatch: pytest.MonkeyPatch, to: tuple[int, int], pruned: bool
) -> None:
    """As in AUTOMATIC1111's extension: not at the same number of pixels, nor at fewer."""
    asked: list[bool] = []
    monkeypatch.setattr(
        map_resize,
        "thin_lines",
        lambda grey, prune: (asked.append(prune), thin_lines(grey, prune))[1],
    )
    map = np.zeros((20, 16, 3), np.uint8)
    map[10] = 255
    resize_map(map, to)
    assert asked == [pruned]


def test_loose_ends_are_taken_off_after_thinning() -> None:
    bar = np.zeros((9, 11), np.uint8)
    bar[3:6, 1:10] = 255  # worn down to a line with a fork at each end
    fork = np.zeros_like(bar)
    fork[4, 1:10], fork[3:6, [1, 9]] = 255, 255
    short = np.zeros_like(bar)
    short[4, 1:8] = 255
    assert np.array_equal(thin_lines(bar, prune=False), fork)
    assert np.array_equal(thin_lines(bar, prune=True), short)


def test_thick_shapes_stay_thick() -> None:
    disc = np.zeros((64, 64, 3), np.uint8)
    disc[16:48, 16:48] = 255
    resized = resize_map(disc, (128, 128))
    assert set(np.unique(resized)) == {0, 255}
    assert np.count_nonzero(resized[..., 0]) == pytest.approx(64 * 64, rel=0.05)


def test_a_mask_stays_black_and_white_beside_its_picture() -> None:
    mask = np.zeros((60, 80, 1), np.uint8)
    mask[20:40, 20:40] = 255
    resized = fit_map(np.dstack([photograph(60, 80), mask]), (128, 96), CROP)
    assert resized.shape == (96, 128, 4)
    assert set(np.unique(resized[..., 3])) == {0, 255}
    outside = fit_map(np.dstack([photograph(60, 80), mask]), (64, 128), FILL)[0, 0]
    assert outside[3] == 255  # what the picture does not cover is repainted


def test_preprocessors_work_on_sides_of_64() -> None:
    seen: list[tuple[int, ...]] = []

    def draw(pixels: Pixels) -> Pixels:
        seen.append(pixels.shape)
        return pixels

    drawn = at_resolution(draw, photograph(60, 100), 90)
    assert seen == [(128, 192, 3)]
    assert drawn.shape == (90, 150, 3)


def test_pixel_perfect_needs_no_resizing_afterwards() -> None:
    image = photograph(60, 100)
    for mode, wanted in ((CROP, 77), (STRETCH, 77), (FILL, 38)):
        assert perfect_resolution(image, (64, 77), mode) == wanted
