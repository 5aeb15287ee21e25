"""The scripts of img2img: what they draw, in which order, and what they put together of it."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from generator.errors import BadRequest
from generator.hooks import ignore_progress
from generator.pictures.base64_images import read_base64, write_base64
from generator.pictures.mosaic import Mosaic
from generator.request import Inversion, Mask, Snapshot, Stop
from generator.scripts.loopback import loop_strength
from generator.scripts.outpaint_size import compute_growth
from generator.scripts.run import run as run_script
from tests.generator.scripts.fake_painter import (
    FakePainter,
    default_arguments,
    run_with_painter,
    script_request,
)
from tests.generator.scripts.img2img_requests import (
    ALTERNATIVE,
    LOOP,
    MK2,
    POOR,
    UPSCALE,
    from_picture,
    initial_picture,
    picture,
)


def stopping(after: int) -> Callable[[object, object], Stop]:
    """A watch that interrupts after so many drawings."""
    calls: list[int] = []

    def watch(progress: object, preview: object) -> Stop:
        calls.append(1)
        return Stop.INTERRUPT if len(calls) > after else Stop.NO

    return watch


# --- loopback -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curve", "strengths"),
    [
        ("Linear", [0.6, 0.5, 0.4]),
        ("Aggressive", [0.6, 0.6 - 0.2 * 0.5**0.5, 0.4]),
        ("Lazy", [0.6, 0.6 - 0.2 * (1 - 0.5**0.5), 0.4]),
    ],
)
def test_strength_follows_its_curve(curve: str, strengths: list[float]) -> None:
    found = [loop_strength(0.6, 0.4, curve, loop, 3) for loop in range(3)]
    assert found == pytest.approx(strengths)


def test_a_single_loop_keeps_its_strength() -> None:
    assert loop_strength(0.6, 0.4, "Linear", 0, 1) == 0.6


def test_each_loop_starts_from_the_last_picture() -> None:
    painter = FakePainter()
    mask = Mask(write_base64(picture()), fill=2)
    request = from_picture(LOOP, a0=3)
    origin = replace(request.origin, mask=mask)
    found = run_with_painter(replace(request, origin=origin), painter)
    assert [each.seeds.seed for each in painter.requests] == [7, 8, 9]
    assert initial_picture(painter.requests[2]).tobytes() == found.pictures[1].image.tobytes()
    assert [each.origin.mask.fill for each in painter.requests] == [2, 1, 1]
    assert found.grids[0].size == (192, 64)


def test_batches_of_loops_begin_anew_and_show_their_ends() -> None:
    painter = FakePainter()
    found = run_with_painter(from_picture(LOOP, a0=2, batches=2), painter)
    assert [each.seed for each in found.pictures] == [8, 10]
    assert initial_picture(painter.requests[2]).tobytes() == picture().tobytes()


def test_an_interrupted_loop_shows_what_is_there() -> None:
    found = run_with_painter(from_picture(LOOP, a0=4), FakePainter(), stopping(2))
    assert found.stopped
    assert len(found.pictures) == 2
    assert found.grids[0].size == (128, 64)


@pytest.mark.parametrize("title", [LOOP, MK2])
def test_a_sheet_that_is_not_wanted_is_kept_aside(title: str) -> None:
    """It is saved where grids are, and not answered."""
    places = {"a0": 3} if title == LOOP else {"a1": 32, "a2": 0, "a3": ("left",), "batches": 2}
    wanted = from_picture(title, **places)
    shown = run_with_painter(wanted, FakePainter())
    kept = run_with_painter(replace(wanted, options=Snapshot(return_grid=False)), FakePainter())
    assert (len(shown.grids), shown.unshown_grids) == (1, ())
    assert (kept.grids, len(kept.unshown_grids)) == ((), 1)
    assert kept.unshown_grids[0].size == shown.grids[0].size
    assert len(kept.facts["infotexts"]) == len(kept.pictures) == len(shown.pictures)


def test_interrogation_is_refused() -> None:
    with pytest.raises(BadRequest, match="there is no CLIP here"):
        run_with_painter(from_picture(LOOP, a3="CLIP"), FakePainter())


# --- tiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "tile", "overlap"), [((128, 128), (64, 64), 16), ((200, 72), (64, 48), 8)]
)
def test_a_mosaic_put_together_is_the_picture(
    size: tuple[int, int], tile: tuple[int, int], overlap: int
) -> None:
    whole = picture(*size)
    mosaic = Mosaic(size, tile, overlap)
    joined = mosaic.join([whole.crop(box) for box in mosaic.boxes()])
    difference = np.abs(np.asarray(joined, int) - np.asarray(whole, int))
    assert difference.max() <= 1


def test_sd_upscale_draws_every_tile_of_the_enlarged_picture() -> None:
    painter = FakePainter()
    request = from_picture(UPSCALE, a1=16, a2="Lanczos", batch_size=2)
    found = run_with_painter(request, painter)
    assert [each.batch_size for each in painter.requests] == [2, 2, 2, 2, 1]
    assert [each.seeds.seed for each in painter.requests] == [7, 8, 9, 10, 11]
    assert found.pictures[0].image.size == (128, 128)
    assert found.extra_parameters["SD upscale upscaler"] == "Lanczos"


def test_an_interrupted_upscale_keeps_the_tiles_that_were_not_drawn() -> None:
    found = run_with_painter(from_picture(UPSCALE, a1=0, a2="Lanczos"), FakePainter(), stopping(1))
    corner = found.pictures[0].image.crop((64, 64, 128, 128))
    assert corner.tobytes() == picture().resize((128, 128)).crop((64, 64, 128, 128)).tobytes()


def test_tiles_must_be_larger_than_their_overlap() -> None:
    with pytest.raises(BadRequest, match="Tile overlap: 64"):
        run_with_painter(from_picture(UPSCALE, a1=64), FakePainter())


# --- outpainting --------------------------------------------------------------------------------


def test_growth_fills_up_to_a_multiple_of_64() -> None:
    grown = compute_growth((100, 64), 32, ("left", "right"))
    assert (grown.left, grown.right, grown.size) == (46, 46, (192, 64))
    assert compute_growth((64, 64), 8, ("down",)).down == 64


@pytest.mark.parametrize("title", [MK2, POOR])
def test_outpainting_keeps_the_old_picture_in_place(title: str) -> None:
    places = {"a1": 32, "a2": 0} if title == MK2 else {"a0": 32, "a1": 0}
    direction = {"a3": ("left",)}
    painter = FakePainter()
    found = run_with_painter(from_picture(title, **places, **direction), painter)
    image = found.pictures[0].image
    assert image.size == (128, 64)
    assert found.pictures[0].infotext == ""
    assert len(found.facts["infotexts"]) == 1
    # Painted parts are flat here; tiles over the old picture are painted whole, and it is for
    # the engine to keep what the mask keeps.
    assert all(each.origin.mask is not None for each in painter.requests)


SIDES = ("left", "right", "up", "down")
MIXTURES = [each for count in range(1, 5) for each in itertools.combinations(SIDES, count)]


@pytest.mark.parametrize("sides", MIXTURES, ids="+".join)
def test_outpainting_grows_at_every_mixture_of_sides(sides: tuple[str, ...]) -> None:
    """Side by side, left before right before up before down, the old picture left alone."""
    painter, flipped = (
        FakePainter(),
        tuple(reversed(sides)),
    )  # the order that they come in is the same
    found = run_with_painter(from_picture(MK2, a1=64, a2=0, a3=flipped), painter)
    left, up = 64 * ("left" in sides), 64 * ("up" in sides)
    image = found.pictures[0].image
    assert image.size == (64 + left + 64 * ("right" in sides), 64 + up + 64 * ("down" in sides))
    old = np.asarray(image)[up : up + 64, left : left + 64]
    inner = (slice(None, -1), slice(None, -1))  # the mask is soft towards the last row and column
    assert (old[inner] == np.asarray(picture())[inner]).all()
    wide = 64 + 64 * len({"left", "right"} & set(sides))
    parts = [(64, 64) if side in ("left", "right") else (wide, 64) for side in sides]
    assert [initial_picture(each).size for each in painter.requests] == parts
    for each in painter.requests:
        assert np.asarray(read_base64(each.origin.mask.image)).mean() > 250  # all of it is new


def test_noise_shows_in_the_new_part_alone() -> None:
    painter = FakePainter()
    run_with_painter(from_picture(MK2, a1=64, a2=0, a3=("right",), width=128), painter)
    sent = np.asarray(initial_picture(painter.requests[0]))
    assert (sent[:, :64] == np.asarray(picture())).all()
    assert sent[:, 66:].std() > 0


def test_masks_of_outpainting_cover_the_new_part() -> None:
    painter = FakePainter()
    run_with_painter(from_picture(MK2, a1=32, a2=4, a3=("left",), width=128), painter)
    mask = painter.requests[0].origin.mask
    cut, latent = (np.asarray(read_base64(text)) for text in (mask.image, mask.latent))
    assert (cut[0, :68] == 255).all()
    assert (cut[0, 68:] == 0).all() or cut[0, 68:].max() == 0
    assert (latent[0] == 255).sum() > (cut[0] == 255).sum()


def test_tiles_inside_the_old_picture_are_not_drawn() -> None:
    painter = FakePainter()
    run_with_painter(from_picture(POOR, a0=32, a1=4, a2="original"), painter)
    assert [each.seeds.seed for each in painter.requests] == list(range(7, 15))
    assert {each.origin.mask.fill for each in painter.requests} == {1}


def test_outpainting_needs_a_direction() -> None:
    with pytest.raises(BadRequest, match="none is chosen"):
        run_with_painter(from_picture(POOR, a3=()), FakePainter())


def test_a_plot_keeps_its_pictures_for_saving() -> None:
    arguments = default_arguments("x/y/z plot", a1="1-3", a17=True)
    found = run_with_painter(script_request("x/y/z plot", arguments), FakePainter())
    assert (len(found.pictures), len(found.unshown), len(found.grids)) == (0, 3, 1)


def test_plots_take_aliases_and_parts_of_names() -> None:
    painter = FakePainter()
    arguments = default_arguments("x/y/z plot", a0="Sampler", a1="k_euler_a,HEUN", a17=True)
    arguments[3:5] = ["Checkpoint name", "one,two"]
    request = script_request("x/y/z plot", arguments)
    run_script(request, painter, ignore_progress, None, lambda part: f"folder/{part}")
    assert [each.sampling.sampler for each in painter.requests[:2]] == ["Euler a", "Heun"]
    assert [each.checkpoint for each in painter.requests] == ["folder/one"] * 2 + ["folder/two"] * 2


@pytest.mark.parametrize(("line", "prompt"), [("K_Euler", "a cat"), ("none", None)])
def test_a_line_takes_aliases_of_samplers(line: str, prompt: str | None) -> None:
    painter = FakePainter()
    text = f"--sampler_name {line}"
    arguments = default_arguments("prompts from file or textbox", a3=text)
    run_with_painter(script_request("prompts from file or textbox", arguments), painter)
    assert painter.requests[0].prompt == (prompt or f"{text} a cat")


# --- the alternative test -----------------------------------------------------------------------


def test_alternative_overrides_what_it_is_told_to() -> None:
    painter = FakePainter()
    request = from_picture(ALTERNATIVE, a3="a dog", a4="bad", a6=12, a9=0.25)
    found = run_with_painter(request, painter)
    (asked,) = painter.requests
    assert (asked.prompt, asked.negative_prompt) == ("a dog", "bad")
    assert (asked.sampling.sampler, asked.sampling.steps) == ("Euler", 12)
    assert asked.origin.strength == 1.0
    assert asked.origin.inversion == Inversion("a dog", "bad", 12, 1.0, 0.25)
    assert found.facts["steps"] == 12


def test_alternative_leaves_the_rest() -> None:
    painter = FakePainter()
    run_with_painter(
        from_picture(ALTERNATIVE, a1=False, a2=False, a3="dog", a5=False, a7=False), painter
    )
    (asked,) = painter.requests
    assert (asked.prompt, asked.sampling.steps, asked.origin.strength) == ("a cat", 20, 0.6)
    assert asked.origin.inversion.prompt == "dog"
