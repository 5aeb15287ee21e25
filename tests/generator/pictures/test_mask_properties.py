"""Masks, sizes and colours whatever the picture: what is kept, what is inside, what is even."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from generator.pictures.colour_correction import LUMINOSITY, histogram_of, match_colours
from generator.pictures.grid import compose_grid, row_count
from generator.pictures.masks import (
    blur_mask,
    crop_box,
    fill_masked,
    fit_box,
    make_overlay,
    read_mask,
)
from generator.pictures.matched_noise import make_matched_noise
from generator.pictures.resize import (
    CROP,
    FILL,
    IMAGE_MODES,
    JUST_RESIZE,
    LATENT_MODES,
    always_lanczos,
    resize_image,
    resize_lanczos,
    resize_latent,
)
from generator.pictures.soft_masks import opacity_masks, weighted_percentile
from generator.request import SoftInpainting

sides = st.integers(1, 60)
sigmas = st.one_of(st.just(0.0), st.floats(0.01, 20))


def noise_image(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    shape = (height, width) if mode == "L" else (height, width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


@st.composite
def masks_with_box(draw: st.DrawFn) -> tuple[Image.Image, tuple[int, int, int, int]]:
    width, height = draw(st.integers(2, 80)), draw(st.integers(2, 80))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    right, bottom = draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    mask = Image.new("L", (width, height))
    mask.paste(255, (left, top, right, bottom))
    return mask, (left, top, right, bottom)


@given(masks_with_box(), st.integers(0, 40), st.tuples(st.integers(8, 512), st.integers(8, 512)))
@settings(max_examples=25)
def test_the_cropped_part_holds_the_mask_and_its_padding_inside_the_picture(
    masked, padding: int, size: tuple[int, int]
) -> None:
    mask, box = masked
    found = crop_box(mask, padding, size)
    assert found is not None
    left, top, right, bottom = found
    assert 0 <= left <= max(box[0] - padding, 0)
    assert 0 <= top <= max(box[1] - padding, 0)
    assert mask.width >= right >= min(box[2] + padding, mask.width)
    assert mask.height >= bottom >= min(box[3] + padding, mask.height)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(8, 512), st.integers(8, 512))
@settings(max_examples=25)
def test_a_box_with_room_around_it_gets_the_proportions_that_are_asked_for(
    width: int, height: int, wide: int, high: int
) -> None:
    """As near as whole pixels can be, and only the short side grows."""
    box = (20_000, 20_000, 20_000 + width, 20_000 + height)
    left, top, right, bottom = fit_box(box, (wide, high), (40_000, 40_000))
    grown = (right - left, bottom - top)
    assert grown[0] == width or grown[1] == height
    assert grown[0] >= width
    assert grown[1] >= height
    ideal = max(width, height * wide / high), max(height, width * high / wide)
    assert grown == pytest.approx(ideal, abs=1)
    assert abs((left + right) / 2 - (box[0] + box[2]) / 2) <= 0.5  # it stays in the middle
    assert abs((top + bottom) / 2 - (box[1] + box[3]) / 2) <= 0.5


@given(st.integers(0, 255), sides, sides, sigmas, sigmas)
@settings(max_examples=30)
def test_an_even_mask_stays_even_under_any_blur(
    level: int, width: int, height: int, x: float, y: float
) -> None:
    even = Image.new("L", (width, height), level)
    assert blur_mask(even, x, y).tobytes() == even.tobytes()


@given(masks_with_box(), st.floats(0.3, 12))
@settings(max_examples=30)
def test_a_blur_stays_between_black_and_white_and_turns_with_the_mask(masked, sigma: float) -> None:
    mask, _ = masked
    blurred = blur_mask(mask, sigma, 0)
    low, high = mask.getextrema()
    assert low <= blurred.getextrema()[0]
    assert blurred.getextrema()[1] <= high
    turned = blur_mask(mask.transpose(Image.Transpose.TRANSPOSE), 0, sigma)
    assert turned.transpose(Image.Transpose.TRANSPOSE).tobytes() == blurred.tobytes()
    mirrored = ImageOps.mirror(blur_mask(ImageOps.mirror(mask), sigma, 0))
    assert mirrored.tobytes() == blurred.tobytes()


@pytest.mark.parametrize("sigma", [1, 3, 8])
def test_a_wider_blur_reaches_further(sigma: int) -> None:
    mask = Image.new("L", (129, 1))
    mask.paste(255, (64, 0, 65, 1))
    reach = [int((np.asarray(blur_mask(mask, s, 0)) > 0).sum()) for s in (sigma, 2 * sigma)]
    assert reach[0] < reach[1]
    assert reach[0] <= 2 * int(2.5 * sigma + 0.5) + 1


@given(masks_with_box(), st.integers(0, 99))
@settings(max_examples=15)
def test_what_is_not_masked_is_kept_by_filling_and_by_the_overlay(masked, seed: int) -> None:
    mask, _ = masked
    image = noise_image(*mask.size, seed)
    kept = np.asarray(mask) == 0
    filled = np.asarray(fill_masked(image, mask))
    assert (filled[kept] == np.asarray(image)[kept]).all()
    overlay = make_overlay(image, mask)
    below = Image.new("RGBA", image.size, "#123456")
    below.alpha_composite(overlay)
    shown = np.asarray(below.convert("RGB"))
    assert (shown[kept] == np.asarray(image)[kept]).all()
    assert (shown[~kept] == [0x12, 0x34, 0x56]).all()


@given(st.integers(0, 255), st.booleans())
@settings(max_examples=25)
def test_a_mask_is_read_from_alpha_only_where_some_is_clear(alpha: int, round: bool) -> None:
    picture = Image.new("RGBA", (2, 1), (90, 90, 90, 255))
    picture.putpixel((0, 0), (90, 90, 90, alpha))
    found = np.asarray(read_mask(picture, round))[0].tolist()
    if alpha == 255:
        assert found == [90, 90]  # brightness
    else:
        assert found == ([255 if alpha > 128 else 0, 255] if round else [alpha, 255])


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.sampled_from([JUST_RESIZE, CROP, FILL]))
@settings(max_examples=60)
@example((1, 1), (2, 3), FILL)
@example((2, 1), (2, 2), FILL)
@example((1, 2), (2, 2), FILL)
def test_a_picture_of_one_colour_stays_one_at_every_size(start, size, mode: int) -> None:
    image = Image.new("RGB", start, (10, 130, 250))
    assert resize_image(image, size, mode).getcolors() == [(size[0] * size[1], (10, 130, 250))]


@given(st.tuples(sides, sides))
@settings(max_examples=25)
def test_a_picture_of_the_right_size_is_not_changed(size: tuple[int, int]) -> None:
    image = noise_image(*size)
    for mode in (JUST_RESIZE, CROP, FILL):
        assert resize_image(image, size, mode).tobytes() == image.tobytes()


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.sampled_from([CROP, FILL]))
@settings(max_examples=25)
def test_covering_and_fitting_ask_for_the_pictures_own_proportions(start, size, mode: int) -> None:
    asked: list[tuple[int, int]] = []

    def resample(image: Image.Image, to: tuple[int, int]) -> Image.Image:
        asked.append(to)
        return resize_lanczos(image, to)

    resize_image(Image.new("RGB", start), size, mode, resample)
    (inner,) = asked
    assert inner[0] == size[0] or inner[1] == size[1]
    ideal = (start[0] * inner[1] / start[1], start[1] * inner[0] / start[0])
    assert abs(inner[0] - ideal[0]) <= 1 or abs(inner[1] - ideal[1]) <= 1
    if mode == FILL:
        assert inner[0] <= size[0]
        assert inner[1] <= size[1]


@pytest.mark.parametrize("mode", LATENT_MODES)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=10)
def test_a_latent_of_its_own_size_is_not_changed_and_larger_ones_stay_in_range(
    mode: str, width: int, height: int, seed: int
) -> None:
    latent = torch.randn(1, 4, height, width, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(resize_latent(latent, (width, height), mode), latent, atol=1e-5)
    if "bicubic" not in mode:  # that overshoots
        larger = resize_latent(latent, (width * 2, height * 3), mode)
        assert float(larger.max()) <= float(latent.max()) + 1e-5
        assert float(larger.min()) >= float(latent.min()) - 1e-5
    flipped = resize_latent(latent.flip(1), (width * 2, height), mode)
    assert torch.allclose(flipped.flip(1), resize_latent(latent, (width * 2, height), mode))


def test_there_is_one_way_to_resize_without_upscalers() -> None:
    assert always_lanczos("anything") is resize_lanczos
    assert set(IMAGE_MODES) == {"None", "Lanczos", "Nearest"}


@given(st.integers(1, 120), st.integers(-1, 20), st.integers(1, 8), st.booleans())
@settings(max_examples=25)
def test_a_grid_has_a_cell_for_each_picture(
    pictures: int, rows: int, batch: int, even: bool
) -> None:
    down = row_count(pictures, rows, batch, even)
    assert 1 <= down <= pictures
    across = -(-pictures // down)
    assert across * down >= pictures
    if even and rows < 0:
        assert across * down == pictures
        assert down <= across


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=9))
@settings(max_examples=20)
def test_each_picture_of_a_grid_is_shown_whole(sizes: list[tuple[int, int]]) -> None:
    images = [Image.new("RGB", size, (place + 1, 0, 0)) for place, size in enumerate(sizes)]
    sheet = compose_grid(images)
    shown = {colour: count for count, colour in sheet.getcolors(100_000)}
    for place, (width, height) in enumerate(sizes):
        assert shown[place + 1, 0, 0] == width * height


@given(st.integers(0, 99), st.integers(100, 199))
@settings(max_examples=10)
def test_colour_correction_keeps_the_light_and_is_settled_the_second_time(one, other) -> None:
    image, colours = noise_image(24, 24, one), histogram_of(noise_image(24, 24, other))
    first = match_colours(image, colours)
    second = match_colours(first, colours)
    light = [np.asarray(each, float) @ LUMINOSITY for each in (image, first)]
    assert np.abs(light[0] - light[1]).max() <= 2
    assert np.abs(np.asarray(first, float) - np.asarray(second, float)).mean() < 8


@given(st.integers(0, 255), st.integers(0, 99))
@settings(max_examples=10)
def test_the_colours_of_a_grey_picture_make_a_picture_grey(level: int, seed: int) -> None:
    grey = histogram_of(Image.new("RGB", (4, 4), (level,) * 3))
    found = np.asarray(match_colours(noise_image(16, 16, seed), grey), int)
    assert np.ptp(found, axis=-1).max() <= 2


def test_histograms_are_shares_that_rise_to_one() -> None:
    shares = histogram_of(noise_image(20, 10)).shares
    assert shares.shape == (3, 256)
    assert (np.diff(shares, axis=1) >= 0).all()
    assert shares[:, -1].tolist() == [1, 1, 1]


fields = st.integers(0, 9999).map(lambda seed: np.random.default_rng(seed).random((6, 7)))


@given(fields, st.sampled_from([(0.9, 1.0), (0.25, 0.75), (0.0, 1.0)]))
@settings(max_examples=15)
def test_a_percentile_lies_among_its_neighbours_and_turns_with_them(values, window) -> None:
    found = weighted_percentile(values, *window)
    for y, x in np.ndindex(values.shape):
        around = values[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        assert around.min() - 1e-9 <= found[y, x] <= around.max() + 1e-9
    assert np.allclose(weighted_percentile(values[::-1], *window), found[::-1])
    assert np.allclose(weighted_percentile(values.T, *window), found.T)
    assert np.allclose(weighted_percentile(values + 5, *window), found + 5)


def test_a_narrow_window_at_the_end_grows_inwards() -> None:
    """The uppermost tenth of two cells is less than a cell's weight: one whole weight is taken."""
    edge = np.exp(-4)
    neighbour = (np.exp(-1 / 2.25) - edge) / (1 - edge)  # its weight beside the cell's own 1
    found = weighted_percentile(np.array([[0.0, 1.0]]), 0.9, 1.0)
    assert found.tolist() == [[pytest.approx(neighbour), pytest.approx(1.0)]]


@given(fields)
@settings(max_examples=10)
def test_higher_percentiles_are_higher(values: np.ndarray) -> None:
    low, middle, high = (
        weighted_percentile(values, *window) for window in ((0.0, 0.1), (0.45, 0.55), (0.9, 1.0))
    )
    assert (low <= middle + 1e-9).all()
    assert (middle <= high + 1e-9).all()


@given(st.floats(0.1, 4.0), st.floats(0.1, 6.0))
@settings(max_examples=15)
def test_more_movement_and_a_lower_threshold_show_more_of_the_new_picture(
    moved: float, threshold: float
) -> None:
    before, mask = torch.zeros(1, 4, 5, 5), torch.ones(1, 1, 5, 5)

    def shown(distance: float, at: float) -> float:
        soft = SoftInpainting(difference_threshold=at)
        (found,) = opacity_masks(before, before + distance / 2, mask, soft)
        return float(np.asarray(found).mean())

    assert shown(moved, threshold) <= shown(moved * 1.5, threshold)
    assert shown(moved, threshold) >= shown(moved, threshold * 1.5)
    # at the threshold half of it shows, smoothed
    assert shown(threshold, threshold) == pytest.approx(127, abs=2)


@given(st.integers(0, 99), st.floats(0.3, 2.0), st.floats(0.0, 1.0))
@settings(max_examples=10)
def test_matched_noise_keeps_the_picture_its_range_and_its_own_numbers(
    seed: int, exponent: float, variation: float
) -> None:
    picture = np.random.default_rng(seed).random((16, 24, 3))
    mask = np.zeros((16, 24))
    mask[:, 16:] = 1
    found = make_matched_noise(picture, mask, exponent, variation)
    assert np.array_equal(found[:, :16], picture[:, :16])
    assert 0 <= found.min() <= found.max() <= 1
    assert np.array_equal(found, make_matched_noise(picture, mask, exponent, variation))
    for channel in range(3):
        old, new = picture[:, :16, channel], found[:, 16:, channel]
        assert old.min() - 1e-9 <= new.min() <= new.max() <= old.max() + 1e-9
        assert np.median(new) == pytest.approx(np.median(old), abs=0.1)


def test_noise_of_no_variation_is_as_grey_as_the_picture() -> None:
    grey = np.random.default_rng(1).random((16, 24, 1)).repeat(3, 2)
    mask = np.zeros((16, 24))
    mask[:, 16:] = 1
    assert np.ptp(make_matched_noise(grey, mask, 1.0, 0.0), axis=2).max() < 1e-6
    assert np.ptp(make_matched_noise(grey, mask, 1.0, 1.0), axis=2).max() > 0.05
