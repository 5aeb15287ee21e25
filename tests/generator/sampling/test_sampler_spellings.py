"""Names of samplers and schedules as people and plugins write them."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import BadRequest
from generator.hooks import Tools
from generator.request import GenerationRequest, HiresFix, Sampling, Seeds
from generator.sampling.plugin_samplers import resolve_plugin_names
from generator.sampling.sampler_names import (
    SAMPLER_NAMES,
    SCHEDULE_NAMES,
    find_sampler_loosely,
    find_schedule,
    guess_sampler,
    guess_schedule,
    resolve_names,
    split_schedule,
)

samplers = st.sampled_from(SAMPLER_NAMES)
schedules = st.sampled_from(SCHEDULE_NAMES)
TOOLS = Tools(samplers={"Slow Walk": min}, schedules={"Stairs": min})


def in_some_case(data: st.DataObject, text: str) -> str:
    upper = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    return "".join(c.upper() if up else c.lower() for c, up in zip(text, upper, strict=True))


@given(samplers, st.data())
@settings(max_examples=25)
def test_a_name_or_alias_is_found_in_any_case(entry, data: st.DataObject) -> None:
    word = data.draw(st.sampled_from([entry.name, *entry.aliases]))
    spelled = in_some_case(data, word)
    assert find_sampler_loosely(spelled) is entry
    assert guess_sampler(spelled) == (entry, None)


@given(samplers, schedules, st.data())
@settings(max_examples=25)
def test_a_sampler_with_its_schedule_is_guessed_in_any_spelling(entry, schedule, data) -> None:
    spelled = f"{entry.name} {data.draw(st.sampled_from([schedule.name, schedule.label]))}"
    found, ending = guess_sampler(in_some_case(data, spelled.replace("++", "pp")))
    assert found is entry
    assert ending is schedule


@pytest.mark.parametrize(("ending", "schedule"), [("ka", "Karras"), ("ke", "Exponential")])
@pytest.mark.parametrize("alias", ["k_dpmpp_2m", "k_euler_a", "k_lms"])
def test_older_aliases_end_in_short_schedules(alias: str, ending: str, schedule: str) -> None:
    found, guessed = guess_sampler(f"{alias}_{ending}")
    assert found is not None
    assert alias in found.aliases
    assert guessed is find_schedule(schedule)


@given(st.text(string.ascii_letters + " _+", max_size=12))
@settings(max_examples=25)
def test_what_is_guessed_is_in_the_tables(text: str) -> None:
    sampler, schedule = guess_sampler(text)
    assert sampler is None or sampler in SAMPLER_NAMES
    assert schedule is None or (sampler is not None and schedule in SCHEDULE_NAMES)
    assert guess_schedule(text) is None or guess_schedule(text) in SCHEDULE_NAMES


@given(schedules, st.data())
@settings(max_examples=25)
def test_a_schedule_is_guessed_with_any_signs_between(entry, data: st.DataObject) -> None:
    spelled = in_some_case(data, entry.label).replace(" ", data.draw(st.sampled_from(" _-")))
    assert guess_schedule(spelled) is entry


@given(samplers, schedules, st.data())
@settings(max_examples=25)
def test_a_split_name_can_be_joined_again(entry, schedule, data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from([schedule.name, schedule.label, *(schedule.aliases or ())]))
    assert split_schedule(f"{entry.name} {ending}") == (entry.name, schedule)
    assert split_schedule(entry.name) == (entry.name, None)


def test_the_longest_ending_of_a_name_is_its_schedule() -> None:
    assert resolve_names("Euler a SGM Uniform", None) == ("Euler a", "SGM Uniform")
    assert resolve_names("Euler a sgm_uniform", None) == ("Euler a", "SGM Uniform")
    assert resolve_names("Euler a Uniform", None) == ("Euler a", "Uniform")


@given(samplers, schedules, schedules)
@settings(max_examples=25)
def test_a_schedule_of_its_own_beats_the_names_ending(entry, ending, own) -> None:
    assert resolve_names(f"{entry.name} {ending.label}", own.label) == (entry.name, own.label)
    assert resolve_names(f"{entry.name} {ending.label}", None) == (entry.name, ending.label)


@given(st.text(max_size=12), st.text(max_size=12))
@settings(max_examples=30)
def test_resolving_always_answers_with_known_names(sampler: str, schedule: str) -> None:
    name, label = resolve_names(sampler, schedule)
    assert name in {entry.name for entry in SAMPLER_NAMES}
    assert label in {entry.label for entry in SCHEDULE_NAMES}


def request(
    sampler: str, schedule: str = "Automatic", hires: HiresFix | None = None
) -> GenerationRequest:
    return GenerationRequest("a cat", Seeds(1), sampling=Sampling(sampler, schedule), hires=hires)


@given(samplers, schedules)
@settings(max_examples=25)
def test_our_own_names_pass_a_plugins_table_unchanged(entry, schedule) -> None:
    asked = request(entry.name, schedule.label)
    assert resolve_plugin_names(asked, TOOLS) is asked


@pytest.mark.parametrize("spelled", ["slow walk", "SLOW WALK", "Slow Walk"])
def test_a_plugins_sampler_is_found_in_any_case(spelled: str) -> None:
    found = resolve_plugin_names(request(spelled, "stairs"), TOOLS)
    assert (found.sampling.sampler, found.sampling.schedule) == ("Slow Walk", "Stairs")


def test_the_hires_pass_has_names_of_its_own() -> None:
    found = resolve_plugin_names(
        request("Euler", hires=HiresFix(0.5, sampler="slow walk", schedule="STAIRS")), TOOLS
    )
    assert found.hires is not None
    assert (found.sampling.sampler, found.hires.sampler, found.hires.schedule) == (
        "Euler",
        "Slow Walk",
        "Stairs",
    )


def test_a_hires_pass_that_names_one_of_both_keeps_the_other_unsaid() -> None:
    found = resolve_plugin_names(
        request("slow walk", hires=HiresFix(0.5, sampler="SLOW WALK")), TOOLS
    )
    assert found.hires is not None
    assert (found.hires.sampler, found.hires.schedule) == ("Slow Walk", None)


@pytest.mark.parametrize(
    ("asked", "field", "named"),
    [
        (request("Gone"), "sampler_name", "Unknown sampler: Gone. Plugins bring: Slow Walk"),
        (request("Euler", "Gone"), "scheduler", "Unknown schedule type: Gone. Plugins bring: St"),
        (
            request("Euler", hires=HiresFix(0.5, sampler="Gone")),
            "hr_sampler_name",
            "Unknown sampler: Gone",
        ),
        (
            request("Euler", hires=HiresFix(0.5, schedule="Gone")),
            "hr_scheduler",
            "Unknown schedule type: Gone",
        ),
    ],
)
def test_a_name_that_no_plugin_brings_any_more_is_refused_by_its_field(
    asked: GenerationRequest, field: str, named: str
) -> None:
    with pytest.raises(BadRequest, match=named) as refusal:
        resolve_plugin_names(asked, TOOLS)
    assert refusal.value.field == field


def test_a_refusal_names_the_field_that_was_told_and_no_empty_list() -> None:
    with pytest.raises(BadRequest) as refusal:
        resolve_plugin_names(request("Gone"), Tools(), field="script_args")
    assert refusal.value.field == "script_args"
    assert "Plugins bring" not in str(refusal.value)
