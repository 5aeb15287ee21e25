"""The drawing program: the same seed draws the same, and captions tell the truth."""

from random import Random

import numpy as np
import pytest
from PIL import Image

from tests.wait import assert_quick
from training.caption import PLACE_PHRASES, write_caption
from training.composition import compose
from training.objects import OBJECTS
from training.painter import draw, paint
from training.palette import COLOURS, SYNONYMS
from training.scene import (
    PLACES,
    RELATIONS,
    STYLES,
    TIMES,
    DrawnScene,
    Plain,
    Scenic,
    Thing,
    held_out,
    held_out_count,
    held_out_pair,
)


def _array(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.int32)


def _scenes(count: int) -> list[DrawnScene]:
    return [compose(Random(seed)) for seed in range(count)]


def _lone(name: str, colour: str, background: str, place: str = "center") -> DrawnScene:
    x, y = PLACES[place]
    thing = Thing(name, colour, "medium", place, min(max(x, 0.2), 0.8), min(max(y, 0.2), 0.8), 0.2)
    return DrawnScene((thing,), Plain(background))


def _pixels(scene: DrawnScene) -> np.ndarray:
    return np.asarray(paint(scene), np.int32)


def test_same_seed_draws_the_same() -> None:
    first, again = draw(7), draw(7)
    assert first.caption == again.caption
    assert first.scene == again.scene
    assert first.image.tobytes() == again.image.tobytes()


def test_other_seeds_draw_otherwise() -> None:
    assert len({draw(seed).image.tobytes() for seed in range(12)}) == 12


def test_pictures_are_rgb_of_the_preferred_size() -> None:
    picture = draw(0)
    assert (picture.image.mode, picture.image.size) == ("RGB", (256, 256))


def test_larger_pictures_show_the_same() -> None:
    """512 pixels draw the scene larger, not another one."""
    small, large = draw(3).image, draw(3, 512).image
    assert large.size == (512, 512)
    difference = np.abs(_array(large.reduce(2)) - _array(small))
    assert difference.mean() < 2


def test_held_out_pairs_and_counts_are_never_drawn() -> None:
    for scene in _scenes(6000):
        names = [thing.name for thing in scene.things]
        if scene.relation:
            assert not held_out_pair(names[0], scene.relation, names[1])
        elif len(names) > 1:
            assert not held_out_count(len(names), names[0], scene.things[0].colour)


def test_every_relation_is_drawn() -> None:
    assert {scene.relation for scene in _scenes(4000)} == {"", *RELATIONS}


def test_words_come_in_any_order() -> None:
    captions = [write_caption(compose(rng), rng) for rng in map(Random, range(3000))]
    assert any(caption.startswith("at night,") for caption in captions)
    assert any("house, " in caption and " a " not in f" {caption} " for caption in captions)
    assert all(caption == caption.strip(" ,") and ", ," not in caption for caption in captions)


def test_drawing_is_quick() -> None:
    assert_quick(lambda: [draw(seed) for seed in range(60)], 60 * 0.02)  # 2 ms each on an idle core


@pytest.mark.parametrize("name", list(OBJECTS))
def test_main_colour_covers_most_of_the_object(name: str) -> None:
    pixels = _pixels(_lone(name, "purple", "white"))
    apart = np.abs(pixels - pixels[2, 2]).sum(2) > 60
    wanted = np.abs(pixels - np.array(COLOURS["purple"])).sum(2) < 150
    assert (apart & wanted).sum() > 0.3 * apart.sum()
    assert apart.sum() > 1500


@pytest.mark.parametrize("colour", list(COLOURS))
def test_named_background_fills_the_corners(colour: str) -> None:
    other = "red" if colour != "red" else "blue"
    corner = _pixels(_lone("circle", other, colour))[:8, :8].mean((0, 1))
    assert np.abs(corner - np.array(COLOURS[colour])).max() < 12


@pytest.mark.parametrize("place", list(PLACES))
def test_object_stands_in_its_place(place: str) -> None:
    pixels = _pixels(_lone("circle", "red", "white", place))
    rows, columns = np.nonzero(np.abs(pixels - pixels[0, 255]).sum(2) > 60)
    x, y = PLACES[place]
    assert abs(columns.mean() / 256 - x) < 0.06
    assert abs(rows.mean() / 256 - y) < 0.06


def test_captions_name_colour_and_background() -> None:
    for seed in range(200):
        rng = Random(seed)
        scene = compose(rng)
        words = write_caption(scene, rng)
        for thing in scene.things:
            names = (thing.colour, *SYNONYMS.get(thing.colour, ()))
            assert any(name in words for name in names), (words, thing)


def test_captions_name_only_the_true_place() -> None:
    for seed in range(300):
        rng = Random(seed)
        scene = compose(rng)
        caption = write_caption(scene, rng)
        lone_on_plain = len(scene.things) == 1 and isinstance(scene.backdrop, Plain)
        if lone_on_plain:
            true = PLACE_PHRASES[scene.things[0].place]
            corners = [p for k, v in PLACE_PHRASES.items() for p in v if "corner" in p]
            said = [phrase for phrase in corners if phrase in caption]
            assert all(phrase in true for phrase in said)


def test_held_out_combinations_are_never_drawn() -> None:
    for scene in _scenes(3000):
        if len(scene.things) == 1:
            thing = scene.things[0]
            assert not held_out(thing.name, thing.colour, thing.place)


def test_the_program_covers_what_it_promises() -> None:
    scenes = _scenes(6000)
    assert {t.name for s in scenes for t in s.things} == set(OBJECTS)
    assert {t.colour for s in scenes for t in s.things} == set(COLOURS)
    assert {t.place for s in scenes for t in s.things} == set(PLACES)
    assert {s.style for s in scenes} == set(STYLES)
    assert {s.backdrop.time for s in scenes if isinstance(s.backdrop, Scenic)} == set(TIMES)
    assert {len(s.things) for s in scenes} == {0, 1, 2, 3, 4}
    assert len(OBJECTS) >= 30
    assert len(COLOURS) >= 10


def test_people_wear_the_colour() -> None:
    """Captions colour a garment, never a person."""
    for seed in range(4000):
        rng = Random(seed)
        scene = compose(rng)
        if any(thing.name in ("man", "woman") for thing in scene.things):
            caption = write_caption(scene, rng)
            for colour in COLOURS:
                assert not any(f"{colour} {who}" in caption for who in ("man", "woman", "boy"))


@pytest.mark.parametrize("style", STYLES)
def test_styles_differ_from_flat_only_in_manner(style: str) -> None:
    scene = _lone("house", "red", "yellow")
    flat, styled = _pixels(scene), _pixels(DrawnScene(scene.things, scene.backdrop, style=style))
    assert (style == "flat") == bool((flat == styled).all())
    assert np.abs(flat.mean((0, 1)) - styled.mean((0, 1))).max() < 14
