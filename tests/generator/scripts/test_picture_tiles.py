"""Scripts that work on parts of a picture: tiles, growth at the sides, loops over pictures."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.errors import BadRequest
from generator.pictures.base64_images import read_base64, write_base64
from generator.pictures.mosaic import Mosaic
from generator.request import GenerationRequest, Mask, Seeds
from generator.scripts.init_pictures import composed_facts, first_picture, origin_of, start_from
from generator.scripts.loopback import loop_strength
from generator.scripts.outpaint_size import LONGEST_SIDE, compute_growth, mask_outside
from tests.generator.scripts.fake_painter import FakePainter, run_with_painter
from tests.generator.scripts.img2img_requests import (
    LOOP,
    MK2,
    POOR,
    UPSCALE,
    from_picture,
    initial_picture,
    picture,
)

SIDES = ("left", "right", "up", "down")
directions = st.lists(st.sampled_from(SIDES), min_size=1, max_size=4, unique=True).map(tuple)


@given(st.integers(8, 900), st.integers(8, 900), st.integers(8, 256), directions)
@settings(max_examples=25)
def test_growth_is_as_much_as_was_asked_and_less_than_64_more(
    width: int, height: int, pixels: int, sides: tuple[str, ...]
) -> None:
    grown = compute_growth((width, height), pixels, sides)
    assert grown.size[0] % 64 == grown.size[1] % 64 == 0
    for name, pair, old, new in (
        ("x", ("left", "right"), width, grown.size[0]),
        ("y", ("up", "down"), height, grown.size[1]),
    ):
        amounts = [getattr(grown, side) for side in pair]
        chosen = [side in sides for side in pair]
        asked = pixels * sum(chosen)
        assert 0 <= new - old - asked < 64, name
        assert [amount > 0 for amount in amounts] == chosen
        if any(chosen):  # all the room is shared out, evenly between two sides
            assert sum(amounts) == new - old
            assert not all(chosen) or abs(amounts[0] - amounts[1]) <= 1


@given(st.integers(8, 300), st.integers(8, 128), directions, st.integers(0, 16))
@settings(max_examples=25)
def test_the_old_box_shrinks_only_where_the_picture_grew(
    side: int, pixels: int, sides: tuple[str, ...], soft: int
) -> None:
    grown = compute_growth((side, side), pixels, sides)
    hard, softer = grown.old_box((0, 0)), grown.old_box((soft, soft))
    moved = [abs(a - b) for a, b in zip(hard, softer, strict=True)]
    assert moved == [soft * (each in sides) for each in ("left", "up", "right", "down")]


@pytest.mark.parametrize("size", [(LONGEST_SIDE, 8), (8, LONGEST_SIDE), (LONGEST_SIDE - 63, 64)])
def test_what_grows_too_large_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadRequest, match=f"at most {LONGEST_SIDE} a side"):
        compute_growth(size, 64, SIDES)


def test_growth_needs_a_side() -> None:
    with pytest.raises(BadRequest, match="none is chosen"):
        compute_growth((64, 64), 64, ())


@given(st.tuples(*[st.integers(0, 20)] * 4))
@settings(max_examples=25)
def test_the_mask_outside_a_box_is_white_around_it(box: tuple[int, int, int, int]) -> None:
    mask = np.asarray(mask_outside((21, 21), box))
    left, top, right, bottom = box
    wanted = np.full((21, 21), 255)
    if right >= left and bottom >= top:
        wanted[top : bottom + 1, left : right + 1] = 0
    assert (mask == wanted).all()


tilings = st.tuples(
    st.integers(8, 150), st.integers(8, 150), st.integers(16, 64), st.integers(0, 15)
)


@given(tilings)
@settings(max_examples=30)
def test_tiles_cover_every_pixel_and_overlap_as_much_as_asked(tiling: tuple[int, ...]) -> None:
    width, height, tile, overlap = tiling
    mosaic = Mosaic((max(width, tile), max(height, tile)), (tile, tile), overlap)
    covered = np.zeros(mosaic.size[::-1], bool)
    boxes = list(mosaic.boxes())
    assert len(boxes) == mosaic.count
    for left, top, right, bottom in boxes:
        assert (right - left, bottom - top) == (tile, tile)
        covered[top:bottom, left:right] = True
    assert covered.all()
    for starts in (mosaic.columns, mosaic.rows):
        assert all(before + tile - after >= overlap - 1 for before, after in pairwise(starts))


@given(tilings)
@settings(max_examples=10)
@example((8, 8, 16, 9))  # a picture smaller than its tile has no dark edge
def test_tiles_of_one_colour_join_without_a_seam(tiling: tuple[int, ...]) -> None:
    width, height, tile, overlap = tiling
    mosaic = Mosaic((width, height), (tile, tile), overlap)
    flat = [Image.new("RGB", (tile, tile), (90, 160, 230))] * mosaic.count
    assert mosaic.join(flat).getcolors() == [(width * height, (90, 160, 230))]


def test_a_later_tile_fades_in_over_the_one_before() -> None:
    mosaic = Mosaic((48, 32), (32, 32), 16)
    black, white = (Image.new("RGB", (32, 32), shade) for shade in ("black", "white"))
    row = np.asarray(mosaic.join([black, white]))[8, :, 0]
    assert (row[:16] == 0).all()
    assert (row[32:] == 255).all()
    assert (np.diff(row[16:32].astype(int)) >= 0).all()
    assert row[24] == pytest.approx(128, abs=2)


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0, 3.7])
@pytest.mark.parametrize("batch", [1, 3])
def test_sd_upscale_makes_its_batches_of_one_size_at_most(scale: float, batch: int) -> None:
    painter = FakePainter()
    request = from_picture(UPSCALE, a1=16, a2="Lanczos", a3=scale, batch_size=batch)
    found = run_with_painter(request, painter)
    size = (int(64 * scale),) * 2
    tiles = Mosaic(size, (64, 64), 16).count
    assert sum(each.batch_size for each in painter.requests) == tiles
    assert all(each.batch_size == batch for each in painter.requests[:-1])
    assert all(len(each.origin.images) == each.batch_size for each in painter.requests)
    assert found.pictures[0].image.size == size


def test_sd_upscale_that_paints_nothing_new_gives_the_enlarged_picture() -> None:
    """Drawings that are the tiles they began with join to the picture that was cut."""

    class Faithful(FakePainter):
        def __call__(self, request: GenerationRequest, watch):
            drawn = super().__call__(request, watch)
            images = [read_base64(text) for text in request.origin.images]
            pairs = zip(drawn.pictures, images, strict=True)
            return replace(drawn, pictures=tuple(replace(p, image=i) for p, i in pairs))

    found = run_with_painter(from_picture(UPSCALE, a1=16, a2="Lanczos", a3=2.0), Faithful())
    wanted = picture().resize((128, 128))
    difference = np.abs(np.asarray(found.pictures[0].image, int) - np.asarray(wanted, int))
    assert difference.max() <= 1


def test_each_picture_of_sd_upscale_begins_one_seed_later() -> None:
    painter = FakePainter()
    found = run_with_painter(from_picture(UPSCALE, a1=0, a2="Lanczos", batches=2), painter)
    seeds = [each.seeds.seed for each in painter.requests]
    assert seeds == [7, 8, 9, 10, 8, 9, 10, 11]
    assert len(found.pictures) == 2


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (160, 64)])
@pytest.mark.parametrize("sides", [("left",), ("right", "down"), SIDES])
def test_poor_mans_outpainting_draws_tiles_outside_the_old_picture(size, sides) -> None:
    painter = FakePainter()
    found = run_with_painter(from_picture(POOR, picture(*size), a0=16, a1=0, a3=sides), painter)
    grown = compute_growth(size, 16, sides)
    assert found.pictures[0].image.size == grown.size
    mosaic = Mosaic(grown.size, (64, 64), 16)
    inner = grown.old_box((0, 0))
    outside = [
        box for box in mosaic.boxes()
        if box[0] < inner[0] or box[1] < inner[1] or box[2] > inner[2] or box[3] > inner[3]
    ]  # fmt: skip
    assert len(painter.requests) == len(outside) <= mosaic.count
    assert [each.seeds.seed for each in painter.requests] == list(range(7, 7 + len(outside)))
    for each, box in zip(painter.requests, outside, strict=True):
        mask = read_base64(each.origin.mask.image)
        assert mask.size == (64, 64)
        old = (
            max(box[0], inner[0]),
            max(box[1], inner[1]),
            min(box[2], inner[2]),
            min(box[3], inner[3]),
        )
        if old[0] + 1 < old[2] and old[1] + 1 < old[3]:  # what stays is black
            middle = ((old[0] + old[2]) // 2 - box[0], (old[1] + old[3]) // 2 - box[1])
            assert mask.getpixel(middle) == 0


@pytest.mark.parametrize("pixels", [64, 128])
def test_poor_mans_tiles_must_be_larger_than_their_overlap(pixels: int) -> None:
    with pytest.raises(BadRequest, match=f"Pixels to expand: {pixels} must be less"):
        run_with_painter(from_picture(POOR, a0=pixels), FakePainter())


def test_outpainting_bounds_what_is_drawn_at_once() -> None:
    painter = FakePainter()
    big = picture(192, 128)
    request = from_picture(MK2, big, a1=64, a2=0, a3=("left", "down"), width=128, height=64)
    found = run_with_painter(request, painter)
    assert [(each.width, each.height) for each in painter.requests] == [(128, 128), (256, 64)]
    assert found.pictures[0].image.size == (256, 192)
    assert (found.facts["width"], found.facts["height"]) == (256, 64)


@pytest.mark.parametrize("batch", [1, 2])
def test_outpaintings_of_a_batch_grow_side_by_side(batch: int) -> None:
    painter = FakePainter()
    request = from_picture(MK2, a1=64, a2=0, a3=("up",), batch_size=batch, batches=2)
    found = run_with_painter(request, painter)
    assert [each.seeds.seed for each in painter.requests] == [7, 7 + batch]
    assert [len(each.origin.images) for each in painter.requests] == [batch, batch]
    assert len(found.pictures) == 2 * batch
    assert len(found.grids) == 1


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["Linear", "Aggressive", "Lazy"]),
    st.integers(2, 32),
)
@settings(max_examples=25)
def test_loop_strengths_go_from_the_first_to_the_last_without_turning(
    initial: float, final: float, curve: str, loops: int
) -> None:
    path = [loop_strength(initial, final, curve, loop, loops) for loop in range(loops)]
    assert path[0] == pytest.approx(initial)
    assert path[-1] == pytest.approx(final, abs=1e-9)
    steps = [after - before for before, after in pairwise(path)]
    assert all(step * (final - initial) >= -1e-12 for step in steps)


@given(st.floats(0, 0.4), st.floats(0.6, 1), st.integers(3, 32))
@settings(max_examples=25)
def test_aggressive_loops_change_early_and_lazy_ones_late(
    low: float, high: float, loops: int
) -> None:
    aggressive, linear, lazy = (
        [loop_strength(low, high, curve, loop, loops) for loop in range(1, loops - 1)]
        for curve in ("Aggressive", "Linear", "Lazy")
    )
    assert all(a > b > c for a, b, c in zip(aggressive, linear, lazy, strict=True))


@pytest.mark.parametrize("loops", [1, 3])
@pytest.mark.parametrize("batches", [1, 2])
def test_loopback_draws_as_often_as_it_loops(loops: int, batches: int) -> None:
    painter = FakePainter()
    found = run_with_painter(from_picture(LOOP, a0=loops, batches=batches, batch_size=4), painter)
    assert [each.seeds.seed for each in painter.requests] == list(range(7, 7 + loops * batches))
    assert {each.picture_count for each in painter.requests} == {1}
    assert len(found.pictures) == (loops if batches == 1 else batches)
    colours = {each.origin.colours for each in painter.requests}
    assert colours == {painter.requests[0].origin.images[0]} or loops > 1
    assert len(colours) == 1  # those of the picture that came, in every loop


def test_scripts_that_need_a_picture_say_so() -> None:
    bare = GenerationRequest("a", Seeds(1))
    with pytest.raises(BadRequest, match="needs a picture to start from") as refusal:
        origin_of(bare)
    assert refusal.value.field == "init_images"


def test_a_transparent_picture_is_laid_on_the_backgrounds_colour() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    request = from_picture(LOOP)
    request = replace(
        request,
        origin=replace(request.origin, images=(write_base64(clear),)),
        options=replace(request.options, img2img_background_color="#102030"),
    )
    assert first_picture(request).getpixel((0, 0)) == (16, 32, 48)


def test_starting_from_other_pictures_keeps_the_rest_of_the_origin() -> None:
    request = from_picture(LOOP)
    mask = Mask("mask")
    found = start_from(request, [picture(16, 8), picture(8, 8)], mask=mask)
    assert [read_base64(text).size for text in found.origin.images] == [(16, 8), (8, 8)]
    assert (found.origin.mask, found.origin.strength) == (mask, request.origin.strength)
    assert initial_picture(found).tobytes() == picture(16, 8).tobytes()


def test_facts_of_composed_pictures_are_the_last_drawings_with_the_first_seed() -> None:
    painter = FakePainter()
    request = from_picture(LOOP, a0=3)
    drawings = [painter(replace(request, seeds=Seeds(seed, 3)), lambda *_: None) for seed in (7, 8)]
    facts = composed_facts(request, drawings[1], drawings[0], 3)
    assert (facts["seed"], facts["all_seeds"], facts["all_subseeds"]) == (7, [8], [3])
    assert facts["infotexts"] == [drawings[0].pictures[0].infotext] * 3
