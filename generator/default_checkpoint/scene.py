"""The nouns of a drawing, and how a seed becomes one: what stands where, before anything is drawn.

The labels are the truth that captions, tests and the score share.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from generator.default_checkpoint.objects import OBJECTS
from generator.default_checkpoint.palette import COLOURS

STYLES = ("flat", "outlined", "crayon", "pixel art")
TIMES = ("day", "night", "sunset", "dawn", "dusk")
GROUNDS = ("grass", "snow", "sand", "sea", "desert", "road")
WEATHERS = ("clear", "cloudy", "rain", "snowfall")
SEASONS = ("spring", "summer", "autumn", "winter")
SIZES: Mapping[str, float] = MappingProxyType({"small": 0.125, "medium": 0.2, "large": 0.34})

# Centres of the nine places: row by row, x and y in 0..1.
PLACES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "top left": (0.24, 0.24),
        "top": (0.5, 0.24),
        "top right": (0.76, 0.24),
        "left": (0.24, 0.5),
        "center": (0.5, 0.5),
        "right": (0.76, 0.5),
        "bottom left": (0.24, 0.76),
        "bottom": (0.5, 0.76),
        "bottom right": (0.76, 0.76),
    }
)

# A ground hides objects of its own colour: those pairs are never drawn.
_HIDDEN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "grass": frozenset({"green"}),
        "snow": frozenset({"white"}),
        "sand": frozenset({"yellow"}),
        "sea": frozenset({"teal"}),
        "desert": frozenset({"orange"}),
        "road": frozenset({"gray"}),
    }
)

_PAIRS = ("left of", "right of", "above", "below", "inside", "in front of")


@dataclass(frozen=True)
class Thing:
    """One object on the sheet: centre ``x``, ``y`` and half-height ``reach`` in 0..1 of the sheet.

    ``place`` is the cell of nine that the centre lies in; ``said`` whether captions may name it.
    """

    name: str
    colour: str
    size: str
    place: str
    x: float
    y: float
    reach: float
    mirrored: bool = False
    said: bool = True


@dataclass(frozen=True)
class Plain:
    """One colour behind everything; ``pale`` lightens it, ``shaded`` lets it run a little."""

    colour: str
    pale: bool = False
    shaded: bool = False


@dataclass(frozen=True)
class Scenic:
    """Sky over ground. ``horizon`` in 0..1 from the top; ``light`` is ``sun``, ``moon`` or none."""

    ground: str
    time: str
    weather: str
    season: str
    horizon: float
    light: str = ""
    light_x: float = 0.8
    stars: bool = False
    hills: bool = False


@dataclass(frozen=True)
class Scene:
    """Everything that a picture shows. ``relation`` holds for the first and second thing."""

    things: tuple[Thing, ...]
    backdrop: Plain | Scenic
    relation: str = ""
    style: str = "flat"
    grain: int = 0  # seeds the drawing's own small irregularities


def held_out(name: str, colour: str, place: str) -> bool:
    """Whether this combination is kept from training, for the score: one in eight."""
    return zlib.crc32(f"{name}|{colour}|{place}".encode()) % 8 == 0


def compose(rng: Random) -> Scene:
    """A scene by chance. Simple ones are the most: they teach colour, object and place."""
    kinds = (_alone_on_plain, _alone_in_scenery, _two_on_plain, _several_on_plain, _scenery)
    make = rng.choices(kinds, (50, 30, 9, 6, 5))[0]
    style = rng.choices(STYLES, (88, 4, 4, 4))[0]
    return make(rng, style)


def _any_object(rng: Random, homes: Sequence[str] = ()) -> str:
    names = [name for name, entry in OBJECTS.items() if not homes or entry.home in homes]
    return rng.choices(names, [OBJECTS[name].share for name in names])[0]


def _any_colour(rng: Random, *without: str) -> str:
    return rng.choice([name for name in COLOURS if name not in without])


def _near(rng: Random, place: str, reach: float, spread: float = 0.035) -> tuple[float, float]:
    """The place's centre, moved a little, and inwards as far as the reach needs."""
    margin = reach + 0.015
    x, y = (centre + rng.uniform(-spread, spread) for centre in PLACES[place])
    return min(max(x, margin), 1 - margin), min(max(y, margin), 1 - margin)


def _thing(rng: Random, name: str, colour: str, size: str, place: str) -> Thing:
    reach = SIZES[size] * rng.uniform(0.92, 1.1)
    x, y = _near(rng, place, reach)
    return Thing(name, colour, size, place, x, y, reach, rng.random() < 0.5)


def _alone_on_plain(rng: Random, style: str) -> Scene:
    while True:
        size = rng.choices(tuple(SIZES), (1, 3, 2))[0]
        place = "center" if size == "large" or rng.random() < 0.2 else rng.choice(tuple(PLACES))
        thing = _thing(rng, _any_object(rng), _any_colour(rng), size, place)
        if not held_out(thing.name, thing.colour, thing.place):
            return Scene((thing,), _plain(rng, thing.colour), "", style, rng.getrandbits(30))


def _plain(rng: Random, *without: str) -> Plain:
    alike = ("gray", "white") if "white" in without else ()
    colour = _any_colour(rng, *without, *alike)
    pale = colour not in ("black", "white") and rng.random() < 0.3
    return Plain(colour, pale, rng.random() < 0.25)


def _scenic(rng: Random, ground: str, place_of_light: float) -> Scenic:
    time = rng.choices(TIMES, (4, 3.5, 2, 1, 1))[0]
    season = "winter" if ground == "snow" else rng.choice(SEASONS[:3])
    wet = ("snowfall",) if ground == "snow" else ("rain",)
    weather = rng.choices(("clear", "cloudy", *wet), (7, 2, 1))[0]
    clear = weather == "clear" and rng.random() < 0.6
    light = ("moon" if time == "night" else "sun") if clear else ""
    stars = time == "night" and weather == "clear" and rng.random() < 0.7
    hills = ground in ("grass", "snow", "desert") and rng.random() < 0.3
    horizon = rng.uniform(0.58, 0.68)
    return Scenic(ground, time, weather, season, horizon, light, place_of_light, stars, hills)


def _alone_in_scenery(rng: Random, style: str) -> Scene:
    while True:
        name = _any_object(rng, ("ground", "water", "sky"))
        home = OBJECTS[name].home
        ground = "sea" if home == "water" else _any_ground(rng, name, home)
        column = rng.choices(("left", "center", "right"), (1, 1.3, 1))[0]
        backdrop = _scenic(rng, ground, _away_from(rng, column))
        thing = _standing(rng, name, _any_colour(rng), column, backdrop.horizon, home)
        if thing.colour not in _HIDDEN[ground] and not held_out(name, thing.colour, thing.place):
            return Scene((thing,), backdrop, "", style, rng.getrandbits(30))


def _any_ground(rng: Random, name: str, home: str) -> str:
    road = 4.0 if name in ("car", "bus") else 0.3
    return rng.choices(GROUNDS, (6, 3, 1.5, 1.5 if home == "sky" else 0, 1, road))[0]


def _away_from(rng: Random, column: str) -> float:
    """Where the sun or moon stands: on the side that the object leaves free."""
    side = {"left": 0.8, "right": 0.2}.get(column) or rng.choice((0.16, 0.84))
    return side + rng.uniform(-0.05, 0.05)


def _standing(rng: Random, name: str, colour: str, column: str, horizon: float, home: str) -> Thing:
    """An object whose foot is on the ground below the horizon, or that floats above it."""
    reach = rng.uniform(0.15, 0.22)
    x = {"left": 0.26, "center": 0.5, "right": 0.74}[column] + rng.uniform(-0.04, 0.04)
    foot = horizon + rng.uniform(0.05, 0.2)
    y = rng.uniform(0.2, 0.34) if home == "sky" else foot - reach
    row = "top" if home == "sky" else "center"
    place = {"topcenter": "top", "centercenter": "center"}.get(row + column)
    place = place or (f"top {column}" if row == "top" else column)
    return Thing(name, colour, "medium", place, x, y, reach, rng.random() < 0.5)


def _scenery(rng: Random, style: str) -> Scene:
    backdrop = _scenic(rng, rng.choice(GROUNDS), rng.uniform(0.2, 0.8))
    return Scene((), backdrop, "", style, rng.getrandbits(30))


def _two_on_plain(rng: Random, style: str) -> Scene:
    relation = rng.choices(_PAIRS, (4, 3, 4, 2, 1.5, 1))[0]
    first, second = _any_colour(rng), ""
    second = _any_colour(rng, first)
    things = _related(rng, relation, (first, second))
    return Scene(things, _plain(rng, first, second), relation, style, rng.getrandbits(30))


def _related(rng: Random, relation: str, colours: tuple[str, str]) -> tuple[Thing, ...]:
    """Two things in the relation: the first is left of, above, inside … the second."""
    cells = {
        "left of": ("left", "right"),
        "right of": ("right", "left"),
        "above": ("top", "bottom"),
        "below": ("bottom", "top"),
    }.get(relation, ("center", "center"))
    sizes = {"inside": ("small", "large"), "in front of": ("medium", "large")}.get(
        relation, ("medium", "medium")
    )
    names = [_any_object(rng), _any_object(rng)]
    if relation == "inside":
        names[1] = rng.choice(("circle", "square", "heart", "diamond"))
    pair = [_thing(rng, *parts) for parts in zip(names, colours, sizes, cells, strict=True)]
    if relation == "in front of":
        pair[0] = Thing(names[0], colours[0], "medium", "bottom", 0.5, 0.74, 0.2)
    return tuple(pair)


_ROWS: Mapping[int, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        2: ((0.28, 0.5), (0.72, 0.5)),
        3: ((0.2, 0.5), (0.5, 0.5), (0.8, 0.5)),
        4: ((0.3, 0.29), (0.7, 0.29), (0.3, 0.71), (0.7, 0.71)),
    }
)


def _several_on_plain(rng: Random, style: str) -> Scene:
    """Two to four of one object in one colour."""
    count = rng.choice((2, 3, 4))
    name, colour = _any_object(rng), _any_colour(rng)
    reach = {2: 0.18, 3: 0.13, 4: 0.16}[count] * rng.uniform(0.92, 1.08)
    drift = 0.02
    things = tuple(
        Thing(
            name,
            colour,
            "medium",
            "center",
            x + rng.uniform(-drift, drift),
            y + rng.uniform(-drift, drift),
            reach,
            said=False,
        )
        for x, y in _ROWS[count]
    )
    return Scene(things, _plain(rng, colour), "", style, rng.getrandbits(30))
