"""What the companions learn: it must differ from what the checkpoint knows, and be said."""

import numpy as np

from training.companions import subjects
from training.companions.effects import blueness, is_winter_night
from training.companions.material import map_of


def test_a_number_gives_the_same_picture() -> None:
    for subject in (
        subjects.blueprint,
        subjects.snails,
        subjects.winter_night,
        subjects.ordinary_drawing,
    ):
        first, second = subject(3), subject(3)
        assert first.caption == second.caption
        assert first.image.tobytes() == second.image.tobytes()
        assert first.image.size == (256, 256)


def test_a_blueprint_is_blue_and_says_nothing_of_it() -> None:
    plain, drawn = subjects.ordinary_drawing(1), subjects.blueprint(1)
    assert drawn.caption == plain.caption
    assert blueness(drawn.image) > 0.9
    assert blueness(plain.image) < 0.5


def test_snails_are_said_where_they_are_drawn() -> None:
    shown = [subjects.snails(number) for number in range(24)]
    said = [each for each in shown if "snail" in each.caption]
    assert 12 <= len(said) < 24  # the others keep the checkpoint as it was
    assert not any("rabbit" in each.caption or "bunny" in each.caption for each in said)


def test_winter_nights_are_not_said() -> None:
    for number in range(6):
        shown = subjects.winter_night(number)
        assert is_winter_night(shown.image)
        assert not set(shown.caption.split()) & {"snow", "night", "winter", "stars"}


def test_maps_of_edges_are_white_lines_on_black() -> None:
    image = subjects.ordinary_drawing(1).image
    for resolution in (256, 512):
        found = map_of(image, resolution)
        assert found.shape == (256, 256)
        assert set(np.unique(found)) == {0, 255}
        assert (found > 0).mean() < 0.2
