"""Colours of prompts as 8-bit RGB, and their shading."""

from collections.abc import Mapping
from random import Random
from types import MappingProxyType

RGB = tuple[int, int, int]

COLOURS: Mapping[str, RGB] = MappingProxyType(
    {
        "red": (220, 44, 44),
        "orange": (245, 138, 36),
        "yellow": (250, 214, 60),
        "green": (60, 166, 78),
        "blue": (44, 102, 216),
        "purple": (130, 70, 190),
        "pink": (247, 140, 184),
        "brown": (132, 84, 48),
        "black": (32, 32, 38),
        "white": (247, 247, 245),
        "gray": (144, 148, 154),
        "teal": (40, 174, 176),
    }
)

SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "red": ("crimson", "scarlet"),
        "yellow": ("golden",),
        "green": ("emerald",),
        "blue": ("azure",),
        "purple": ("violet",),
        "pink": ("rose",),
        "gray": ("grey",),
        "teal": ("turquoise", "cyan"),
    }
)

INK: RGB = (30, 28, 36)
PAPER: RGB = (252, 252, 250)


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """``first`` moved towards ``second`` by ``share`` in 0..1."""
    red, green, blue = (
        int(a * (1 - share) + b * share) for a, b in zip(first, second, strict=True)
    )
    return red, green, blue


def darken(colour: RGB, share: float = 0.25) -> RGB:
    """A shade of the colour, slightly blue as shadows are."""
    return mix(colour, (12, 10, 34), share)


def lighten(colour: RGB, share: float = 0.3) -> RGB:
    """A tint of the colour."""
    return mix(colour, (255, 255, 255), share)


def is_dark(colour: RGB) -> bool:
    """Whether ink drawn on the colour would be lost."""
    return sum(colour) < 190


def contrasting_shade(colour: RGB) -> RGB:
    """A detail's shade that stays visible on the colour: lighter on dark, darker on light."""
    return lighten(colour, 0.45) if sum(colour) < 300 else darken(colour, 0.4)


def jitter(colour: RGB, rng: Random, amount: int = 8) -> RGB:
    """The colour moved by at most ``amount`` of 255 a channel, so that a name is a region."""
    red, green, blue = (max(0, min(255, v + rng.randint(-amount, amount))) for v in colour)
    return red, green, blue
