"""The data set: ``draw(seed)`` gives picture, caption and labels, deterministically."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

import numpy as np
from PIL import Image

from training.canvas import SIZE, SUPERSAMPLING, Pen, gradient
from training.caption import write_caption
from training.composition import compose
from training.objects import OBJECTS, cloud, moon, sun
from training.palette import COLOURS, RGB, darken, jitter, lighten, mix
from training.scene import DrawnScene, Plain, Scenic, Thing

SKY: Mapping[str, tuple[RGB, RGB]] = MappingProxyType(
    {
        "day": ((92, 172, 238), (204, 232, 250)),
        "night": ((14, 18, 52), (44, 52, 106)),
        "sunset": ((234, 106, 78), (252, 206, 118)),
        "dawn": ((236, 164, 196), (252, 220, 196)),
        "dusk": ((92, 70, 150), (190, 120, 170)),
    }
)
GROUND: Mapping[str, RGB] = MappingProxyType(
    {
        "grass": (104, 184, 84),
        "snow": (240, 245, 250),
        "sand": (240, 214, 150),
        "sea": (54, 124, 196),
        "desert": (226, 164, 96),
        "road": (122, 124, 130),
    }
)
_SHADE: Mapping[str, float] = MappingProxyType(
    {"day": 0.0, "night": 0.42, "sunset": 0.12, "dawn": 0.05, "dusk": 0.25}
)
_PIXELS = 32  # blocks a side in the pixel-art style


@dataclass(frozen=True)
class Drawing:
    """A drawing (RGB, square), what it is called and what is on it."""

    image: Image.Image
    caption: str
    scene: DrawnScene


def draw(seed: int, size: int = SIZE) -> Drawing:
    """The seed's picture: the same for the same seed, whatever was drawn before."""
    rng = Random(seed)
    scene = compose(rng)
    return Drawing(paint(scene, size), write_caption(scene, rng), scene)


def paint(scene: DrawnScene, size: int = SIZE) -> Image.Image:
    """The scene as an RGB picture, ``size`` x ``size``."""
    rng = Random(scene.grain)
    sheet = _backdrop(scene.backdrop, rng, size * SUPERSAMPLING)
    shade = 0.4 * _SHADE[scene.backdrop.time] if isinstance(scene.backdrop, Scenic) else 0.0
    # The thing that a relation names second stands behind the first.
    for thing in reversed(scene.things):
        if isinstance(scene.backdrop, Scenic) and OBJECTS[thing.name].home == "ground":
            _shadow(sheet, thing, scene.backdrop, rng)
        _place(sheet, thing, shade, scene.style == "outlined", rng)
    if isinstance(scene.backdrop, Scenic):
        _weather(sheet, scene.backdrop, rng)
    return _apply_style(sheet.reduce(SUPERSAMPLING), scene.style, rng)


def _place(sheet: Image.Image, thing: Thing, shade: float, outlined: bool, rng: Random) -> None:
    colour = darken(jitter(COLOURS[thing.colour], rng), shade)
    pen = Pen(sheet, thing.x, thing.y, thing.reach, outlined, thing.mirrored)
    OBJECTS[thing.name].draw(pen, colour)


def _shadow(sheet: Image.Image, thing: Thing, backdrop: Scenic, rng: Random) -> None:
    """A flat shade of the ground at the thing's foot: it stands, and does not float."""
    shade = darken(_ground_colour(backdrop, rng), 0.22)
    foot = OBJECTS[thing.name].foot
    Pen(sheet, thing.x, thing.y, thing.reach).oval(0, foot - 0.02, 0.85, 0.12, shade)


def _backdrop(backdrop: Plain | Scenic, rng: Random, side: int) -> Image.Image:
    if isinstance(backdrop, Scenic):
        return _scenery(backdrop, rng, side)
    colour = jitter(COLOURS[backdrop.colour], rng)
    colour = lighten(colour, 0.35) if backdrop.pale else colour
    if backdrop.shaded:
        return gradient(lighten(colour, 0.15), darken(colour, 0.08), side)
    return Image.new("RGB", (side, side), colour)


def _scenery(backdrop: Scenic, rng: Random, side: int) -> Image.Image:
    top, bottom = SKY[backdrop.time]
    if backdrop.weather != "clear":
        top, bottom = mix(top, (150, 156, 168), 0.35), mix(bottom, (190, 194, 202), 0.35)
    sheet = gradient(jitter(top, rng, 5), jitter(bottom, rng, 5), side)
    pen = Pen(sheet, 0, 0, 1)
    _sky(pen, backdrop, rng)
    ground = _ground_colour(backdrop, rng)
    if backdrop.hills:
        for x in (rng.uniform(0, 0.3), rng.uniform(0.6, 1)):
            height, width = rng.uniform(0.12, 0.2), rng.uniform(0.3, 0.45)
            pen.oval(x, backdrop.horizon + 0.04, width, height, darken(ground, 0.12))
    pen.slab(0.5, (1 + backdrop.horizon) / 2, 0.5, (1 - backdrop.horizon) / 2, ground)
    _ground_details(pen, backdrop, ground, rng)
    return sheet


def _ground_colour(backdrop: Scenic, rng: Random) -> RGB:
    colour = jitter(GROUND[backdrop.ground], rng, 6)
    if backdrop.ground == "grass" and backdrop.season == "autumn":
        colour = mix(colour, (214, 160, 62), 0.55)
    return darken(colour, _SHADE[backdrop.time])


def _sky(pen: Pen, backdrop: Scenic, rng: Random) -> None:
    if backdrop.stars:
        for _ in range(18):
            x, y = rng.random(), rng.uniform(0.02, backdrop.horizon - 0.06)
            pen.disc(x, y, rng.uniform(0.005, 0.009), (255, 250, 222))
    height = rng.uniform(0.14, 0.2)
    light = Pen(pen.sheet, backdrop.light_x, height, 0.1)
    if backdrop.light == "moon":
        moon(light, (250, 244, 206))
    elif backdrop.light == "sun":
        sun(light, (252, 216, 70) if backdrop.time == "day" else (250, 170, 60))
    if backdrop.weather != "clear":
        white = darken((250, 251, 253), 0.5 * _SHADE[backdrop.time])
        for x in (0.2, 0.52, 0.84):
            place = x + rng.uniform(-0.08, 0.08), rng.uniform(0.1, 0.2)
            cloud(Pen(pen.sheet, *place, rng.uniform(0.09, 0.13)), white)


def _ground_details(pen: Pen, backdrop: Scenic, ground: RGB, rng: Random) -> None:
    def somewhere() -> tuple[float, float]:
        return rng.random(), rng.uniform(backdrop.horizon + 0.03, 0.97)

    if backdrop.ground == "sea":
        for _ in range(8):
            pen.slab(*somewhere(), 0.06, 0.006, lighten(ground, 0.25), 0.006)
    elif backdrop.ground == "road":
        for dash in range(5):
            pen.slab(0.08 + dash * 0.22, 0.92, 0.06, 0.012, lighten(ground, 0.7))
    elif backdrop.ground == "grass" and backdrop.season == "spring":
        for _ in range(9):
            petal = jitter((248, 160, 190), rng, 20)
            pen.disc(*somewhere(), 0.012, darken(petal, 0.5 * _SHADE[backdrop.time]))


def _weather(sheet: Image.Image, backdrop: Scenic, rng: Random) -> None:
    pen = Pen(sheet, 0, 0, 1)
    if backdrop.weather == "rain":
        for _ in range(40):
            x, y = rng.random(), rng.random()
            pen.stroke([(x, y), (x - 0.012, y + 0.045)], 0.005, (186, 206, 232))
    elif backdrop.weather == "snowfall":
        for _ in range(36):
            pen.disc(rng.random(), rng.random(), rng.uniform(0.006, 0.01), (255, 255, 255))


def _apply_style(image: Image.Image, style: str, rng: Random) -> Image.Image:
    if style == "pixel art":
        small = image.resize((_PIXELS, _PIXELS), Image.Resampling.BOX)
        return small.resize(image.size, Image.Resampling.NEAREST)
    if style == "crayon":
        return _crayon(image, rng)
    return image


def _crayon(image: Image.Image, rng: Random) -> Image.Image:
    """Slanted streaks of lighter and darker wax over the colours, seeded by the scene."""
    noise = np.random.default_rng(rng.getrandbits(32)).integers(88, 168, (24, 96), dtype=np.uint8)
    size = image.width
    wide = round(size * 1.5)
    streaks = Image.fromarray(noise).resize((wide, wide), Image.Resampling.BILINEAR).rotate(35)
    edge = (wide - size) // 2
    wax = np.asarray(streaks.crop((edge, edge, edge + size, edge + size)), np.float32) - 128
    pixels = np.asarray(image, np.float32) + 0.8 * wax[..., None]  # (size, size, 3)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
