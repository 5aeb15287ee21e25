"""The questions, the ruler and the judge: they must read the drawing program's own pictures."""

import numpy as np
import pytest
from PIL import Image

from training import grid, judge, judge_training, ruler, score
from training.judge import Judge
from training.painter import paint
from training.questions import ScorePrompt, make_questions, true_scene
from training.scene import (
    PLACES,
    RELATIONS,
    DrawnScene,
    Plain,
    Scenic,
    Thing,
    held_out,
    held_out_count,
    held_out_pair,
)


@pytest.fixture(scope="module")
def critic() -> Judge:
    return judge.read()


@pytest.fixture(scope="module")
def score_prompts() -> tuple[ScorePrompt, ...]:
    return make_questions(100)


@pytest.fixture(scope="module")
def pictures(score_prompts: tuple[ScorePrompt, ...]) -> list[Image.Image]:
    return [paint(true_scene(question)) for question in score_prompts]


def test_true_drawings_are_read_right(
    score_prompts: tuple[ScorePrompt, ...], pictures: list[Image.Image], critic: Judge
) -> None:
    found = score.right_shares(score_prompts, pictures, critic)
    for key in ("colour", "place", "background", "sky", "ground", "count"):
        assert found[key] == 1.0, key
    assert found["object"] >= 0.95
    assert found["colours in relation"] >= 0.95
    assert found["relation"] >= 0.9


def test_other_drawings_are_read_as_wrong(
    score_prompts: tuple[ScorePrompt, ...], pictures: list[Image.Image], critic: Judge
) -> None:
    found = score.right_shares(score_prompts, pictures[10:] + pictures[:10], critic)
    assert found["all of one"] == 0
    assert found["object"] < 0.15
    assert found["relation"] < 0.1


def test_questions_were_never_trained(score_prompts: tuple[ScorePrompt, ...]) -> None:
    for q in score_prompts:
        if q.kind == "pair":
            assert held_out_pair(q.names[0], q.relation, q.names[1])
        elif q.kind == "count":
            assert held_out_count(q.count, q.names[0], q.colours[0])
        else:
            assert held_out(q.names[0], q.colours[0], q.place)


def test_questions_ask_everything_and_stay_the_same(score_prompts: tuple[ScorePrompt, ...]) -> None:
    assert len({question.prompt for question in score_prompts}) == 100
    assert {question.place for question in score_prompts} >= set(PLACES)
    assert {question.relation for question in score_prompts} >= set(RELATIONS)
    assert score_prompts == make_questions(100)
    assert score_prompts[:20] == make_questions(20)


def test_judge_names_unseen_drawings(critic: Judge) -> None:
    found = judge_training.accuracy(critic, None, 150)
    assert found["cut out"] >= 0.97
    assert found["whole"] >= 0.96
    assert judge.FILE.stat().st_size < 1_000_000


def test_view_looks_beyond_the_edge() -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:20] = 255
    seen = judge.view(Image.fromarray(pixels), (-0.5, -0.5, 1.5, 1.5))
    assert seen.shape == (judge.SIDE, judge.SIDE, 3)
    assert seen[0].min() == 255
    assert seen[-1].max() == 0


def test_empty_picture_has_no_object(critic: Judge) -> None:
    blank = Image.new("RGB", (256, 256), (44, 102, 216))
    question = make_questions(1)[0]
    told = score.judge_picture(question, blank, critic)
    assert not told["object"]
    assert not told["place"]
    assert ruler.on_plain(blank).background == "blue"
    assert ruler.count_of(blank) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_things_are_counted(count: int) -> None:
    places = ("top left", "bottom right", "top right", "bottom left")
    things = tuple(
        Thing("balloon", "red", "small", place, *PLACES[place], 0.14) for place in places[:count]
    )
    assert ruler.count_of(paint(DrawnScene(things, Plain("yellow")))) == count


def test_swapped_relation_does_not_hold() -> None:
    things = tuple(
        Thing("circle", colour, "medium", place, *PLACES[place], 0.2)
        for colour, place in (("red", "left"), ("blue", "right"))
    )
    found = ruler.on_plain(paint(DrawnScene(things, Plain("white"))))
    masks = ruler.mask_of_colour(found, "red"), ruler.mask_of_colour(found, "blue")
    assert ruler.relation_holds("left of", *masks)
    assert not ruler.relation_holds("left of", *masks[::-1])
    assert not ruler.relation_holds("above", *masks)
    assert not ruler.relation_holds("inside", *masks)


def test_surroundings_are_told_apart() -> None:
    for time in ("day", "night", "sunset"):
        for ground in ("grass", "snow", "sand"):
            image = paint(DrawnScene((), Scenic(ground, time, "clear", "summer", 0.62)))
            assert ruler.sky_of(image) == time
            assert ruler.ground_of(image, time) == ground


def test_table_says_what_is_met() -> None:
    told = score.format_table({"object": 0.9, "relation": 0.2, "seconds": 0.8, "prompts": 3}, {})
    rows = {line.split()[0]: line.split()[-1] for line in told.splitlines()[1:]}
    assert rows == {"object": "met", "relation": "missed", "seconds": "met"}


def test_sheet_has_room_for_all() -> None:
    picture = Image.new("RGB", (256, 256))
    assert grid.sheet([picture] * 7, ["a"] * 7).size == (6 * 256, 2 * 284)
