"""Weights, ranges and corrections of units, in closed form, without a network."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from generator.control.corrections import correct_output
from generator.control.map_resize import (
    CROP,
    FILL,
    STRETCH,
    at_resolution,
    fit_map,
    perfect_resolution,
    resize_map,
)
from generator.control.modules import find_module
from generator.control.postprocess import apply_unit_to_picture
from generator.control.prepared_unit import PreparedUnit, dials_of, prepare_unit
from generator.control.thinning import keep_ridges, thin_lines
from generator.control.units import (
    BALANCED,
    CONTROL_FIRST,
    HR_OPTIONS,
    PROMPT_FIRST,
    read_units,
    unread_units,
)
from generator.control.weights import (
    FALLOFF,
    SDXL_RESIDUALS,
    acts_in_pass,
    is_active,
    residual_weights,
)
from generator.errors import BadRequest
from generator.models.families.family import Prediction
from generator.request import ControlUnit, GenerationRequest, Seeds
from tests.generator.control.conftest import encode_pixels
from tests.generator.control.sample_maps import lines, photograph

weights = st.floats(0, 2)


@given(weights, st.integers(2, 20), st.booleans())
@settings(max_examples=25)
def test_balanced_units_weigh_every_residual_alike(weight: float, count: int, large: bool) -> None:
    assert residual_weights(ControlUnit(weight=weight), count, large) == (weight,) * count


@given(
    weights,
    st.integers(2, 20).filter(lambda count: count != SDXL_RESIDUALS),
    st.sampled_from([PROMPT_FIRST, CONTROL_FIRST]),
)
@settings(max_examples=25)
def test_soft_weights_fall_from_the_middle_to_the_finest(weight, count: int, mode: str) -> None:
    found = residual_weights(ControlUnit(weight=weight, control_mode=mode), count, False)
    assert found[-1] == weight
    assert list(found) == sorted(found)
    for finer, coarser in pairwise(found):
        assert finer == pytest.approx(coarser * FALLOFF)


@pytest.mark.parametrize("mode", [PROMPT_FIRST, CONTROL_FIRST])
def test_sdxl_takes_the_first_soft_weights_of_sd1(mode: str) -> None:
    unit = ControlUnit(weight=0.5, control_mode=mode)
    found = residual_weights(unit, SDXL_RESIDUALS, False)
    assert found == residual_weights(unit, 13, False)[:10]
    assert found[-1] == pytest.approx(0.5 * 0.825**3)


@pytest.mark.parametrize("module", ["canny", "mlsd"])
def test_edges_are_soft_in_the_second_pass(module: str) -> None:
    unit = ControlUnit(module)
    assert residual_weights(unit, 3, False) == (1.0, 1.0, 1.0)
    assert residual_weights(unit, 3, True) == pytest.approx((FALLOFF**2, FALLOFF, 1.0))


@pytest.mark.parametrize("mode", [BALANCED, PROMPT_FIRST])
def test_weights_of_ones_own_are_taken_as_they_are_or_refused_by_their_number(mode: str) -> None:
    unit = ControlUnit("canny", weight=0.5, control_mode=mode, advanced_weighting=(0.1, 0.2, 0.3))
    assert residual_weights(unit, 3, True) == (0.1, 0.2, 0.3)
    with pytest.raises(BadRequest, match="has 3 numbers; this ControlNet adds 13"):
        residual_weights(unit, 13, False)


@pytest.mark.parametrize("option", HR_OPTIONS)
def test_a_unit_acts_in_the_passes_that_it_is_for(option: str) -> None:
    unit = ControlUnit(hr_option=option)
    acts = [acts_in_pass(unit, large, 2) for large in (False, True)]
    assert acts == {"Both": [True, True], "Low res only": [True, False]}.get(option, [False, True])
    assert acts_in_pass(unit, False, 1)


@given(st.integers(1, 60), st.integers(1, 2), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40)
def test_a_range_is_one_run_of_calls(steps: int, order: int, one: float, other: float) -> None:
    start, end = sorted((one, other))
    unit = ControlUnit(guidance_start=start, guidance_end=end)
    calls = [is_active(unit, call, order, steps) for call in range(steps * order)]
    changes = sum(a != b for a, b in pairwise(calls))
    assert changes <= 2
    assert sum(calls) / len(calls) == pytest.approx(end - start, abs=2.1 / steps)
    whole = ControlUnit()
    assert all(is_active(whole, call, order, steps) for call in range(steps * order))


def test_a_range_lags_one_call_behind() -> None:
    unit = ControlUnit(guidance_start=0.5)
    assert [is_active(unit, call, 1, 4) for call in range(4)] == [False, False, False, True]
    unit = ControlUnit(guidance_end=0.25)
    assert [is_active(unit, call, 1, 4) for call in range(4)] == [True, True, True, False]


LATENT = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(1))
CLEAN = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(2))
NOISE = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(3))


def ready(module: str, mask: np.ndarray | None = None, **unit: Any) -> PreparedUnit:
    found = find_module(module)
    assert found is not None
    pixels = np.full((48, 48, 3), 90, np.uint8)
    if mask is not None:
        pixels = np.dstack([pixels, mask])
    return PreparedUnit(ControlUnit(module, **unit), found, pixels, STRETCH, None)


def corrected(
    unit: PreparedUnit, prediction: Prediction, alpha: float, *, positive=1.0, large=False
) -> Tensor:
    """The clean latent that the corrected answer means, where the answer meant CLEAN."""
    share = torch.full((1, 1, 1, 1), alpha)
    x = share.sqrt() * CLEAN + (1 - share).sqrt() * NOISE
    v = share.sqrt() * NOISE - (1 - share).sqrt() * CLEAN
    meant = {Prediction.V: v, Prediction.EDM: -v, Prediction.EPSILON: NOISE}
    found = correct_output(
        unit, LATENT, x, meant[prediction], alpha=share,
        prediction=prediction, positive=torch.full((1, 1, 1, 1), positive), large=large,
    )  # fmt: skip
    if prediction is Prediction.EDM:
        return share.sqrt() * x + (1 - share).sqrt() * found
    if prediction is Prediction.V:
        return share.sqrt() * x - (1 - share).sqrt() * found
    return (x - (1 - share).sqrt() * found) / share.sqrt()


half = np.zeros((48, 48, 1), np.uint8)
half[:, 24:] = 255


@pytest.mark.parametrize("prediction", Prediction)
@given(alpha=st.floats(0.1, 0.99))
@settings(max_examples=10)
def test_inpaint_only_keeps_what_is_known_and_leaves_the_rest(
    prediction: Prediction, alpha: float
) -> None:
    found = corrected(ready("inpaint_only", half), prediction, alpha)
    assert torch.allclose(found[..., :2], LATENT[..., :2], atol=1e-3)
    assert torch.allclose(found[..., 3:], CLEAN[..., 3:], atol=1e-3)
    # a cell counts as masked a little beyond its own 8 pixels
    assert torch.allclose(found[..., 2], CLEAN[..., 2], atol=1e-3)


@pytest.mark.parametrize("prediction", Prediction)
@given(weight=st.floats(0, 2))
@settings(max_examples=10)
def test_a_correction_counts_by_the_units_weight_up_to_one(
    prediction: Prediction, weight: float
) -> None:
    unit = ready("inpaint_only", np.zeros((48, 48, 1), np.uint8), weight=weight)
    found = corrected(unit, prediction, 0.5)
    share = min(weight, 1.0)
    assert torch.allclose(found, share * LATENT + (1 - share) * CLEAN, atol=1e-4)


@pytest.mark.parametrize("prediction", Prediction)
@pytest.mark.parametrize("reach", [3, 8])
def test_colorfix_takes_the_pictures_colours_and_the_answers_detail(
    prediction: Prediction, reach
) -> None:
    found = corrected(ready("tile_colorfix", threshold_a=reach), prediction, 0.5)

    def blurred(latent: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(latent, (reach,) * 4, mode="replicate")
        return torch.nn.functional.avg_pool2d(padded, 2 * reach + 1, stride=1)

    assert torch.allclose(found - CLEAN, blurred(LATENT) - blurred(CLEAN), atol=1e-4)


def test_the_second_pass_of_hires_fix_reaches_twice_as_far() -> None:
    wide, twice = ready("tile_colorfix", threshold_a=3), ready("tile_colorfix", threshold_a=6)
    large = corrected(wide, Prediction.EPSILON, 0.5, large=True)
    assert torch.allclose(large, corrected(twice, Prediction.EPSILON, 0.5), atol=1e-5)


def test_sharpness_softens_the_negative_alone() -> None:
    plain = ready("tile_colorfix", threshold_a=3)
    sharp = ready("tile_colorfix+sharp", threshold_a=3, threshold_b=2.0)
    wanted = corrected(plain, Prediction.EPSILON, 0.5)
    assert torch.allclose(
        corrected(sharp, Prediction.EPSILON, 0.5, positive=1.0), wanted, atol=1e-5
    )
    negative = corrected(sharp, Prediction.EPSILON, 0.5, positive=0.0)
    assert float(negative.std()) < float(wanted.std())
    assert not torch.allclose(negative, wanted, atol=1e-4)


def test_inpaint_only_keeps_the_known_pixels_with_a_soft_seam() -> None:
    new = Image.new("RGB", (48, 48), (200, 200, 200))
    hard = np.asarray(apply_unit_to_picture(new, ready("inpaint_only", half), 0), int)[0, :, 0]
    assert set(hard[:24]) == {90}
    assert set(hard[24:]) == {200}
    soft = np.asarray(apply_unit_to_picture(new, ready("inpaint_only", half), 7), int)[0, :, 0]
    assert (np.diff(soft) >= 0).all()
    assert set(soft[24:]) == {200}  # the seam lies in what was known
    assert 90 < soft[22] < 200
    assert set(soft[:14]) == {90}


@pytest.mark.parametrize("name", ["recolor_luminance", "recolor_intensity"])
def test_recolor_keeps_the_maps_brightness_and_the_pictures_hue(name: str) -> None:
    picture = Image.new("RGB", (48, 48), (40, 60, 200))
    found = np.asarray(apply_unit_to_picture(picture, ready(name), 0))
    back = cv2.cvtColor(found, cv2.COLOR_BGR2LAB if "lum" in name else cv2.COLOR_BGR2HSV)
    assert back[..., 0 if "lum" in name else 2].mean() == pytest.approx(90, abs=3)
    red, green, blue = found[0, 0].astype(int)
    assert blue > green > red


@pytest.mark.parametrize("name", ["canny", "none", "tile_resample", "inpaint", "reference_only"])
def test_other_units_leave_finished_pictures_alone(name: str) -> None:
    picture = Image.new("RGB", (48, 48), "red")
    assert apply_unit_to_picture(picture, ready(name), 7) is picture


modes = st.sampled_from([STRETCH, CROP, FILL])
sizes = st.tuples(st.integers(1, 12), st.integers(1, 12)).map(lambda s: (s[0] * 8, s[1] * 8))


@given(st.integers(1, 120), st.integers(1, 120), sizes, modes)
@settings(max_examples=30)
def test_a_map_of_any_proportions_fits_any_size(height: int, width: int, size, mode: str) -> None:
    assert fit_map(photograph(height, width), size, mode).shape == (size[1], size[0], 3)


@pytest.mark.parametrize("shape", [(1, 2000), (2000, 1), (3, 1500)])
@pytest.mark.parametrize("mode", [STRETCH, CROP, FILL])
def test_a_line_of_pixels_is_a_map_too(shape: tuple[int, int], mode: str) -> None:
    thin = photograph(*shape)
    assert fit_map(thin, (64, 48), mode).shape == (48, 64, 3)
    assert perfect_resolution(thin, (64, 48), mode) >= 1


@given(st.integers(0, 255), st.integers(1, 60), st.integers(1, 60), sizes, modes)
@settings(max_examples=20)
def test_an_even_map_stays_even(level: int, height: int, width: int, size, mode: str) -> None:
    even = np.full((height, width, 3), level, np.uint8)
    assert (fit_map(even, size, mode) == level).all()


@given(st.integers(8, 60), st.integers(8, 60), st.integers(8, 100))
@settings(max_examples=15)
def test_what_draws_at_a_resolution_gets_sides_of_64_and_loses_nothing(height, width, resolution):
    seen: list[tuple[int, ...]] = []

    def draw(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels.shape)
        return pixels

    drawn = at_resolution(draw, photograph(height, width), resolution)
    assert min(drawn.shape[:2]) == resolution
    ((high, wide, _),) = seen
    assert high % 64 == wide % 64 == 0
    assert 0 <= high - drawn.shape[0] < 64
    assert 0 <= wide - drawn.shape[1] < 64


@given(st.integers(0, 999))
@settings(max_examples=10)
def test_ridges_and_thin_lines_are_parts_of_what_they_were_made_of(seed: int) -> None:
    blobs = cv2.GaussianBlur(np.random.default_rng(seed).random((40, 40)), (0, 0), 3)
    white = np.where(blobs > np.median(blobs), 255, 0).astype(np.uint8)
    white = np.pad(white[4:-4, 4:-4], 4)  # at the very edge a shape may be worn away
    thin = thin_lines(white, prune=False)
    assert not (thin & ~white).any()
    assert np.array_equal(thin_lines(thin, prune=False), thin)
    assert cv2.connectedComponents(thin)[0] == cv2.connectedComponents(white)[0]
    pruned = thin_lines(white, prune=True)
    assert not (pruned & ~thin).any()
    grey = (blobs * 255).astype(np.uint8)
    ridges = keep_ridges(grey)
    assert set(np.unique(ridges)) <= {0, *np.unique(grey).tolist()}
    assert ridges.max() == grey.max()


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_map_resized_and_turned_is_the_map_turned_and_resized(turn: int) -> None:
    image = photograph(32, 32)
    one = np.rot90(resize_map(image, (64, 64)), turn)
    other = resize_map(np.rot90(image, turn).copy(), (64, 64))
    assert np.abs(one.astype(int) - other).max() <= 1


def test_lines_that_shrink_and_grow_stay_one_pixel_wide() -> None:
    for side in (40, 100):
        square = np.ones((2, 2), np.uint8)
        thick = cv2.erode(resize_map(lines(), (side, side))[..., 0], square)
        assert np.count_nonzero(thick) < 20


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("number", [NAN, INFINITY, -INFINITY, "inf", "nan", 1e300, -1, 63.9])
def test_a_resolution_that_is_none_is_the_preprocessors_own(number: object) -> None:
    (unit,) = read_units([{"enabled": True, "module": "canny", "processor_res": number}])
    assert unit.processor_res == 512


@pytest.mark.parametrize("field", ["weight", "guidance_start", "guidance_end"])
@pytest.mark.parametrize("number", [NAN, INFINITY, -0.1, 2.1])
def test_numbers_out_of_range_are_refused_by_their_field(field: str, number: float) -> None:
    with pytest.raises(BadRequest, match=field):
        read_units([{"enabled": True, field: number}])


@given(st.dictionaries(st.sampled_from(
    ["module", "weight", "image", "mask", "resize_mode", "processor_res", "threshold_a",
     "guidance_start", "guidance_end", "control_mode", "pixel_perfect", "advanced_weighting"]),
    st.one_of(st.none(), st.booleans(), st.integers(-5, 700), st.floats(), st.text(max_size=4),
              st.lists(st.integers(-1, 1), max_size=3))))  # fmt: skip
@settings(max_examples=60)
def test_any_unit_is_read_or_refused_in_words(fields: dict[str, Any]) -> None:
    try:
        (unit,) = read_units([{"enabled": True, **fields}])
    except BadRequest as error:
        refusal = error
    else:
        assert 0 <= unit.guidance_start <= unit.guidance_end <= 1
        assert 0 <= unit.weight <= 2
        return
    assert str(refusal).startswith("alwayson_scripts.controlnet.args[0].")


@pytest.mark.parametrize(
    ("arg", "said"),
    [
        ("text", "no object"),
        ({"module": "canny"}, "off, as it names no model; send enabled"),
        ({"module": "canny", "enabled": False}, None),
        ({"module": "none"}, None),
        ({"model": "x"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_what_is_not_read_of_the_units_is_told(arg: object, said: str | None) -> None:
    told = list(unread_units([arg]))
    assert (said is None and not told) or (said is not None and said in told[0])
    beyond = list(unread_units([None] * 3 + [arg]))
    asks = isinstance(arg, dict) and "model" in arg
    assert bool(beyond) == (asks or arg == "text")


def test_a_unit_is_prepared_at_the_size_of_the_job() -> None:
    image = encode_pixels(photograph(48, 64))
    request = GenerationRequest("", Seeds(5, 2), width=100, height=68)
    unit = prepare_unit(ControlUnit("invert", image=image, resize_mode=STRETCH), request, None)
    assert unit.map.shape == (48, 64, 3)
    hint = unit.hint_at((96, 64))
    assert hint.shape == (1, 3, 64, 96)
    assert 0 <= float(hint.min()) <= float(hint.max()) <= 1
    assert unit.map_at((96, 64)) is unit.map_at((96, 64))  # it is drawn once
    assert unit.picture_at((96, 64)).size == (96, 64)


def test_a_pixel_perfect_unit_needs_no_resizing() -> None:
    image = encode_pixels(photograph(48, 64))
    request = GenerationRequest("", Seeds(5), width=96, height=96)
    wanted = ControlUnit("blur_gaussian", image=image, resize_mode=CROP, pixel_perfect=True)
    assert min(prepare_unit(wanted, request, None).map.shape[:2]) == 96
    assert (
        min(prepare_unit(replace(wanted, pixel_perfect=False), request, None).map.shape[:2]) == 512
    )


def test_what_is_to_be_repainted_is_minus_one_in_the_hint() -> None:
    unit = ready("inpaint", half)
    hint = unit.hint_at((48, 48))
    assert (hint[..., 24:] == -1).all()
    assert torch.allclose(hint[..., :24], torch.tensor(90 / 255))
    assert unit.mask_at((48, 48)).mean() == 0.5


def test_a_region_is_fitted_like_the_map() -> None:
    image, region = encode_pixels(photograph(48, 64)), np.zeros((48, 64), np.uint8)
    region[:, :32] = 255
    request = GenerationRequest("", Seeds(5), width=64, height=64)
    unit = ControlUnit(
        image=image, effective_region_mask=encode_pixels(region), resize_mode=STRETCH
    )
    found = prepare_unit(unit, request, None).region
    assert found is not None
    assert found.shape == (1, 1, 64, 64)
    assert float(found[..., :31].min()) == 1
    assert float(found[..., 33:].max()) == 0


def test_shuffles_follow_both_seeds_of_the_job() -> None:
    module = find_module("shuffle")
    assert dials_of(ControlUnit("shuffle"), module, Seeds(5, 2)).seed == 7
    assert dials_of(ControlUnit("shuffle"), module).seed == 0
