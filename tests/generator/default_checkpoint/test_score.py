"""The ruler itself: it must read the drawing program's own pictures without error."""

from PIL import Image

from generator.default_checkpoint import score
from generator.default_checkpoint.drawing import paint
from generator.default_checkpoint.scene import PLACES, Scene, Scenic, held_out


def test_ruler_reads_true_drawings_without_error() -> None:
    asked = score.questions(54)
    found = score.tally(asked, score.true_pictures(asked))
    assert found == {"colour": 1.0, "place": 1.0, "background": 1.0, "all three": 1.0}


def test_ruler_reads_wrong_drawings_as_wrong() -> None:
    asked = score.questions(54)
    pictures = score.true_pictures(asked)
    found = score.tally(asked, pictures[1:] + pictures[:1])
    assert found["all three"] < 0.05


def test_questions_were_never_trained_and_ask_all_places() -> None:
    asked = score.questions(54)
    assert all(held_out(q.name, q.colour, q.place) for q in asked)
    assert {q.place for q in asked} == set(PLACES)
    assert len({q.prompt for q in asked}) == 54
    assert asked == score.questions(54)


def test_empty_picture_has_no_object() -> None:
    reading = score.read_picture(Image.new("RGB", (256, 256), (44, 102, 216)))
    assert reading == score.Reading("", "", "blue")


def test_surroundings_are_told_apart() -> None:
    for wanted in score.surroundings():
        backdrop = Scenic(wanted.ground, wanted.time, "clear", "summer", 0.62)
        image = paint(Scene((), backdrop))
        assert score.shows_surroundings(image, wanted) == (True, True)


def test_sheet_has_room_for_all() -> None:
    picture = Image.new("RGB", (256, 256))
    assert score.sheet([picture] * 7, ["a"] * 7).size == (6 * 256, 2 * 284)
