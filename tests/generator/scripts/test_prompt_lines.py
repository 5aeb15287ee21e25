"""Prompts from file: what a line may say, and what it draws."""

import shlex
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import BadRequest
from generator.hooks import Tools, ignore_progress
from generator.prompt.limits import MAX_CHARACTERS
from generator.request import GenerationRequest, Seeds
from generator.scripts.picture_count import check_script
from generator.scripts.prompts_from_file import SETTINGS, read_line, request_of
from generator.scripts.run import run as run_script
from tests.generator.scripts.fake_painter import FakePainter, run_with_painter, script_request

TITLE = "prompts from file or textbox"
REQUEST = GenerationRequest("base", Seeds(7, 3), negative_prompt="bad")


def drawn_from(text: str, *, iterate=False, same=False, position="start", **changes: object):
    """The requests that a text draws."""
    painter = FakePainter()
    run_with_painter(script_request(TITLE, [iterate, same, position, text], **changes), painter)
    return painter.requests


prompts = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="'\"\\-"), max_size=20
)


@given(prompts)
@settings(max_examples=25)
def test_a_line_without_settings_is_a_prompt_to_the_letter(text: str) -> None:
    assert read_line(text).prompt == text
    assert read_line(text).settings == {}


@given(
    prompts.filter(bool), prompts, st.integers(-5, 2**40), st.integers(1, 1000), st.floats(0, 30)
)
@settings(max_examples=25)
def test_settings_come_back_as_they_were_quoted(
    prompt: str, negative: str, seed: int, steps: int, scale: float
) -> None:
    line = (
        f"--steps {steps} --prompt {shlex.quote(prompt)} --seed {seed} "
        f"--negative_prompt {shlex.quote(negative)} --cfg_scale {scale}"
    )
    found = read_line(line)
    assert (found.prompt, found.negative_prompt) == (prompt, negative)
    assert found.settings == {"steps": steps, "seed": seed, "cfg_scale": scale}


@given(st.text(max_size=60))
@settings(max_examples=25)
def test_any_line_is_read_or_refused_in_words(text: str) -> None:
    with suppress(BadRequest):
        assert set(read_line(text).settings) <= set(SETTINGS)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("--seed 12", "seeds.seed", 12),
        ("--subseed 12", "seeds.variation_seed", 12),
        ("--subseed_strength 0.5", "seeds.variation_strength", 0.5),
        ("--seed_resize_from_h 64", "seeds.resize_from_height", 64),
        ("--seed_resize_from_w 64", "seeds.resize_from_width", 64),
        ("--batch_size 3", "batch_size", 3),
        ("--n_iter 5", "batches", 5),
        ("--steps 9", "sampling.steps", 9),
        ("--cfg_scale 2.5", "sampling.guidance", 2.5),
        ("--width 96", "width", 96),
        ("--height 96", "height", 96),
        ("--tiling true", "tiling", True),
        ("--tiling no", "tiling", False),
        ("--styles one,two", "styles", ("one", "two")),
        ("--sd_model other", "checkpoint", "other"),
        ("--sampler_name k_heun", "sampling.sampler", "Heun"),
    ],
)
def test_each_setting_reaches_its_field(line: str, field: str, value: object) -> None:
    found: object = request_of(REQUEST, f"--prompt x {line}", "start")
    for name in field.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    "line",
    ["--outpath_samples /etc", "--outpath_grids /etc", "--prompt_for_display y",
     "--sampler_index 3", "--do_not_save_grid true",
     "--do_not_save_samples true"],
)  # fmt: skip
def test_settings_that_are_the_services_own_change_nothing(line: str) -> None:
    assert request_of(REQUEST, f"--prompt x {line}", "start") == request_of(REQUEST, "x", "start")


def test_a_line_asks_for_restored_faces() -> None:
    assert request_of(REQUEST, "--prompt x --restore_faces true", "start").face_restorer
    assert not request_of(REQUEST, "--prompt x --restore_faces false", "start").face_restorer


@pytest.mark.parametrize(
    "line",
    ["--steps 0", "--steps 1001", "--width 7", "--height 4097", "--n_iter 0", "--batch_size 65",
     "--cfg_scale 1001", "--cfg_scale nan", "--subseed_strength 1.5", "--seed_resize_from_w -2"],
)  # fmt: skip
def test_numbers_out_of_range_are_named_with_their_bounds(line: str) -> None:
    with pytest.raises(BadRequest, match="out of range; it must be from") as refusal:
        read_line(f"--prompt x {line}")
    assert str(refusal.value).startswith(line)


@pytest.mark.parametrize(
    "line",
    ["--steps", "--steps many", "--nonsense 1", "--sampler_name Nobody", "stray --steps 3",
     "--prompt 'open", "--seed 1.5"],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_a_prompt(line: str) -> None:
    assert read_line(line).prompt == line


def test_a_line_as_long_as_a_book_is_refused() -> None:
    with pytest.raises(BadRequest, match="at most"):
        read_line("x" * (MAX_CHARACTERS + 1))
    assert read_line("x" * MAX_CHARACTERS).prompt


@pytest.mark.parametrize(("position", "prompt"), [("start", "line base"), ("end", "base line")])
def test_a_lines_prompts_stand_before_or_behind_the_requests(position: str, prompt: str) -> None:
    found = request_of(REQUEST, "--prompt line --negative_prompt worse", position)
    assert found.prompt == prompt
    wanted = ["worse", "bad"] if position == "start" else ["bad", "worse"]
    assert found.negative_prompt == " ".join(wanted)


def test_empty_prompts_leave_no_space() -> None:
    bare = GenerationRequest("", Seeds(1))
    assert request_of(bare, "line", "end").prompt == "line"
    assert request_of(REQUEST, "--steps 3", "start").prompt == "base"


@given(st.lists(st.sampled_from(["a", "", "  ", "--prompt b --n_iter 2"]), max_size=6))
@settings(max_examples=20)
def test_blank_lines_draw_nothing_and_the_others_once(lines: list[str]) -> None:
    wanted = [line for line in lines if line.strip()]
    if not wanted:
        with pytest.raises(BadRequest, match="there is no line"):
            drawn_from("\n".join(lines))
        return
    requests = drawn_from("\n".join(lines))
    assert [each.batches for each in requests] == [1 if line == "a" else 2 for line in wanted]


def test_iterated_seeds_leave_room_for_the_requests_pictures() -> None:
    requests = drawn_from("a\nb\nc", iterate=True, batch_size=2, batches=2)
    assert [each.seeds.seed for each in requests] == [7, 11, 15]


def test_a_lines_own_seed_is_kept_and_minus_one_is_none() -> None:
    requests = drawn_from("--prompt a --seed 5\n--prompt b --seed -1", iterate=True)
    assert [each.seeds.seed for each in requests] == [5, 8]


def test_a_refused_line_throws_no_picture_away() -> None:
    painter = FakePainter()
    text = "fine\n--prompt bad --steps 9999"
    with pytest.raises(BadRequest, match="--steps 9999"):
        run_with_painter(script_request(TITLE, [False, False, "start", text]), painter)
    assert painter.requests == []


def test_a_plugins_sampler_is_taken_by_its_own_name() -> None:
    painter, tools = FakePainter(), Tools(samplers={"Slow Walk": min})
    text = "--prompt a --sampler_name 'Slow Walk'\n--prompt b --sampler_name Euler"
    request = script_request(TITLE, [False, False, "start", text])
    run_script(request, painter, ignore_progress, tools=tools)
    assert [each.sampling.sampler for each in painter.requests] == ["Slow Walk", "Euler"]


def test_the_answer_tells_the_lines_prompts_and_the_requests_seed() -> None:
    painter = FakePainter()
    request = script_request(TITLE, [True, False, "start", "one\ntwo"])
    drawn = run_with_painter(request, painter)
    assert drawn.facts["prompt"] == "one a cat"
    assert drawn.facts["all_prompts"] == ["one a cat", "two a cat"]
    assert (drawn.facts["all_seeds"], drawn.facts["all_subseeds"]) == ([7], [-1])
    assert drawn.facts["infotexts"] == [picture.infotext for picture in drawn.pictures]


def test_more_lines_than_pictures_a_request_may_have_are_refused() -> None:
    text = "a\n" * 1001
    with pytest.raises(BadRequest, match="1,001 pictures; at most 1,000"):
        check_script(script_request(TITLE, [False, False, "start", text]))
    check_script(script_request(TITLE, [False, False, "start", text[2:]]))
