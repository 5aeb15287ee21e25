"""Each axis of a plot: what it reads, what it changes in a request, what it leaves alone."""

from dataclasses import fields, replace
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from generator.errors import BadRequest
from generator.prompt.limits import MAX_CHARACTERS
from generator.request import (
    ControlUnit,
    GenerationRequest,
    HiresFix,
    Origin,
    Refiner,
    Sampling,
    Seeds,
)
from generator.sampling.sampler_names import SAMPLER_NAMES, SCHEDULE_NAMES
from generator.scripts.axes import ALL_AXES, AXES, IMG2IMG, NUMBERS, TXT2IMG, Axis

BY_LABEL = {axis.label: axis for axis in ALL_AXES}
FULL = GenerationRequest(
    "a red cat",
    Seeds(7, 3),
    negative_prompt="dull",
    sampling=Sampling("Euler", "Karras"),
    hires=HiresFix(0.4),
    refiner=Refiner("fine", 0.7),
    controls=(ControlUnit("canny", "first"), ControlUnit("depth", "second")),
    styles=("mine",),
)
FROM_PICTURE = replace(FULL, hires=None, origin=Origin(("",), 0.6))
SAMPLES: dict[str, Any] = {
    "Prompt S/R": "cat",
    "Prompt order": ("cat", "red"),
    "Sampler": "Heun",
    "Hires sampler": "Heun",
    "Schedule type": "Beta",
    "Size": "640x320",
    "Face restore": "None",
    "FP8 mode": "Disable",
    "VAE": "other.pt",
}
"""Values that the axes of texts take; numbers and switches are made from their kind."""


def sample_of(axis: Axis) -> Any:
    if axis.label in SAMPLES:
        return SAMPLES[axis.label]
    if axis.kind in NUMBERS:
        least, most = axis.bounds or (0, 10)
        value = least + (most - least) * 0.75
        return int(value) if axis.kind == "whole" else value
    return axis.kind == "switch" or "some text"


def changed_fields(before: GenerationRequest, after: GenerationRequest) -> set[str]:
    """The names of the request's fields, and of its parts' fields, that differ."""
    found = set()
    for each in fields(GenerationRequest):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old == new:
            continue
        if hasattr(old, "__dataclass_fields__") and type(old) is type(new):
            found |= {
                f"{each.name}.{part.name}"
                for part in fields(old)
                if getattr(old, part.name) != getattr(new, part.name)
            }
        else:
            found.add(each.name)
    return found


@pytest.mark.parametrize("axis", ALL_AXES, ids=lambda axis: axis.label)
def test_an_axis_changes_one_thing_at_most(axis: Axis) -> None:
    before = FROM_PICTURE if axis.only == IMG2IMG or "noise mult" in axis.label else FULL
    after = axis.change(before, sample_of(axis), [sample_of(axis), "else"])
    changed = changed_fields(before, after)
    silent = {"Nothing", "Face restore", "FP8 mode", "Prompt S/R", "[ControlNet] Enabled"}
    pairs = {"Size": {"width", "height"}}
    if axis.label in pairs:
        assert changed == pairs[axis.label]
    else:
        assert len(changed) == (axis.label not in silent), changed


@pytest.mark.parametrize("axis", ALL_AXES, ids=lambda axis: axis.label)
def test_an_axis_that_finds_no_part_to_change_leaves_the_request(axis: Axis) -> None:
    bare = GenerationRequest("a red cat", Seeds(7))
    if axis.label.startswith("[ControlNet]") and axis.label != "[ControlNet] Enabled":
        with pytest.raises(BadRequest, match="needs an enabled ControlNet unit"):
            axis.change(bare, sample_of(axis), ())
        return
    after = axis.change(bare, sample_of(axis), [sample_of(axis)])
    assert (after.hires, after.origin, after.controls) == (None, None, ())


@pytest.mark.parametrize("route", [TXT2IMG, IMG2IMG])
def test_a_route_has_each_axis_once_and_none_of_the_others(route: str) -> None:
    labels = [axis.label for axis in AXES[route]]
    assert len(set(labels)) == len(labels)
    assert {axis.only for axis in AXES[route]} <= {"", route}
    assert labels[0] == "Nothing"  # what an axis is when nobody chose one


bounded = st.sampled_from([axis for axis in ALL_AXES if axis.bounds])


@given(bounded, st.floats(0.001, 1e6))
@settings(max_examples=25)
def test_numbers_inside_the_bounds_are_read_and_others_named(axis: Axis, beyond: float) -> None:
    least, most = axis.bounds or (0, 0)

    def read(value: float) -> list[Any]:
        return axis.read(
            str(int(value)) if axis.kind == "whole" else f"{value:.9f}", (), by_text=True
        )

    assert read(least) == [least]
    assert read(most) == [most]
    step = max(beyond, 1.0, most * 1e-6)
    for outside in (least - step, most + step):
        with pytest.raises(BadRequest, match="out of range") as refusal:
            read(outside)
        assert str(refusal.value).startswith(axis.label)


@given(st.sampled_from(ALL_AXES), st.lists(st.integers(1, 9), min_size=1, max_size=5))
@settings(max_examples=25)
def test_as_many_values_are_counted_as_are_read(axis: Axis, numbers: list[int]) -> None:
    texts = ["on" if axis.kind == "switch" else f"{number / 10:g}" for number in numbers]
    if axis.kind == "whole":
        texts = [str(number) for number in numbers]
    text = ",".join(texts)
    count = axis.count(text, (), by_text=True)
    unbound = replace(axis, bounds=None)  # as many are counted, though some may be out of range
    assert count == len(unbound.read(text, (), by_text=True))


@pytest.mark.parametrize(
    "axis", [axis for axis in ALL_AXES if axis.from_list], ids=lambda a: a.label
)
def test_an_axis_of_a_list_reads_the_list_unless_texts_are_asked_for(axis: Axis) -> None:
    chosen, typed = ["on", "off"], "on,off,on"
    assert len(axis.read(typed, chosen, by_text=False)) == axis.count(typed, chosen, by_text=False)
    assert len(axis.read(typed, chosen, by_text=False)) == 2
    assert len(axis.read(typed, chosen, by_text=True)) == 3


@pytest.mark.parametrize("axis", ALL_AXES[1:], ids=lambda axis: axis.label)
def test_an_axis_without_values_is_refused_by_its_name(axis: Axis) -> None:
    if axis.kind == "order":
        assert axis.read("", (), by_text=True) == [()]
        return
    with pytest.raises(BadRequest, match="no values are given") as refusal:
        axis.read(" ", (), by_text=True)
    assert str(refusal.value).startswith(axis.label)


@pytest.mark.parametrize("word", ["true", "Yes", "ON", "1"])
def test_a_switch_takes_words_of_both_sides(word: str) -> None:
    axis = BY_LABEL["SGM noise multiplier"]
    assert axis.read(f"{word},False,no,Off,0", (), by_text=True) == [True, *[False] * 4]


words = st.text("abcdefgh", min_size=1, max_size=4)


@given(st.lists(words, min_size=1, max_size=4, unique=True), words)
@settings(max_examples=25)
def test_search_and_replace_is_undone_by_the_other_way_round(found: list[str], new: str) -> None:
    text = f"({found[0]}) and ({found[0]})"
    assume(new not in text)
    before = replace(FULL, prompt=text, negative_prompt=found[0])
    change = BY_LABEL["Prompt S/R"].change
    after = change(before, new, [found[0], new])
    assert after.prompt.count(new) >= 2
    assert after.negative_prompt == new
    assert change(after, found[0], [new, found[0]]).prompt == text


def test_search_and_replace_makes_no_endless_prompt() -> None:
    long = replace(FULL, prompt="x" * 1000)
    with pytest.raises(BadRequest, match=f"at most {MAX_CHARACTERS:,}"):
        BY_LABEL["Prompt S/R"].change(long, "y" * (MAX_CHARACTERS // 1000 + 1), ["x"])


@given(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=5, unique=True), st.randoms())
@settings(max_examples=25)
def test_reordered_parts_stand_in_one_anothers_places(parts: list[str], random) -> None:
    order = random.sample(parts, len(parts))
    before = replace(FULL, prompt="0" + "".join(f"<{part}>" for part in parts) + "9")
    after = BY_LABEL["Prompt order"].change(before, tuple(order), ())
    assert after.prompt == "0" + "".join(f"<{part}>" for part in order) + "9"


def test_all_orders_of_an_axis_are_different_prompts() -> None:
    axis = BY_LABEL["Prompt order"]
    orders = axis.read("red,cat,a", (), by_text=True)
    assert orders == list(permutations(["red", "cat", "a"]))
    prompts = [axis.change(FULL, order, orders).prompt for order in orders]
    assert len(set(prompts)) == 6
    assert axis.legend_text(orders[1]) == "red, a, cat"


def test_parts_that_the_prompt_lacks_are_left_out_of_an_order() -> None:
    change = BY_LABEL["Prompt order"].change
    assert change(FULL, ("cat", "owl", "red"), ()).prompt == "a cat red"
    assert change(FULL, ("owl",), ()).prompt == FULL.prompt


@given(st.sampled_from(SAMPLER_NAMES), st.sampled_from(SCHEDULE_NAMES[1:]), st.booleans())
@settings(max_examples=25)
def test_a_sampler_axis_takes_any_name_and_a_schedule_behind_it(entry, schedule, upper) -> None:
    for word in (entry.name, *entry.aliases):
        spelled = word.upper() if upper else word
        after = BY_LABEL["Sampler"].change(FULL, spelled, ())
        assert (after.sampling.sampler, after.sampling.schedule) == (entry.name, "Karras")
    plain = replace(FULL, sampling=Sampling("Euler", ""))
    after = BY_LABEL["Sampler"].change(plain, f"{entry.name} {schedule.label}", ())
    assert (after.sampling.sampler, after.sampling.schedule) == (entry.name, schedule.label)


@pytest.mark.parametrize("label", ["Sampler", "Schedule type"])
def test_a_name_that_may_be_a_plugins_is_handed_on(label: str) -> None:
    after = BY_LABEL[label].change(FULL, "Slow Walk", ())
    assert "Slow Walk" in (after.sampling.sampler, after.sampling.schedule)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512x768", (512, 768)), ("8X4096", (8, 4096)), (" 64 x 96 ", (64, 96)), ("٦٤x64", (64, 64))],
)
def test_sizes_as_people_write_them(text: str, size: tuple[int, int]) -> None:
    after = BY_LABEL["Size"].change(FULL, text, ())
    assert (after.width, after.height) == size


@pytest.mark.parametrize("text", ["512", "x", "512x", "a x b", "-8x64", "²x64", "64x64x64", "7x64"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="Size: "):
        BY_LABEL["Size"].change(FULL, text, ())


@pytest.mark.parametrize(
    ("word", "vae"), [("auto", "Automatic"), ("AUTOMATIC", "Automatic"), ("none", "None")]
)
def test_words_for_vaes(word: str, vae: str) -> None:
    assert BY_LABEL["VAE"].change(FULL, word, ()).vae == vae


def test_the_refiners_axes_go_together() -> None:
    name, switch = BY_LABEL["Refiner checkpoint"], BY_LABEL["Refiner switch at"]
    bare = replace(FULL, refiner=None)
    assert name.change(FULL, "other", ()).refiner == Refiner("other", 0.7)
    assert name.change(bare, "other", ()).refiner == Refiner("other", 0.8)
    assert name.change(FULL, "None", ()).refiner is None
    assert switch.change(FULL, 0.3, ()).refiner == Refiner("fine", 0.3)
    assert switch.change(bare, 0.3, ()).refiner is None


def test_styles_are_added_to_those_that_are_there() -> None:
    assert BY_LABEL["Styles"].change(FULL, "one,two", ()).styles == ("mine", "one", "two")


def test_denoising_is_img2imgs_before_it_is_the_hires_passs() -> None:
    change = BY_LABEL["Denoising"].change
    both = replace(FULL, origin=Origin(("",), 0.6))
    after = change(both, 0.9, ())
    assert (after.origin.strength, after.hires.strength) == (0.9, 0.4)
    assert change(FULL, 0.9, ()).hires.strength == 0.9


def test_controlnet_axes_change_the_first_unit_alone() -> None:
    after = BY_LABEL["[ControlNet] Weight"].change(FULL, 1.5, ())
    assert [unit.weight for unit in after.controls] == [1.5, 1.0]
    off = BY_LABEL["[ControlNet] Enabled"].change(FULL, False, ())
    assert [unit.model for unit in off.controls] == ["second"]
    assert BY_LABEL["[ControlNet] Enabled"].change(FULL, True, ()) is FULL


def test_what_is_not_done_is_refused_by_name() -> None:
    with pytest.raises(BadRequest, match="is not there yet"):
        BY_LABEL["FP8 mode"].change(FULL, "Enable", ())


@pytest.mark.parametrize(
    ("value", "restorer"),
    [("gfpgan", "GFPGAN"), ("CodeFormer", "CodeFormer"), ("yes", "GFPGAN"), ("None", "")],
)
def test_faces_are_restored_by_name_or_as_the_options_say(value: str, restorer: str) -> None:
    options = replace(FULL.options, face_restoration_model="GFPGAN")
    before = replace(FULL, options=options, face_restorer="RestoreFormer")
    assert BY_LABEL["Face restore"].change(before, value, ()).face_restorer == restorer


@pytest.mark.parametrize(
    ("label", "value", "text"),
    [
        ("Steps", 20, "Steps: 20"),
        ("CFG Scale", 1 / 3, "CFG Scale: 0.33333333"),
        ("Prompt S/R", "owl", "owl"),
        ("Checkpoint name", "folder/one", "one"),
        ("Checkpoint name", "one", "one"),
        ("Nothing", 0, ""),
        ("Seed", -1, "Seed: -1"),
        ("VAE", "None", "VAE: None"),
    ],
)
def test_legends_of_values(label: str, value: Any, text: str) -> None:
    assert BY_LABEL[label].legend_text(value) == text


def test_models_cost_more_than_numbers_to_change() -> None:
    dear = [
        BY_LABEL[label].cost for label in ("Checkpoint name", "[ControlNet] Model", "VAE", "Steps")
    ]
    assert all(before > after for before, after in pairwise(dear))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6))
@settings(max_examples=25)
def test_steps_come_back_in_the_order_they_were_typed(numbers: list[int]) -> None:
    axis = BY_LABEL["Steps"]
    assert axis.read(", ".join(map(str, numbers)), (), by_text=True) == numbers
