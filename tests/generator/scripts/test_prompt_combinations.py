"""Prompt matrix: all combinations, each once, in AUTOMATIC1111's order, on one sheet."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import BadRequest
from generator.request import Generation, Seeds
from generator.scripts.picture_count import check_script
from generator.scripts.prompt_matrix import MOST_PARTS, combinations, count_parts
from tests.generator.scripts.fake_painter import FakePainter, run_with_painter, script_request

parts_lists = st.lists(st.text("abcde", min_size=1, max_size=5), max_size=4, unique=True)


def run_matrix(
    prompt: str, *, at_start: bool = False, other_seeds: bool = False, which: str = "positive",
    joint: str = "comma", margin: int = 0, **changes: object,
) -> tuple[FakePainter, Generation]:  # fmt: skip
    painter = FakePainter()
    arguments = [at_start, other_seeds, which, joint, margin]
    request = script_request("prompt matrix", arguments, prompt, **changes)
    return painter, run_with_painter(request, painter)


@given(parts_lists)
@settings(max_examples=25)
def test_combinations_are_all_subsets_each_once(parts: list[str]) -> None:
    found = [tuple(each) for each in combinations(parts)]
    assert len(set(found)) == len(found) == 2 ** len(parts)
    assert found[0] == ()
    assert found[-1] == tuple(parts)
    for each in found:
        assert list(each) == [part for part in parts if part in each]  # in the prompt's order


@given(parts_lists.filter(bool))
@settings(max_examples=25)
def test_a_part_is_in_half_of_the_combinations(parts: list[str]) -> None:
    found = combinations(parts)
    for place, part in enumerate(parts):
        assert sum(part in each for each in found) == len(found) // 2
        # it comes and goes every 2^place pictures: columns first, then rows
        assert [part in each for each in found][: 2 ** (place + 1)] == [False] * 2**place + [
            True
        ] * 2**place


@given(parts_lists, st.booleans(), st.sampled_from(["comma", "space"]))
@settings(max_examples=15)
def test_each_prompt_is_the_constant_part_and_a_combination(
    parts: list[str], at_start: bool, joint: str
) -> None:
    painter, drawn = run_matrix("| ".join(["CONST", *parts]), at_start=at_start, joint=joint)
    glue = ", " if joint == "comma" else " "
    for request, chosen in zip(painter.requests, combinations(parts), strict=True):
        words = [*chosen, "CONST"] if at_start else ["CONST", *chosen]
        assert request.prompt == glue.join(words)
    assert len(drawn.pictures) == len(painter.requests) == 2 ** len(parts)
    assert drawn.facts["all_prompts"] == [each.prompt for each in painter.requests]


def test_the_negative_prompt_can_be_the_matrix() -> None:
    painter, _ = run_matrix("a|b", which="negative", negative_prompt="x|y")
    assert [each.negative_prompt for each in painter.requests] == ["x", "x, y"]
    assert {each.prompt for each in painter.requests} == {"a|b"}


@pytest.mark.parametrize(("other", "seeds"), [(False, [7, 7, 7, 7]), (True, [7, 8, 9, 10])])
def test_seeds_stay_or_count_up_and_variation_seeds_always_do(other: bool, seeds: list) -> None:
    painter, drawn = run_matrix("a|b|c", other_seeds=other)
    assert [each.seeds.seed for each in painter.requests] == drawn.facts["all_seeds"] == seeds
    assert [each.seeds.variation_seed for each in painter.requests] == [3, 4, 5, 6]


def test_a_matrix_draws_one_picture_a_combination_whatever_the_batch() -> None:
    painter, _ = run_matrix("a|b", batch_size=4, batches=3)
    assert [each.picture_count for each in painter.requests] == [1, 1]


@pytest.mark.parametrize("parts", range(5))
@pytest.mark.parametrize("margin", [0, 10])
def test_the_sheet_has_a_column_a_combination_of_the_first_half(parts: int, margin: int) -> None:
    _, drawn = run_matrix("a" + "|b" * parts, margin=margin)
    across = 2 ** ((parts + 1) // 2)
    down = 2**parts // across
    (sheet,) = drawn.grids
    beside = 64 * 3 // 4 if down > 1 else 0
    assert sheet.width == across * 64 + (across - 1) * margin + beside
    legend = sheet.height - down * 64 - (down - 1) * margin
    assert (legend > 0) == (across > 1)


def test_cells_of_the_sheet_are_the_pictures_in_order() -> None:
    _, drawn = run_matrix("a|b|c", other_seeds=True)
    (sheet,) = drawn.grids
    left, top = sheet.width - 128, sheet.height - 128
    cells = [sheet.getpixel((left + x, top + y)) for y in (32, 96) for x in (32, 96)]
    assert cells == [picture.image.getpixel((0, 0)) for picture in drawn.pictures]


@pytest.mark.parametrize(
    ("parts", "said"),
    [(MOST_PARTS + 1, "10 parts after | are 1,024 pictures"), (60, "2 to the power of 60")],
)
def test_too_many_parts_are_refused_before_anything_is_made(parts: int, said: str) -> None:
    text = "a" + "|b" * parts
    with pytest.raises(BadRequest) as refusal:
        count_parts(text)
    assert said in str(refusal.value)
    asked = script_request("prompt matrix", [False, False, "positive", "comma", 0], text)
    with pytest.raises(BadRequest):
        check_script(asked)
    painter = FakePainter()
    with pytest.raises(BadRequest):
        run_with_painter(asked, painter)
    assert painter.requests == []


def test_a_matrix_of_one_part_is_the_prompt_alone() -> None:
    painter, drawn = run_matrix("just this", seeds=Seeds(11, 5))
    assert [each.prompt for each in painter.requests] == ["just this"]
    assert drawn.grids[0].size == (64, 64)
    assert drawn.facts["index_of_first_image"] == 1
    assert len(drawn.facts["infotexts"]) == 2  # the sheet's and the picture's
