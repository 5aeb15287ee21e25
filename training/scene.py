"""Types of a scene: objects, places, background.

The labels are the truth that captions, tests and the score share. ``composing`` makes scenes.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

STYLES = ("flat", "outlined", "crayon", "pixel art")
TIMES = ("day", "night", "sunset", "dawn", "dusk")
GROUNDS = ("grass", "snow", "sand", "sea", "desert", "road")
SEASONS = ("spring", "summer", "autumn", "winter")
SIZES: Mapping[str, float] = MappingProxyType({"small": 0.14, "medium": 0.22, "large": 0.36})

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

RELATIONS = ("left of", "right of", "above", "below", "inside", "in front of")


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
class DrawnScene:
    """Everything that a picture shows. ``relation`` holds for the first and second thing."""

    things: tuple[Thing, ...]
    backdrop: Plain | Scenic
    relation: str = ""
    style: str = "flat"
    grain: int = 0  # seeds the drawing's own small irregularities


def held_out(name: str, colour: str, place: str) -> bool:
    """Whether this object alone is kept from training, for the score: one in eight."""
    return _is_held_out(f"{name}|{colour}|{place}")


def held_out_pair(first: str, relation: str, second: str) -> bool:
    """Whether these objects in this relation are kept from training, whatever their colours."""
    return _is_held_out(f"{first}|{relation}|{second}")


def held_out_count(count: int, name: str, colour: str) -> bool:
    """Whether so many of this object in this colour are kept from training."""
    return _is_held_out(f"{count}|{name}|{colour}")


def _is_held_out(combination: str) -> bool:
    return zlib.crc32(combination.encode()) % 8 == 0
