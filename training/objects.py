"""Drawing functions of the objects, each in a box -1..1, y down, one main colour.

Every function takes the pen and the main colour, which must cover most of the object: that is what
the prompt names and the score reads.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from training.canvas import Pen, Point, round_points
from training.palette import INK, PAPER, RGB, contrasting_shade, darken, is_dark, lighten

Draw = Callable[[Pen, RGB], None]

WOOD: RGB = (112, 74, 46)
LEAF: RGB = (64, 150, 74)
GLASS: RGB = (198, 230, 246)
LAMP: RGB = (255, 234, 150)
SKIN: RGB = (250, 208, 170)
BEAK: RGB = (246, 168, 40)
BLUSH: RGB = (244, 150, 164)


# --- shapes -----------------------------------------------------------------------------------


def circle(pen: Pen, colour: RGB) -> None:
    """A filled circle."""
    pen.disc(0, 0, 0.95, colour)


def square(pen: Pen, colour: RGB) -> None:
    """A filled square."""
    pen.slab(0, 0, 0.86, 0.86, colour)


def triangle(pen: Pen, colour: RGB) -> None:
    """A triangle that stands on its side."""
    pen.shape([(0, -0.95), (1, 0.82), (-1, 0.82)], colour)


def star(pen: Pen, colour: RGB) -> None:
    """A five-pointed star."""
    pen.shape(round_points(5, 1.08, dent=0.45), colour)


def heart(pen: Pen, colour: RGB) -> None:
    """A heart: the classic curve 16 sin^3 t, 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t."""
    points: list[Point] = []
    for step in range(48):
        t = 2 * math.pi * step / 48
        high = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((math.sin(t) ** 3, -high / 16 - 0.06))
    pen.shape(points, colour)


def diamond(pen: Pen, colour: RGB) -> None:
    """A square on its corner, narrower than high."""
    pen.shape([(0, -1), (0.74, 0), (0, 1), (-0.74, 0)], colour)


def ring(pen: Pen, colour: RGB) -> None:
    """A thick circle line."""
    pen.hoop(0, 0, 0.95, 0.36, colour)


def cross(pen: Pen, colour: RGB) -> None:
    """A plus sign."""
    a, b = 0.34, 0.95
    corners = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a)]
    pen.shape([*corners, *[(-x, -y) for x, y in corners]], colour)


# --- animals ----------------------------------------------------------------------------------


def _eyes(pen: Pen, colour: RGB, y: float, apart: float, radius: float) -> None:
    ink = PAPER if is_dark(colour) else INK
    for side in (-1, 1):
        pen.disc(side * apart, y, radius, ink)


def cat(pen: Pen, colour: RGB) -> None:
    """A sitting cat: pointed ears, whisker face, raised tail."""
    tail = [(0.3, 0.82), (0.62, 0.78), (0.8, 0.6), (0.84, 0.36), (0.76, 0.12)]
    pen.stroke(tail, 0.19, darken(colour, 0.12))
    pen.disc(*tail[-1], 0.095, darken(colour, 0.12))
    pen.oval(0, 0.5, 0.52, 0.5, colour)
    pen.oval(0, 0.62, 0.27, 0.32, lighten(colour, 0.4))
    for side in (-1, 1):
        pen.shape([(side * 0.56, -0.98), (side * 0.08, -0.6), (side * 0.58, -0.25)], colour)
        pen.shape([(side * 0.47, -0.8), (side * 0.24, -0.58), (side * 0.48, -0.45)], BLUSH)
    pen.oval(0, -0.26, 0.6, 0.47, colour)
    _eyes(pen, colour, -0.3, 0.25, 0.09)
    pen.shape([(-0.08, -0.14), (0.08, -0.14), (0, -0.05)], BLUSH)


def dog(pen: Pen, colour: RGB) -> None:
    """A sitting dog: hanging ears, light muzzle."""
    pen.stroke([(0.35, 0.75), (0.66, 0.6), (0.84, 0.3)], 0.19, colour)
    pen.disc(0.84, 0.3, 0.095, colour)
    pen.oval(0, 0.5, 0.52, 0.5, colour)
    pen.oval(0, -0.32, 0.55, 0.55, colour)
    for side in (-1, 1):
        pen.oval(side * 0.58, -0.25, 0.18, 0.42, contrasting_shade(colour))
    pen.oval(0, -0.1, 0.32, 0.25, lighten(colour, 0.55))
    pen.oval(0, -0.22, 0.12, 0.09, INK)
    _eyes(pen, colour, -0.5, 0.22, 0.08)


def rabbit(pen: Pen, colour: RGB) -> None:
    """A rabbit: two long ears upright."""
    for side in (-1, 1):
        pen.oval(side * 0.24, -0.62, 0.16, 0.4, colour)
        pen.oval(side * 0.24, -0.62, 0.07, 0.28, BLUSH)
    pen.oval(0, 0.55, 0.46, 0.45, colour)
    pen.oval(0, -0.04, 0.44, 0.4, colour)
    _eyes(pen, colour, -0.08, 0.19, 0.07)
    pen.oval(0, 0.08, 0.06, 0.045, BLUSH)
    pen.disc(0.42, 0.75, 0.17, lighten(colour, 0.5))


def bear(pen: Pen, colour: RGB) -> None:
    """A bear: round ears, broad body."""
    for side in (-1, 1):
        pen.disc(side * 0.42, -0.78, 0.2, colour)
        pen.disc(side * 0.42, -0.78, 0.1, lighten(colour, 0.4))
        pen.oval(side * 0.58, 0.42, 0.2, 0.34, darken(colour, 0.12))
    pen.oval(0, 0.5, 0.56, 0.5, colour)
    pen.oval(0, 0.55, 0.34, 0.33, lighten(colour, 0.35))
    pen.disc(0, -0.42, 0.5, colour)
    pen.oval(0, -0.27, 0.24, 0.18, lighten(colour, 0.5))
    pen.oval(0, -0.34, 0.09, 0.07, INK)
    _eyes(pen, colour, -0.54, 0.2, 0.07)


def fish(pen: Pen, colour: RGB) -> None:
    """A fish from the side, tail behind."""
    tail = darken(colour, 0.18)
    pen.shape([(-0.5, 0), (-1, -0.5), (-1, 0.5)], tail)
    pen.shape([(-0.2, -0.4), (0.25, -0.45), (0.0, -0.78)], tail)
    pen.oval(0.15, 0, 0.8, 0.54, colour)
    pen.oval(0.1, 0.24, 0.45, 0.2, lighten(colour, 0.35))
    pen.disc(0.6, -0.12, 0.14, PAPER)
    pen.disc(0.64, -0.12, 0.07, INK)


def bird(pen: Pen, colour: RGB) -> None:
    """A standing bird from the side."""
    pen.shape([(-0.4, 0.1), (-1, -0.2), (-0.92, 0.3)], darken(colour, 0.18))
    for leg in (-0.12, 0.12):
        pen.slab(leg, 0.75, 0.03, 0.22, BEAK)
    pen.oval(0, 0.15, 0.62, 0.46, colour)
    pen.disc(0.45, -0.35, 0.36, colour)
    pen.oval(-0.1, 0.12, 0.34, 0.22, contrasting_shade(colour))
    pen.shape([(0.76, -0.47), (1.05, -0.32), (0.76, -0.2)], BEAK)
    pen.disc(0.54, -0.42, 0.07, PAPER if is_dark(colour) else INK)


def butterfly(pen: Pen, colour: RGB) -> None:
    """A butterfly seen from above."""
    for side in (-1, 1):
        pen.stroke([(0, -0.5), (side * 0.28, -0.9)], 0.05, INK)
        pen.oval(side * 0.52, -0.28, 0.47, 0.46, colour)
        pen.oval(side * 0.42, 0.42, 0.36, 0.38, darken(colour, 0.12))
        pen.disc(side * 0.55, -0.28, 0.18, lighten(colour, 0.6))
    pen.oval(0, 0, 0.1, 0.62, INK)


# --- buildings --------------------------------------------------------------------------------


def house(pen: Pen, colour: RGB) -> None:
    """A house with a roof of a darker shade, a door and two lit windows."""
    roof = contrasting_shade(colour)
    pen.slab(0.48, -0.62, 0.11, 0.28, darken(roof, 0.3))
    pen.slab(0, 0.4, 0.72, 0.58, colour)
    pen.shape([(-0.95, -0.16), (0, -0.95), (0.95, -0.16)], roof)
    pen.slab(0, 0.63, 0.16, 0.35, roof)
    for side in (-1, 1):
        pen.slab(side * 0.44, 0.22, 0.17, 0.17, LAMP)


def castle(pen: Pen, colour: RGB) -> None:
    """A castle: two towers with battlements, a gate, a flag."""
    pen.slab(0, 0.4, 0.6, 0.58, colour)
    for side in (-1, 1):
        pen.slab(side * 0.66, 0.2, 0.26, 0.78, darken(colour, 0.1))
        for tooth in (-1, 0, 1):
            pen.slab(side * 0.66 + tooth * 0.2, -0.64, 0.07, 0.1, darken(colour, 0.1))
        pen.slab(side * 0.66, -0.15, 0.07, 0.16, contrasting_shade(colour))
    pen.slice(0, 0.72, (0.24, 0.34), (180, 360), contrasting_shade(colour))
    pen.slab(0, 0.85, 0.24, 0.13, contrasting_shade(colour))


def tower(pen: Pen, colour: RGB) -> None:
    """A tall tower with a pointed roof."""
    pen.slab(0, 0.3, 0.34, 0.68, colour)
    pen.shape([(-0.46, -0.36), (0, -1), (0.46, -0.36)], contrasting_shade(colour))
    pen.slab(0, 0.0, 0.1, 0.15, LAMP)
    pen.slab(0, 0.78, 0.13, 0.2, contrasting_shade(colour))


def lighthouse(pen: Pen, colour: RGB) -> None:
    """A lighthouse: a tapering tower with white bands and a lamp."""
    pen.shape([(-0.22, -0.5), (0.22, -0.5), (0.38, 0.98), (-0.38, 0.98)], colour)
    band = PAPER if sum(colour) < 620 else contrasting_shade(colour)
    pen.shape([(-0.27, -0.05), (0.27, -0.05), (0.3, 0.22), (-0.3, 0.22)], band)
    pen.slab(0, -0.64, 0.16, 0.14, LAMP)
    pen.slice(0, -0.76, (0.24, 0.22), (180, 360), colour)


# --- vehicles ---------------------------------------------------------------------------------


def _wheels(pen: Pen, apart: float, y: float, radius: float) -> None:
    for side in (-1, 1):
        pen.disc(side * apart, y, radius, INK)
        pen.disc(side * apart, y, radius * 0.45, (196, 196, 202))


def car(pen: Pen, colour: RGB) -> None:
    """A car from the side."""
    pen.shape([(-0.58, 0.02), (-0.36, -0.48), (0.34, -0.48), (0.64, 0.02)], colour)
    pen.shape([(-0.42, -0.02), (-0.28, -0.36), (-0.04, -0.36), (-0.04, -0.02)], GLASS)
    pen.shape([(0.05, -0.02), (0.05, -0.36), (0.28, -0.36), (0.46, -0.02)], GLASS)
    pen.slab(0, 0.22, 0.98, 0.26, colour, 0.12)
    _wheels(pen, 0.55, 0.48, 0.22)
    pen.disc(0.9, 0.14, 0.07, LAMP)


def bus(pen: Pen, colour: RGB) -> None:
    """A bus from the side, four windows."""
    pen.slab(0, 0.0, 0.98, 0.55, colour, 0.12)
    for window in range(4):
        pen.slab(-0.7 + window * 0.46, -0.2, 0.18, 0.19, GLASS)
    _wheels(pen, 0.55, 0.55, 0.2)


def boat(pen: Pen, colour: RGB) -> None:
    """A sailing boat: hull in the colour, a sail in its tint."""
    sail = lighten(colour, 0.72) if sum(colour) < 600 else (236, 226, 200)
    pen.slab(0, -0.2, 0.04, 0.75, WOOD)
    pen.shape([(0.08, -0.95), (0.08, 0.3), (0.78, 0.3)], sail)
    pen.shape([(-0.08, -0.75), (-0.08, 0.3), (-0.6, 0.3)], lighten(colour, 0.35))
    pen.shape([(-0.98, 0.38), (0.98, 0.38), (0.64, 0.95), (-0.64, 0.95)], colour)


def rocket(pen: Pen, colour: RGB) -> None:
    """A rocket standing on its flame."""
    pen.shape([(-0.2, 0.66), (0.2, 0.66), (0, 1)], BEAK)
    for side in (-1, 1):
        pen.shape([(side * 0.22, 0.1), (side * 0.6, 0.74), (side * 0.2, 0.62)], darken(colour))
    pen.oval(0, -0.14, 0.33, 0.84, colour)
    pen.disc(0, -0.3, 0.18, PAPER)
    pen.disc(0, -0.3, 0.12, (90, 168, 230))


def balloon(pen: Pen, colour: RGB) -> None:
    """A hot-air balloon with its basket."""
    for side in (-1, 1):
        pen.stroke([(side * 0.36, 0.3), (side * 0.16, 0.72)], 0.03, WOOD)
    pen.shape([(-0.56, 0.0), (0.56, 0.0), (0.2, 0.5), (-0.2, 0.5)], colour)
    pen.disc(0, -0.3, 0.68, colour)
    pen.oval(0, -0.3, 0.24, 0.68, lighten(colour, 0.4))
    pen.slab(0, 0.84, 0.2, 0.14, WOOD)


def train(pen: Pen, colour: RGB) -> None:
    """A steam engine from the side."""
    pen.slab(0.55, -0.42, 0.12, 0.3, darken(colour, 0.2))
    pen.slab(0.15, 0.12, 0.8, 0.34, colour, 0.1)
    pen.slab(-0.6, -0.18, 0.36, 0.64, colour)
    pen.slab(-0.6, -0.34, 0.2, 0.2, GLASS)
    for wheel in (-0.6, 0.02, 0.6):
        pen.disc(wheel, 0.58, 0.23, INK)
        pen.disc(wheel, 0.58, 0.1, (196, 196, 202))


# --- plants -----------------------------------------------------------------------------------


def tree(pen: Pen, colour: RGB) -> None:
    """A tree with a round crown in the colour."""
    pen.slab(0, 0.6, 0.12, 0.38, WOOD)
    for x, y, radius in ((0, -0.45, 0.52), (-0.38, -0.08, 0.42), (0.38, -0.08, 0.42)):
        pen.disc(x, y, radius, colour)
    pen.disc(-0.14, -0.55, 0.2, lighten(colour, 0.2))


def pine(pen: Pen, colour: RGB) -> None:
    """A fir tree of three tiers."""
    pen.slab(0, 0.8, 0.1, 0.18, WOOD)
    for tier, (low, high, wide) in enumerate(
        ((0.7, -0.1, 0.7), (0.25, -0.55, 0.56), (-0.2, -1.0, 0.42))
    ):
        pen.shape([(-wide, low), (0, high), (wide, low)], lighten(colour, 0.07 * tier))


def flower(pen: Pen, colour: RGB) -> None:
    """A flower of six petals on a stem with two leaves."""
    pen.slab(0, 0.45, 0.05, 0.53, LEAF)
    for side in (-1, 1):
        pen.oval(side * 0.26, 0.6, 0.24, 0.11, LEAF)
    for petal in range(6):
        angle = petal * math.pi / 3 + 0.5
        pen.disc(0.38 * math.cos(angle), -0.42 + 0.38 * math.sin(angle), 0.27, colour)
    pen.disc(0, -0.42, 0.22, (132, 82, 42) if sum(colour[:2]) > 400 else (250, 212, 70))


def mushroom(pen: Pen, colour: RGB) -> None:
    """A mushroom with a spotted cap."""
    pen.slab(0, 0.45, 0.28, 0.52, (248, 236, 214), 0.15)
    pen.slice(0, 0.12, (0.95, 1.05), (180, 360), colour)
    spot = lighten(colour, 0.8) if sum(colour) < 620 else (220, 90, 80)
    for x, y, radius in ((-0.46, -0.3, 0.15), (0.06, -0.6, 0.18), (0.52, -0.26, 0.14)):
        pen.disc(x, y, radius, spot)


def cactus(pen: Pen, colour: RGB) -> None:
    """A cactus with two arms."""
    for side, low, high in ((-1, 0.25, -0.3), (1, 0.05, -0.5)):
        pen.stroke([(0, low), (side * 0.55, low), (side * 0.55, high)], 0.24, colour)
        pen.disc(side * 0.55, high, 0.12, colour)
    pen.slab(0, 0.05, 0.26, 0.93, colour, 0.26)
    pen.slab(0, 0.1, 0.04, 0.6, lighten(colour, 0.3), 0.04)


def leaf(pen: Pen, colour: RGB) -> None:
    """One leaf with its rib."""
    arc = [step * math.pi / 12 for step in range(13)]
    side = [(0.58 * math.sin(t), -0.12 - 0.84 * math.cos(t)) for t in arc]
    pen.shape([*side, *[(-x, y) for x, y in reversed(side)]], colour)
    pen.stroke([(0, -0.7), (0, 0.98)], 0.07, contrasting_shade(colour))


# --- sky --------------------------------------------------------------------------------------


def sun(pen: Pen, colour: RGB) -> None:
    """A sun with twelve rays."""
    for ray in range(12):
        angle = ray * math.pi / 6
        near, far = (0.7, 1.0)
        ends = [(r * math.cos(angle), r * math.sin(angle)) for r in (near, far)]
        pen.stroke(ends, 0.1, colour)
    pen.disc(0, 0, 0.58, colour)


def moon(pen: Pen, colour: RGB) -> None:
    """A crescent moon, open to the right."""
    outer = [math.radians(angle) for angle in range(50, 311, 10)]
    rim = [(0.95 * math.cos(a) + 0.2, 0.95 * math.sin(a)) for a in outer]
    tip = math.atan2(rim[-1][1], rim[-1][0] - 0.65)
    span = [tip + (2 * math.pi - 2 * abs(tip)) * -step / 16 for step in range(17)]
    reach = math.hypot(rim[-1][0] - 0.65, rim[-1][1])
    inner = [(0.65 + reach * math.cos(a), reach * math.sin(a)) for a in span]
    pen.shape([*rim, *inner], colour)


def cloud(pen: Pen, colour: RGB) -> None:
    """A cloud with a flat bottom."""
    for x, y, radius in ((-0.5, 0.15, 0.4), (0.5, 0.15, 0.42), (-0.05, -0.15, 0.52)):
        pen.disc(x, y, radius, colour)
    pen.slab(0, 0.33, 0.62, 0.22, colour, 0.2)


# --- food and things --------------------------------------------------------------------------


def apple(pen: Pen, colour: RGB) -> None:
    """An apple with stalk and leaf."""
    pen.stroke([(0, -0.5), (0.1, -0.95)], 0.1, WOOD)
    pen.oval(0.32, -0.78, 0.24, 0.12, LEAF)
    for side in (-1, 1):
        pen.oval(side * 0.3, 0.18, 0.55, 0.72, colour)
    pen.oval(-0.42, -0.1, 0.12, 0.2, lighten(colour, 0.5))


def cake(pen: Pen, colour: RGB) -> None:
    """A cake of two tiers with a candle."""
    pen.slab(0, -0.72, 0.06, 0.2, PAPER)
    pen.oval(0, -0.94, 0.07, 0.1, BEAK)
    pen.slab(0, -0.22, 0.5, 0.32, lighten(colour, 0.25), 0.08)
    pen.slab(0, 0.5, 0.88, 0.45, colour, 0.1)
    for drop in range(5):
        pen.disc(-0.66 + drop * 0.33, 0.14, 0.13, lighten(colour, 0.65))


def cone(pen: Pen, colour: RGB) -> None:
    """Ice cream: one scoop on a wafer."""
    pen.shape([(-0.42, 0.0), (0.42, 0.0), (0, 0.98)], (226, 170, 96))
    pen.disc(0, -0.36, 0.56, colour)
    pen.oval(0, 0.0, 0.52, 0.16, colour)
    pen.oval(-0.2, -0.56, 0.14, 0.1, lighten(colour, 0.5))


def cup(pen: Pen, colour: RGB) -> None:
    """A cup with a handle."""
    pen.hoop(0.6, 0.1, 0.36, 0.13, darken(colour, 0.12))
    pen.slab(-0.1, 0.15, 0.62, 0.68, colour, 0.2)
    inside = contrasting_shade(colour) if is_dark(colour) else darken(colour, 0.4)
    pen.oval(-0.1, -0.5, 0.6, 0.16, inside)


def umbrella(pen: Pen, colour: RGB) -> None:
    """An open umbrella."""
    pen.stroke([(0, 0), (0, 0.82), (0.16, 0.94), (0.3, 0.8)], 0.08, WOOD)
    pen.slice(0, 0.08, (0.98, 0.98), (180, 360), colour)
    pen.slice(0, 0.08, (0.34, 0.98), (180, 360), lighten(colour, 0.3))


# --- people -----------------------------------------------------------------------------------


def _head(pen: Pen, hair: RGB) -> None:
    pen.disc(0, -0.66, 0.32, hair)
    pen.disc(0, -0.6, 0.27, SKIN)
    for side in (-1, 1):
        pen.disc(side * 0.1, -0.62, 0.04, INK)


def man(pen: Pen, colour: RGB) -> None:
    """A simple figure in a shirt of the colour."""
    for side in (-1, 1):
        pen.slab(side * 0.16, 0.76, 0.12, 0.22, (64, 66, 92))
        pen.stroke([(side * 0.3, -0.14), (side * 0.56, 0.36)], 0.17, colour)
    pen.slab(0, 0.16, 0.36, 0.44, colour, 0.12)
    _head(pen, (84, 56, 38))


def woman(pen: Pen, colour: RGB) -> None:
    """A simple figure in a dress of the colour, with long hair."""
    pen.slab(0, -0.45, 0.32, 0.28, (120, 76, 40), 0.2)
    for side in (-1, 1):
        pen.slab(side * 0.14, 0.86, 0.07, 0.12, SKIN)
        pen.stroke([(side * 0.2, -0.14), (side * 0.5, 0.28)], 0.12, SKIN)
    pen.shape([(-0.22, -0.28), (0.22, -0.28), (0.64, 0.78), (-0.64, 0.78)], colour)
    _head(pen, (120, 76, 40))


def robot(pen: Pen, colour: RGB) -> None:
    """A robot: square head, antenna, two lamps for eyes."""
    pen.slab(0, -0.86, 0.03, 0.12, INK)
    pen.slab(0, -0.48, 0.42, 0.32, colour, 0.08)
    pen.slab(0, 0.3, 0.52, 0.42, colour, 0.08)
    for side in (-1, 1):
        pen.disc(side * 0.18, -0.5, 0.1, LAMP)
        pen.slab(side * 0.66, 0.25, 0.1, 0.34, darken(colour, 0.2))
        pen.slab(side * 0.24, 0.85, 0.14, 0.13, darken(colour, 0.2))
    pen.slab(0, 0.25, 0.26, 0.16, contrasting_shade(colour))


@dataclass(frozen=True)
class Drawable:
    """One object: how it is drawn, what captions call it, and where it may stand.

    ``home`` names what it stands on in scenery: ``ground``, ``water`` or ``sky``; with ``none``
    it lies on the ground alone, never beside another.
    ``share`` is how often it is drawn, relative to the others. ``wears`` names the garment that
    carries the colour: of people, captions say "in a red shirt", never a colour of the person.
    ``foot`` is where in its box the object touches the ground.
    """

    draw: Draw
    names: tuple[str, ...]
    home: str = "ground"
    share: float = 1.0
    wears: str = ""
    foot: float = 0.97


def _table(*entries: Drawable) -> Mapping[str, Drawable]:
    return MappingProxyType({entry.names[0]: entry for entry in entries})


OBJECTS: Mapping[str, Drawable] = _table(
    Drawable(circle, ("circle", "ball"), "none", 1.5),
    Drawable(square, ("square",), "none", 1.5),
    Drawable(triangle, ("triangle",), "none", 1.5),
    Drawable(star, ("star",), "none", 1.5),
    Drawable(heart, ("heart",), "none", 1.5),
    Drawable(diamond, ("diamond",), "none"),
    Drawable(ring, ("ring",), "none"),
    Drawable(cross, ("cross",), "none"),
    Drawable(cat, ("cat", "kitten"), "ground", 2.5),
    Drawable(dog, ("dog", "puppy"), "ground", 1.5),
    Drawable(rabbit, ("rabbit", "bunny")),
    Drawable(bear, ("bear",)),
    Drawable(fish, ("fish",), "water"),
    Drawable(bird, ("bird",)),
    Drawable(butterfly, ("butterfly",), "sky"),
    Drawable(house, ("house", "cottage", "home"), "ground", 3.0),
    Drawable(castle, ("castle",)),
    Drawable(tower, ("tower",)),
    Drawable(lighthouse, ("lighthouse",)),
    Drawable(car, ("car",), "ground", 2.0, foot=0.7),
    Drawable(bus, ("bus",), foot=0.75),
    Drawable(boat, ("boat", "ship", "sailboat"), "water", 2.5),
    Drawable(rocket, ("rocket",), "sky"),
    Drawable(balloon, ("balloon", "hot air balloon"), "sky", 1.5),
    Drawable(train, ("train",), foot=0.81),
    Drawable(tree, ("tree",), "ground", 2.0),
    Drawable(pine, ("pine tree", "fir tree")),
    Drawable(flower, ("flower", "blossom"), "ground", 1.5),
    Drawable(mushroom, ("mushroom",)),
    Drawable(cactus, ("cactus",)),
    Drawable(leaf, ("leaf",), "none"),
    Drawable(sun, ("sun",), "sky"),
    Drawable(moon, ("moon", "crescent"), "sky"),
    Drawable(cloud, ("cloud",), "sky"),
    Drawable(apple, ("apple",), "none"),
    Drawable(cake, ("cake",), "none"),
    Drawable(cone, ("ice cream",), "none"),
    Drawable(cup, ("cup", "mug"), "none"),
    Drawable(umbrella, ("umbrella",)),
    Drawable(man, ("man", "boy"), wears="shirt"),
    Drawable(woman, ("woman", "girl"), wears="dress"),
    Drawable(robot, ("robot",)),
)
