"""Composes a random scene from a seed, excluding held-out combinations."""

from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType

from training.objects import OBJECTS
from training.palette import COLOURS
from training.scene import (
    GROUNDS,
    PLACES,
    RELATIONS,
    SEASONS,
    SIZES,
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


# What can stand around another object: it covers most of its box.
FULL = ("circle", "square", "heart", "diamond")


def compose(rng: Random) -> DrawnScene:
    """A scene by chance. Simple ones are the most: they teach colour, object and place."""
    kinds = (
        _alone_on_plain,
        _alone_in_scenery,
        _two_on_plain,
        _two_in_scenery,
        _several_on_plain,
        _scenery,
    )
    make = rng.choices(kinds, (34, 20, 22, 8, 12, 4))[0]
    style = rng.choices(STYLES, (88, 4, 4, 4))[0]
    return make(rng, style)


def _any_object(rng: Random, homes: Sequence[str] = ()) -> str:
    names = [name for name, entry in OBJECTS.items() if not homes or entry.home in homes]
    return rng.choices(names, [OBJECTS[name].share for name in names])[0]


def _any_colour(rng: Random, *without: str) -> str:
    return rng.choice([name for name in COLOURS if name not in without])


def _near(rng: Random, place: str, reach: float, spread: float = 0.03) -> tuple[float, float]:
    """The place's centre, moved a little, and inwards as far as the reach needs."""
    margin = reach + 0.015
    x, y = (centre + rng.uniform(-spread, spread) for centre in PLACES[place])
    return min(max(x, margin), 1 - margin), min(max(y, margin), 1 - margin)


def _thing(rng: Random, name: str, colour: str, size: str, place: str) -> Thing:
    reach = SIZES[size] * rng.uniform(0.92, 1.1)
    x, y = _near(rng, place, reach)
    return Thing(name, colour, size, place, x, y, reach, rng.random() < 0.5)


def _alone_on_plain(rng: Random, style: str) -> DrawnScene:
    while True:
        size = rng.choices(tuple(SIZES), (1, 3, 2))[0]
        place = "center" if size == "large" or rng.random() < 0.2 else rng.choice(tuple(PLACES))
        thing = _thing(rng, _any_object(rng), _any_colour(rng), size, place)
        if not held_out(thing.name, thing.colour, thing.place):
            return DrawnScene((thing,), _plain(rng, thing.colour), "", style, rng.getrandbits(30))


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


def _alone_in_scenery(rng: Random, style: str) -> DrawnScene:
    while True:
        name = _any_object(rng)
        home = "ground" if OBJECTS[name].home == "none" else OBJECTS[name].home
        ground = "sea" if home == "water" else _any_ground(rng, name, home)
        column = rng.choices(("left", "center", "right"), (1, 1.3, 1))[0]
        backdrop = _scenic(rng, ground, _away_from(rng, column))
        thing = _standing(rng, name, _any_colour(rng), column, backdrop.horizon, home)
        if thing.colour not in _HIDDEN[ground] and not held_out(name, thing.colour, thing.place):
            return DrawnScene((thing,), backdrop, "", style, rng.getrandbits(30))


def _any_ground(rng: Random, name: str, home: str) -> str:
    road = 4.0 if name in ("car", "bus") else 0.3
    return rng.choices(GROUNDS, (6, 3, 1.5, 1.5 if home == "sky" else 0, 1, road))[0]


def _away_from(rng: Random, column: str) -> float:
    """Where the sun or moon stands: on the side that the object leaves free."""
    side = {"left": 0.8, "right": 0.2}.get(column) or rng.choice((0.16, 0.84))
    return side + rng.uniform(-0.05, 0.05)


def _standing(rng: Random, name: str, colour: str, column: str, horizon: float, home: str) -> Thing:
    """An object whose foot is on the ground below the horizon, or that floats above it."""
    reach = rng.uniform(0.17, 0.24)
    x = {"left": 0.26, "center": 0.5, "right": 0.74}[column] + rng.uniform(-0.04, 0.04)
    foot = horizon + rng.uniform(0.05, 0.2)
    y = rng.uniform(0.2, 0.34) if home == "sky" else foot - reach * OBJECTS[name].foot
    row = "top" if home == "sky" else "center"
    place = {"topcenter": "top", "centercenter": "center"}.get(row + column)
    place = place or (f"top {column}" if row == "top" else column)
    return Thing(name, colour, "medium", place, x, y, reach, rng.random() < 0.5)


def _scenery(rng: Random, style: str) -> DrawnScene:
    backdrop = _scenic(rng, rng.choice(GROUNDS), rng.uniform(0.2, 0.8))
    return DrawnScene((), backdrop, "", style, rng.getrandbits(30))


def _two_on_plain(rng: Random, style: str) -> DrawnScene:
    relation = rng.choices(RELATIONS, (4, 3, 4, 2, 2, 1.5))[0]
    first = _any_colour(rng)
    second = _any_colour(rng, first)
    things = place_related(relation, _pair(rng, relation), (first, second), rng)
    return DrawnScene(things, _plain(rng, first, second), relation, style, rng.getrandbits(30))


def _pair(rng: Random, relation: str, homes: Sequence[str] = ()) -> tuple[str, str]:
    """Two objects that may stand in the relation; what surrounds another is a full shape."""
    while True:
        second = rng.choice(FULL) if relation == "inside" else _any_object(rng, homes)
        first = _any_object(rng, homes)
        if not held_out_pair(first, relation, second):
            return first, second


def place_related(
    relation: str, names: tuple[str, str], colours: tuple[str, str], rng: Random
) -> tuple[Thing, ...]:
    """Two things in the relation: the first is left of, above, inside … the second."""
    cells = {
        "left of": ("left", "right"),
        "right of": ("right", "left"),
        "above": ("top", "bottom"),
        "below": ("bottom", "top"),
        "in front of": ("bottom", "center"),
    }.get(relation, ("center", "center"))
    sizes = {"inside": ("small", "large"), "in front of": ("medium", "large")}.get(
        relation, ("medium", "medium")
    )
    pair = zip(names, colours, sizes, cells, strict=True)
    return tuple(_thing(rng, *parts) for parts in pair)


def _two_in_scenery(rng: Random, style: str) -> DrawnScene:
    """Two things beside each other on the ground."""
    ground = rng.choices(GROUNDS, (6, 3, 1.5, 0, 1, 1))[0]
    backdrop = _scenic(rng, ground, rng.uniform(0.42, 0.58))
    columns = rng.choice((("left", "right"), ("right", "left")))
    relation = f"{columns[0]} of"
    names = _pair(rng, relation, ("ground",))
    first = _any_colour(rng, *_HIDDEN[ground])
    colours = first, _any_colour(rng, first, *_HIDDEN[ground])
    things = tuple(
        _standing(rng, name, colour, column, backdrop.horizon, "ground")
        for name, colour, column in zip(names, colours, columns, strict=True)
    )
    return DrawnScene(things, backdrop, relation, style, rng.getrandbits(30))


_ROWS: Mapping[int, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        2: ((0.28, 0.5), (0.72, 0.5)),
        3: ((0.19, 0.5), (0.5, 0.5), (0.81, 0.5)),
        4: ((0.29, 0.29), (0.71, 0.29), (0.29, 0.71), (0.71, 0.71)),
    }
)
_REACH: Mapping[int, float] = MappingProxyType({2: 0.19, 3: 0.13, 4: 0.165})


def _several_on_plain(rng: Random, style: str) -> DrawnScene:
    """Two to four of one object in one colour."""
    while True:
        count, name, colour = rng.choice((2, 3, 4)), _any_object(rng), _any_colour(rng)
        if not held_out_count(count, name, colour):
            things = place_several(count, name, colour, rng)
            return DrawnScene(things, _plain(rng, colour), "", style, rng.getrandbits(30))


def place_several(count: int, name: str, colour: str, rng: Random) -> tuple[Thing, ...]:
    """``count`` (2..4) of one object: in a row, four in a square."""
    reach, drift = _REACH[count] * rng.uniform(0.92, 1.06), 0.015
    return tuple(
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
