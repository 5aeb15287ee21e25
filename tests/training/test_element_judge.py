"""The judge of elements reads the drawing program's own pictures."""

from training import elements
from training.elements import ELEMENTS
from training.painter import draw
from training.scene import DrawnScene, Plain, Scenic, Thing


def _elements_found(scene: DrawnScene) -> set[str]:
    return {
        name for name, yes in zip(ELEMENTS, elements.present_elements(scene), strict=True) if yes
    }


def test_a_scene_tells_what_it_shows() -> None:
    cat = Thing("cat", "red", "medium", "center", 0.5, 0.5, 0.2)
    assert _elements_found(DrawnScene((cat,), Plain("white"))) == {"object"}
    night = Scenic("grass", "night", "clear", "summer", 0.6, "moon", 0.8, True, True)
    assert _elements_found(DrawnScene((cat,), night)) == {
        *("object", "sky", "ground", "hills", "moon", "stars"),
    }
    wet = Scenic("snow", "day", "snowfall", "winter", 0.6)
    assert _elements_found(DrawnScene((), wet)) == {"sky", "ground", "clouds", "falling snow"}


def test_unseen_drawings_are_read_right() -> None:
    pictures = [draw(2_130_000_000 + k) for k in range(60)]
    seen = elements.find_elements(elements.read(), [picture.image for picture in pictures])
    right = [
        (element in told) == real
        for told, picture in zip(seen, pictures, strict=True)
        for element, real in zip(ELEMENTS, elements.present_elements(picture.scene), strict=True)
    ]
    assert sum(right) / len(right) >= 0.97
