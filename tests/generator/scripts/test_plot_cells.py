"""X/Y/Z plot: each cell once, with its seed, in its place on the sheet and in the infotext."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.errors import BadRequest
from generator.hooks import ignore_progress
from generator.pictures.infotext_parser import parse_infotext
from generator.request import Generation, GenerationRequest, HiresFix, Seeds, Stop
from generator.scripts.run import run as run_script
from generator.scripts.sheets import MOST_PIXELS, check_sheet_size, picture_size
from generator.scripts.xyz_plot import cell_number
from tests.generator.scripts.fake_painter import (
    FakePainter,
    default_arguments,
    run_with_painter,
    script_request,
)

TITLE = "x/y/z plot"
LEGEND, LONE, SUB_SHEETS, KEEP, VARY_X, VARY_Y, VARY_Z, MARGIN, BY_TEXT = range(9, 18)


def plot_request(x="Nothing: ", y="Nothing: ", z="Nothing: ", places=None, **changes: object):
    """A plot of three axes as ``label: values``, other arguments by their places."""
    arguments = default_arguments(TITLE)
    for start, axis in zip((0, 3, 6), (x, y, z), strict=True):
        label, _, values = axis.partition(": ")
        arguments[start : start + 2] = [label, values]
    for place, value in {LONE: True, BY_TEXT: True, **(places or {})}.items():
        arguments[place] = value
    return script_request(TITLE, arguments, **changes)


def drawn(request: GenerationRequest) -> tuple[list[GenerationRequest], Generation]:
    painter = FakePainter()
    return painter.requests, run_with_painter(request, painter)


counts = st.integers(1, 3)


@given(counts, counts, counts)
@settings(max_examples=6)
def test_every_cell_is_drawn_once(across: int, down: int, deep: int) -> None:
    x, y, z = (",".join(str(1 + i) for i in range(count)) for count in (across, down, deep))
    requests, found = drawn(plot_request(f"Steps: {x}", f"CFG Scale: {y}", f"Clip skip: {z}"))
    cells = [
        (each.sampling.steps, each.sampling.guidance, each.options.CLIP_stop_at_last_layers)
        for each in requests
    ]
    wanted = [(i, j, k) for k, j, i in product(*(range(1, n + 1) for n in (deep, down, across)))]
    assert cells == wanted
    assert len(found.pictures) == len(found.facts["all_seeds"]) == len(wanted)
    assert len(found.facts["infotexts"]) == len(wanted) + 1


@given(st.tuples(counts, counts, counts), st.tuples(*[st.booleans()] * 3))
@settings(max_examples=8)
def test_cells_that_vary_along_an_axis_have_seeds_of_their_own(counts_, varies) -> None:
    values = [",".join(["1.5"] * count) for count in counts_]
    flags = dict(zip((VARY_X, VARY_Y, VARY_Z), varies, strict=True))
    requests, _ = drawn(
        plot_request(*(f"CFG Scale: {each}" for each in values), places=flags, seeds=Seeds(50))
    )
    seeds = [each.seeds.seed for each in requests]
    apart = 1
    for count, vary in zip(counts_, varies, strict=True):
        apart *= count if vary else 1
    assert sorted(set(seeds)) == list(range(50, 50 + apart))
    assert seeds == sorted(seeds) or not all(varies)


@pytest.mark.parametrize(
    ("x", "y", "order"),
    [
        ("Steps: 1,2", "Checkpoint name: a,b", [(1, "a"), (2, "a"), (1, "b"), (2, "b")]),
        ("Checkpoint name: a,b", "Steps: 1,2", [(1, "a"), (2, "a"), (1, "b"), (2, "b")]),
    ],
)
def test_a_checkpoint_is_loaded_once_on_whichever_axis_it_is(x: str, y: str, order: list) -> None:
    requests, _ = drawn(plot_request(x, y))
    assert [(each.sampling.steps, each.checkpoint) for each in requests] == order


def test_a_random_seed_is_settled_once_for_all_cells() -> None:
    requests, found = drawn(plot_request("Seed: -1,-1", "Steps: 1,2"))
    seeds = [each.seeds.seed for each in requests]
    assert seeds[:2] == seeds[2:]
    assert seeds[0] != seeds[1]
    assert -1 not in seeds
    again, _ = drawn(plot_request("Seed: -1,-1", "Steps: 1,2"))
    assert [each.seeds.seed for each in again] == seeds  # a job delivered twice draws the same
    fixed = parse_infotext(found.facts["infotexts"][0]).parameters["Fixed X Values"]
    assert fixed == f"{seeds[0]}, {seeds[1]}"


def test_random_seeds_that_are_kept_differ_from_cell_to_cell() -> None:
    requests, found = drawn(plot_request("Seed: -1", "Steps: 1,2,3", places={KEEP: True}))
    seeds = [each.seeds.seed for each in requests]
    assert len(set(seeds)) == 3
    assert -1 not in seeds
    assert "Fixed X Values" not in parse_infotext(found.facts["infotexts"][0]).parameters


@given(st.tuples(*[st.integers(0, 999)] * 3), st.tuples(*[st.integers(0, 999)] * 3))
@settings(max_examples=25)
def test_cells_have_numbers_of_their_own(one: tuple, other: tuple) -> None:
    assert (cell_number(one) == cell_number(other)) == (one == other)


@pytest.mark.parametrize(("across", "down"), [(1, 1), (3, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("margin", [0, 6])
def test_a_sheet_without_legend_is_its_cells(across: int, down: int, margin: int) -> None:
    """Margins belong to the legend, as in AUTOMATIC1111."""
    x, y = (",".join(map(str, range(1, n + 1))) for n in (across, down))
    request = plot_request(f"Steps: {x}", f"Seed: {y}", places={LEGEND: False, MARGIN: margin})
    _, found = drawn(request)
    (sheet,) = found.grids
    assert sheet.size == (64 * across, 64 * down)
    for place, picture in enumerate(found.pictures):
        left, top = place % across * 64, place // across * 64
        assert sheet.crop((left, top, left + 64, top + 64)) == picture.image


@pytest.mark.parametrize("margin", [0, 6])
def test_a_legend_takes_room_above_and_beside(margin: int) -> None:
    _, found = drawn(plot_request("Steps: 1,2", "Seed: 1,2,3", places={MARGIN: margin}))
    (sheet,) = found.grids
    assert sheet.width == 128 + margin + 48  # three quarters of a cell beside
    assert sheet.height > 192 + 2 * margin
    corner = sheet.crop((sheet.width - 64, sheet.height - 64, sheet.width, sheet.height))
    assert corner == found.pictures[-1].image


@pytest.mark.parametrize("sub_sheets", [False, True])
def test_each_value_of_z_has_a_sheet_where_they_are_wanted(sub_sheets: bool) -> None:
    request = plot_request(
        "Steps: 1,2", z="Seed: 1,2,3", places={SUB_SHEETS: sub_sheets, LEGEND: False}
    )
    _, found = drawn(request)
    assert [sheet.size for sheet in found.grids] == [(384, 64)] + [(128, 64)] * 3 * sub_sheets
    assert len(found.facts["infotexts"]) == 1 + 3 * sub_sheets + 6
    assert len(found.facts["all_seeds"]) == 3 * sub_sheets + 6


def test_lone_pictures_are_kept_out_of_the_answer_unless_wanted() -> None:
    _, shown = drawn(plot_request("Steps: 1,2"))
    _, kept = drawn(plot_request("Steps: 1,2", places={LONE: False}))
    assert (len(shown.pictures), len(shown.unshown)) == (2, 0)
    assert (len(kept.pictures), len(kept.unshown)) == (0, 2)


def test_a_cell_of_several_pictures_is_a_sheet_of_its_own() -> None:
    _, found = drawn(plot_request("Steps: 1,2", batch_size=2, batches=2, places={LEGEND: False}))
    assert [picture.image.size for picture in found.pictures] == [(128, 128)] * 2
    assert found.grids[0].size == (256, 128)


texts = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8).map(str.strip),
    min_size=1,
    max_size=3,
    unique=True,
).filter(all)


@given(texts)
@settings(max_examples=8)
def test_the_infotext_tells_the_plot_so_that_it_reads_back(names: list[str]) -> None:
    typed = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    _, found = drawn(plot_request(f"Checkpoint name: {typed}", "Steps: 3"))
    told = parse_infotext(found.facts["infotexts"][0])
    assert told.parameters["Script"] == "X/Y/Z plot"
    assert told.parameters["X Type"] == "Checkpoint name"
    assert told.parameters["X Values"] == typed
    assert (told.parameters["Y Type"], told.parameters["Y Values"]) == ("Steps", "3")
    assert "Z Type" not in told.parameters
    assert list(told.parameters)[-1] == "Version"


def test_an_interrupt_before_the_first_picture_makes_no_sheet() -> None:
    found = run_with_painter(plot_request("Steps: 1,2"), FakePainter(), lambda *_: Stop.INTERRUPT)
    assert found.stopped
    assert (found.pictures, found.grids) == ((), ())


def test_cells_that_an_interrupt_left_undrawn_are_black() -> None:
    asked: list[int] = []

    def watch(*_: object) -> Stop:
        asked.append(1)
        return Stop.INTERRUPT if len(asked) > 2 else Stop.NO

    request = plot_request("Steps: 1,2", "Seed: 1,2", places={LEGEND: False})
    found = run_with_painter(request, FakePainter(), watch)
    assert len(found.pictures) == 2
    below = found.grids[0].crop((0, 64, 128, 128))
    assert below == Image.new("RGB", (128, 64))


def test_checkpoints_are_resolved_before_anything_is_drawn() -> None:
    painter = FakePainter()

    def find(part: str) -> str:
        if part == "lost":
            raise BadRequest("there is no lost")
        return part.upper()

    with pytest.raises(BadRequest, match="there is no lost"):
        run_script(plot_request("Checkpoint name: a,lost"), painter, ignore_progress, None, find)
    assert painter.requests == []


@pytest.mark.parametrize("hires", [None, HiresFix(0.5, scale=2), HiresFix(0.5, resize_width=96)])
def test_a_sheet_counts_finished_pictures(hires: HiresFix | None) -> None:
    size = {None: (64, 64)}.get(hires) or (
        (128, 128) if hires.scale and not hires.resize_width else (96, 96)
    )
    request = GenerationRequest("a", Seeds(1), width=64, height=64, hires=hires)
    assert picture_size(request) == size
    most = MOST_PIXELS // (size[0] * size[1])
    check_sheet_size([request] * most)
    with pytest.raises(
        BadRequest, match=f"A sheet of {most + 1} pictures of {size[0]} x {size[1]}"
    ):
        check_sheet_size([request] * (most + 1))


def test_a_plot_of_nothing_is_the_picture() -> None:
    requests, found = drawn(plot_request())
    assert len(requests) == len(found.pictures) == 1
    assert found.grids[0].size == (64, 64)
