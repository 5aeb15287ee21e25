"""Captions of a scene: one of many true phrasings."""

from collections.abc import Mapping
from random import Random
from types import MappingProxyType

from training.objects import OBJECTS
from training.palette import SYNONYMS
from training.scene import DrawnScene, Plain, Scenic, Thing

Phrases = Mapping[str, tuple[str, ...]]

PLACE_PHRASES: Phrases = MappingProxyType(
    {
        "top left": ("in the top left corner", "at the top left", "in the upper left"),
        "top": ("at the top", "on top", "in the upper middle"),
        "top right": ("in the top right corner", "at the top right", "in the upper right"),
        "left": ("on the left", "on the left side", "to the left"),
        "center": ("in the center", "in the middle", "centered"),
        "right": ("on the right", "on the right side", "to the right"),
        "bottom left": ("in the bottom left corner", "at the bottom left", "in the lower left"),
        "bottom": ("at the bottom", "in the lower middle"),
        "bottom right": ("in the bottom right corner", "at the bottom right", "in the lower right"),
    }
)
_TIME: Phrases = MappingProxyType(
    {
        "day": ("during the day", "in daylight", "under a blue sky", "by day", "", ""),
        "night": ("at night", "at night", "by night", "under a night sky", "under a dark sky"),
        "sunset": ("at sunset", "under an orange sky", "in the evening"),
        "dawn": ("at dawn", "in the early morning", "at sunrise", "under a pink sky"),
        "dusk": ("at dusk", "under a purple sky"),
    }
)
_GROUND: Phrases = MappingProxyType(
    {
        "grass": ("on green grass", "on the grass", "on a meadow", "in a green field"),
        "snow": ("in the snow", "on white snow", "on snow"),
        "sand": ("on the beach", "on yellow sand", "on the sand"),
        "sea": ("on the sea", "on blue water", "on the water", "on a lake"),
        "desert": ("in the desert", "on orange sand"),
        "road": ("on the road", "on a street", "on a gray road"),
    }
)
_WEATHER: Phrases = MappingProxyType(
    {
        "clear": ("",),
        "cloudy": ("with clouds", "with white clouds", "cloudy sky"),
        "rain": ("in the rain", "rainy weather", "with rain"),
        "snowfall": ("with falling snow", "snow falling", "while it is snowing"),
    }
)
_STYLE: Phrases = MappingProxyType(
    {
        "flat": ("", "", "", "", "flat", "flat illustration"),
        "outlined": ("outlined", "with outlines", "outlined drawing"),
        "crayon": ("crayon", "crayon drawing", "drawn with crayons"),
        "pixel art": ("pixel art", "pixel art style"),
    }
)
_OPENING = ("",) * 9 + ("a picture of", "a drawing of", "an illustration of", "a painting of")
_TAGS = (
    "masterpiece",
    "best quality",
    "high quality",
    "highly detailed",
    "beautiful",
    "cute",
    "4k",
    "simple",
    "storybook illustration",
    "vector art",
)
_COUNTS = ("", "one", "two", "three", "four")


def write_caption(scene: DrawnScene, rng: Random) -> str:
    """A caption of the scene in lower-case English: subject, surroundings, style, empty tags.

    Mostly a phrase; now and then the surroundings first, or bare words between commas.
    """
    subject, details = _subject(scene, rng), _surroundings(scene.backdrop, rng)
    if scene.things:
        rng.shuffle(details)
    manner = rng.random()
    if manner < 0.1:
        joined = ", ".join([*details, subject])
    elif manner < 0.2:
        joined = ", ".join([_to_tag(subject), *(_to_tag(detail) for detail in details)])
    else:
        opening = f"{rng.choice(_OPENING)} {subject}".strip()
        joined = (" " if rng.random() < 0.65 else ", ").join([opening, *details])
    extras = [rng.choice(_STYLE[scene.style]), *_empty_tags(rng)]
    rng.shuffle(extras)
    said = [part for part in extras if part]
    parts = [*said, joined] if rng.random() < 0.25 else [joined, *said]
    return ", ".join(parts)


def _to_tag(phrase: str) -> str:
    """The phrase as a tag: without articles, and without what leads it in."""
    words = [word for word in phrase.split() if word not in ("a", "an", "the")]
    return " ".join(words[1:] if words[0] in ("with", "under", "at", "on", "in") else words)


def _empty_tags(rng: Random) -> list[str]:
    """Words that people write out of habit: they must change nothing, so they come at random."""
    return rng.sample(_TAGS, rng.randint(1, 3)) if rng.random() < 0.25 else []


def colour_word(colour: str, rng: Random) -> str:
    """The colour's name, seldom a synonym."""
    return rng.choice(SYNONYMS[colour]) if colour in SYNONYMS and rng.random() < 0.08 else colour


def with_article(words: str) -> str:
    """The words behind "a" or "an"."""
    return f"{'an' if words[0] in 'aeio' or words[:2] == 'um' else 'a'} {words}"


def plural(noun: str) -> str:
    irregular = {"fish": "fish", "man": "men", "woman": "women", "leaf": "leaves"}
    endings = {"y": "ies", "x": "xes", "s": "ses", "ss": "sses"}
    if noun in irregular:
        return irregular[noun]
    if noun.endswith("fly") or noun.endswith("ppy") or noun.endswith("nny"):
        return noun[:-1] + endings["y"]
    return noun + ("es" if noun.endswith(("x", "s")) else "s")


def _noun(thing: Thing, rng: Random) -> str:
    names = OBJECTS[thing.name].names
    return names[0] if rng.random() < 0.85 else rng.choice(names)


def _describe(thing: Thing, rng: Random) -> str:
    size = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}.get(thing.size)
    words = [rng.choice(size)] if size and rng.random() < 0.7 else []
    return " ".join([*words, add_colour(thing.name, thing.colour, _noun(thing, rng), rng)])


def add_colour(name: str, colour: str, noun: str, rng: Random) -> str:
    """The noun with its colour: "red house", but "man in a red shirt"."""
    word, garment = colour_word(colour, rng), OBJECTS[name].wears
    if not garment:
        return f"{word} {noun}"
    return f"{noun} in {rng.choice((word, f'{with_article(word)} {garment}'))}"


def _subject(scene: DrawnScene, rng: Random) -> str:
    if not scene.things:
        return rng.choice(("a landscape", "scenery", "a view", "nature"))
    if scene.relation:
        return _pair(scene, rng)
    first = scene.things[0]
    if len(scene.things) > 1:
        noun = plural(OBJECTS[first.name].names[0])
        return f"{_COUNTS[len(scene.things)]} {add_colour(first.name, first.colour, noun, rng)}"
    return f"{with_article(_describe(first, rng))} {_place(scene, rng)}".strip()


def _place(scene: DrawnScene, rng: Random) -> str:
    """The place, always for a corner; the middle is what silence means."""
    thing = scene.things[0]
    scenic = isinstance(scene.backdrop, Scenic)
    silent = 0.6 if thing.place == "center" or (scenic and thing.place == "top") else 0.08
    if thing.place.startswith("top ") and scenic:
        return rng.choice(PLACE_PHRASES[thing.place.removeprefix("top ")])
    return "" if rng.random() < silent else rng.choice(PLACE_PHRASES[thing.place])


def _pair(scene: DrawnScene, rng: Random) -> str:
    words = {
        "left of": ("to the left of", "left of", "on the left of"),
        "right of": ("to the right of", "right of", "on the right of"),
        "above": ("above", "over"),
        "below": ("below", "under"),
    }.get(scene.relation, (scene.relation,))
    first, second = (
        with_article(add_colour(t.name, t.colour, _noun(t, rng), rng)) for t in scene.things
    )
    return f"{first} {rng.choice(words)} {second}"


def _surroundings(backdrop: Plain | Scenic, rng: Random) -> list[str]:
    if isinstance(backdrop, Plain):
        tone = rng.choice(("light ", "pale ", "")) if backdrop.pale else ""
        name = f"{tone}{colour_word(backdrop.colour, rng)}"
        forms = (f"on {with_article(name)} background",) * 3 + (f"{name} background",)
        return [rng.choice(forms)] if rng.random() < 0.9 else []
    return _landscape(backdrop, rng)


def _landscape(backdrop: Scenic, rng: Random) -> list[str]:
    ground = rng.choice(_GROUND[backdrop.ground]) if rng.random() < 0.9 else ""
    phrases = [ground, rng.choice(_TIME[backdrop.time]), rng.choice(_WEATHER[backdrop.weather])]
    if backdrop.light and rng.random() < 0.6:
        light = "moon" if backdrop.light == "moon" else "sun"
        phrases.append(rng.choice((f"with a {light}", f"under a {light}", f"under the {light}")))
    if backdrop.stars and rng.random() < 0.6:
        phrases.append(rng.choice(("with stars", "under the stars", "starry sky")))
    if backdrop.hills and rng.random() < 0.7:
        phrases.append(rng.choice(("with hills", "with mountains")))
    if rng.random() < 0.4 or backdrop.season == "autumn":
        phrases.append(f"in {backdrop.season}")
    return [phrase for phrase in phrases if phrase]
