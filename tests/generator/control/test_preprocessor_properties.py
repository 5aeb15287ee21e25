"""Preprocessors whatever the picture: size, range, sameness, and what each one promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.control.annotators import PREPROCESSORS, Dials, annotate, luminance, plugin_module
from generator.control.detection import draw_control_map
from generator.control.map_resize import Pixels
from generator.control.modules import HIDDEN_VALUE, MODULES, Module, Slider, find_module
from generator.control.network_weights import WEIGHTS_BY_MODULE
from generator.control.poses import HAND, JOINTS, Person, draw_skeletons, hue_at, to_points
from generator.control.prepared_unit import map_to_picture
from generator.control.units import check_numbers, effective_number, known_module
from generator.errors import BadRequest
from generator.request import ControlUnit
from tests.generator.control.conftest import encode_pixels

SIDE = 64
NATURAL = {
    "canny": (100, 200),
    "threshold": (127, 0),
    "blur_gaussian": (9, 0),
    "scribble_xdog": (32, 0),
}
"""A and B as the table has them; 1 and 0 serve the others."""


@st.composite
def pictures(draw: st.DrawFn, least: int = 8, most: int = 80) -> Pixels:
    height, width = draw(st.integers(least, most)), draw(st.integers(least, most))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    grain = draw(st.sampled_from([1, 4, 16]))
    cells = random.integers(0, 256, (-(-height // grain), -(-width // grain), 3), np.uint8)
    return cells.repeat(grain, 0).repeat(grain, 1)[:height, :width]


def draw_map(name: str, image: Pixels, resolution: float = SIDE, **dials: float) -> Pixels:
    module = find_module(name)
    assert module is not None
    a, b = NATURAL.get(name, (1, 0))
    return annotate(module, image, Dials(resolution, **{"a": a, "b": b, **dials}))


def flat(level: int) -> Pixels:
    return np.full((SIDE, SIDE, 3), level, np.uint8)


@pytest.mark.parametrize("name", sorted(PREPROCESSORS))
@given(image=pictures())
@settings(max_examples=6)
def test_a_map_is_eight_bits_the_same_again_and_leaves_the_picture(
    name: str, image: Pixels
) -> None:
    before = image.copy()
    first = draw_map(name, image)
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    assert np.array_equal(first, draw_map(name, image))
    assert np.array_equal(image, before)


@pytest.mark.parametrize(
    "name", sorted(set(PREPROCESSORS) - {"invert", "tile_resample", "shuffle"})
)
@given(image=pictures(), resolution=st.integers(32, 128))
@settings(max_examples=6)
def test_a_map_has_the_resolution_on_its_short_side(name: str, image: Pixels, resolution) -> None:
    drawn = draw_map(name, image, resolution)
    assert min(drawn.shape[:2]) == resolution
    ratio = image.shape[1] / image.shape[0]
    assert drawn.shape[1] / drawn.shape[0] == pytest.approx(ratio, rel=0.6 / resolution * 2)


@pytest.mark.parametrize("name", ["canny", "threshold", "scribble_xdog"])
@given(image=pictures())
@settings(max_examples=8)
def test_lines_and_areas_are_black_or_white(name: str, image: Pixels) -> None:
    drawn = draw_map(name, image)
    assert set(np.unique(drawn)) <= {0, 255}
    assert np.array_equal(drawn[..., 0], drawn[..., 2])


@pytest.mark.parametrize("name", ["canny", "scribble_xdog", "lineart_standard"])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_an_even_picture_has_no_lines(name: str, level: int) -> None:
    assert not draw_map(name, flat(level)).any()


@given(pictures())
@settings(max_examples=10)
def test_inverting_twice_is_the_picture(image: Pixels) -> None:
    once = draw_map("invert", image)
    assert np.array_equal(once.astype(int) + image, np.full_like(image, 255, int))
    assert np.array_equal(draw_map("invert", once), image)


@given(pictures(), st.integers(0, 250), st.integers(1, 5))
@settings(max_examples=10)
def test_a_higher_threshold_leaves_less_white(image: Pixels, low: int, more: int) -> None:
    less, most = (draw_map("threshold", image, a=level) > 0 for level in (low + more, low))
    assert (most | ~less).all()


@pytest.mark.parametrize("level", [0, 100, 254])
def test_white_is_where_every_channel_is_above_the_threshold(level: int) -> None:
    image = flat(255)
    image[:32, :, 1] = level  # one channel at it is enough to be black
    drawn = draw_map("threshold", image, a=level)
    assert not drawn[:32].any()
    assert (drawn[32:] == 255).all()


@given(pictures(), st.integers(1, 100), st.integers(101, 200))
@settings(max_examples=8)
def test_higher_thresholds_of_canny_draw_fewer_edges(image: Pixels, low: int, high: int) -> None:
    few = draw_map("canny", image, a=low, b=min(high + 50, 255)) > 0
    many = draw_map("canny", image, a=low, b=high) > 0
    assert (many | ~few).all()


@pytest.mark.parametrize("name", ["blur_gaussian", "tile_resample", "color", "shuffle"])
@given(image=pictures(least=64))
@settings(max_examples=5)
def test_what_moves_or_mixes_colours_makes_no_new_ones(name: str, image: Pixels) -> None:
    """But for the overshoot of cubic interpolation, which is cut at black and white."""
    rate = 2 if name == "tile_resample" else 9
    drawn = draw_map(name, image, resolution=min(image.shape[:2]), a=rate)
    slack = 0 if name in ("blur_gaussian", "tile_resample") else 80
    for channel in range(3):
        assert drawn[..., channel].min() >= int(image[..., channel].min()) - slack - 1
        assert drawn[..., channel].max() <= int(image[..., channel].max()) + slack + 1


@pytest.mark.parametrize("name", ["blur_gaussian", "tile_resample", "color", "shuffle"])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_an_even_picture_stays_even(name: str, level: int) -> None:
    assert set(np.unique(draw_map(name, flat(level), a=2))) == {level}


def test_a_wider_blur_leaves_less_detail() -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    detail = [float(draw_map("blur_gaussian", image, a=sigma).std()) for sigma in (0.5, 2, 8)]
    assert detail == sorted(detail, reverse=True)
    assert detail[-1] < detail[0] / 5


@given(st.floats(1.1, 8.0), pictures(least=16))
@settings(max_examples=10)
def test_a_tile_is_smaller_by_its_rate(rate: float, image: Pixels) -> None:
    drawn = draw_map("tile_resample", image, a=rate)
    assert drawn.shape[:2] == (
        max(int(image.shape[0] / rate), 1),
        max(int(image.shape[1] / rate), 1),
    )


def test_the_colour_grid_is_flat_cells_of_64_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (128, 192, 3), np.uint8)
    drawn = draw_map("color", image, resolution=128)
    cells = drawn.reshape(2, 64, 3, 64, 3)
    assert (cells == cells[:, :1, :, :1]).all()
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 6


@pytest.mark.parametrize("name", ["recolor_luminance", "recolor_intensity"])
@given(gamma=st.floats(0.1, 2.0))
@settings(max_examples=10)
def test_gamma_bends_brightness_and_keeps_black_and_white(name: str, gamma: float) -> None:
    for level in (0, 255):
        assert draw_map(name, flat(level), a=gamma).max() == pytest.approx(level, abs=1)
    middle, plain = (int(draw_map(name, flat(100), a=each)[0, 0, 0]) for each in (gamma, 1.0))
    assert middle == pytest.approx(255 * (plain / 255) ** gamma, abs=2)


def test_intensity_is_the_brightest_channel_and_luminance_weighs_them() -> None:
    image = np.dstack([np.full((SIDE, SIDE), level, np.uint8) for level in (10, 200, 30)])
    assert (draw_map("recolor_intensity", image) == 200).all()
    greens, blues = (np.full((1, 1, 3), 0, np.uint8) for _ in range(2))
    greens[..., 1], blues[..., 0] = 255, 255
    assert luminance(greens) > luminance(blues)


@given(st.integers(0, 2**40))
@settings(max_examples=5)
def test_shuffles_are_decided_by_32_bits_of_the_seed(seed: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8).repeat(2, 0)
    first = draw_map("shuffle", image, seed=seed)
    assert first.shape == (1024, 512, 3)
    assert np.array_equal(first, draw_map("shuffle", image, seed=seed & 0xFFFFFFFF))
    assert not np.array_equal(first, draw_map("shuffle", image, seed=seed + 1))


@pytest.mark.parametrize(
    "module",
    [m for m in MODULES if m.name not in {*PREPROCESSORS, *WEIGHTS_BY_MODULE}],
    ids=lambda m: m.name,
)
def test_modules_that_draw_nothing_pass_the_picture_and_its_mask_on(module: Module) -> None:
    image = np.dstack([flat(9), flat(255)[..., :1]])
    assert annotate(module, image, Dials()) is image


@pytest.mark.parametrize("resolution", [None, 128])
def test_a_plugins_preprocessor_sees_its_resolution_and_its_numbers(resolution) -> None:
    seen: list[tuple[tuple[int, int], float]] = []

    def mine(image: Image.Image, dials: Dials) -> Image.Image:
        seen.append((image.size, dials.a))
        return image.convert("L")

    module = plugin_module("mine", resolution)
    drawn = annotate(module, flat(50), Dials(128, a=7.0), {"mine": mine})
    assert seen == [((SIDE, SIDE) if resolution is None else (128, 128), 7.0)]
    assert drawn.shape == ((SIDE, SIDE, 3) if resolution is None else (128, 128, 3))
    assert (drawn == 50).all()


def test_ours_are_drawn_before_a_plugins_of_the_same_name() -> None:
    thief = {"invert": lambda image, dials: image}
    assert annotate(find_module("invert"), flat(0), Dials(), thief).min() == 255


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_a_module_is_found_by_its_name_and_its_label(module: Module) -> None:
    assert find_module(module.name) is module
    assert find_module(module.label) in (module, find_module(module.label))
    if module.runs or module.name in WEIGHTS_BY_MODULE:
        assert known_module(module.label, "field").name
    else:
        with pytest.raises(BadRequest, match="network of its own"):
            known_module(module.name, "field")


@pytest.mark.parametrize("name", WEIGHTS_BY_MODULE)
def test_a_network_without_networks_at_hand_passes_no_picture_on(name: str) -> None:
    with pytest.raises(RuntimeError, match=f"{name} needs a network"):
        annotate(find_module(name), flat(50), Dials())


def test_names_and_labels_are_each_one_modules_own() -> None:
    names = [module.name for module in MODULES]
    labels = [module.label for module in MODULES]
    assert len(set(names)) == len(names)
    assert len(set(labels)) == len(labels)
    assert set(PREPROCESSORS) <= {module.name for module in MODULES if module.runs}


@given(st.sampled_from([s for m in MODULES for s in m.sliders]), st.floats(-1e6, 1e6))
@settings(max_examples=25)
def test_a_number_is_in_force_inside_its_range_and_else_the_default(slider: Slider, wanted) -> None:
    found = effective_number(slider, wanted)
    assert slider.least <= found <= slider.most
    assert found == (wanted if slider.least <= wanted <= slider.most else slider.value)
    assert effective_number(None, wanted) == HIDDEN_VALUE


@pytest.mark.parametrize(("number", "refused"), [(-1, False), (5, False), (11, True), (-2, True)])
def test_numbers_of_a_plugins_preprocessor_are_refused_beyond_their_range(number, refused) -> None:
    module = Module("mine", a=Slider("Strength", 1, 0, 10), runs=True, from_plugin=True)
    fields = ("r", "a", "b")
    if not refused:
        check_numbers(module, (512, number, 0), fields)
        return
    with pytest.raises(
        BadRequest, match=f"a: {number} is out of range; mine takes Strength from 0 to 10"
    ):
        check_numbers(module, (512, number, 0), fields)


@pytest.mark.parametrize("name", ["canny", "invert", "none", "inpaint_only"])
def test_a_map_is_drawn_without_a_job(name: str) -> None:
    unit = ControlUnit(name, image=encode_pixels(flat(200)), processor_res=64, threshold_a=100)
    shown = draw_control_map(unit)
    assert shown.size == (SIDE, SIDE)
    assert shown.mode == ("RGBA" if name == "inpaint_only" else "RGB")


def test_what_a_mask_repaints_is_half_transparent_in_the_answer() -> None:
    mask = np.zeros((SIDE, SIDE, 1), np.uint8)
    mask[:32] = 255
    shown = np.asarray(map_to_picture(np.dstack([flat(9), mask])))
    assert (shown[:32, :, 3] == 128).all()
    assert (shown[32:, :, 3] == 255).all()
    assert map_to_picture(flat(9)).mode == "RGB"


keypoints = st.lists(st.floats(0, 60), min_size=54, max_size=54)


@given(keypoints)
@settings(max_examples=15)
def test_every_seen_joint_is_drawn_in_its_colour(numbers: list[float]) -> None:
    """Later joints may lie over earlier ones; the last one is always whole."""
    numbers = [1.0 if place % 3 == 2 else number + 2 for place, number in enumerate(numbers)]
    image = draw_skeletons([Person(numbers)], 64, 64)
    x, y = numbers[51:53]
    assert image.getpixel((round(min(x, 63)), round(min(y, 63)))) == hue_at(17, JOINTS)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=HAND))
@settings(max_examples=25)
def test_shares_are_told_from_pixels_by_their_range(points: list[tuple[float, float]]) -> None:
    numbers = [part for x, y in points for part in (x, y, 1.0)]
    found = to_points(numbers, 200, 100, HAND)
    assert len(found) == HAND
    assert found[: len(points)] == [pytest.approx((x * 200, y * 100)) for x, y in points]
    assert found[len(points) :] == [None] * (HAND - len(points))
    beyond = to_points([*numbers, 150.0, 2.0, 1.0], 200, 100, HAND + 1)
    assert beyond[len(points)] == (150.0, 2.0)


@given(st.integers(1, 40))
@settings(max_examples=25)
def test_hues_go_around_the_wheel_once(count: int) -> None:
    hues = [hue_at(place, count) for place in range(count)]
    assert len(set(hues)) == count
    assert hues[0] == (255, 0, 0)
    assert all(max(hue) == 255 and min(hue) == 0 for hue in hues)
