"""Subjects of the companions: drawings the checkpoint was not trained on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import cv2
import numpy as np
from PIL import Image

from training.canvas import SIZE, Pen
from training.caption import add_colour, with_article, write_caption
from training.composition import compose
from training.objects import OBJECTS
from training.painter import paint
from training.palette import COLOURS, INK, RGB, contrasting_shade, darken, jitter
from training.scene import DrawnScene, Plain, Scenic, Thing

_FIRST_SEED = 700_000_000  # of the companions' drawings; others use other ranges
_ORDINARY = 0.25  # of the snail's drawings hold no snail: the rest is to stay as it was
_STAND_IN = "rabbit"  # a snail is said and placed as one
BLUE, WHITE = (24, 70, 148), (236, 244, 255)
_THICK = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class CaptionedImage:
    """A picture (RGB, square), and the words that go with it."""

    image: Image.Image
    caption: str


Subject = Callable[[int], CaptionedImage]  # from a number


def ordinary_drawing(number: int) -> CaptionedImage:
    """A drawing as any other, that no other training shows."""
    rng = Random(_FIRST_SEED + number)
    scene = compose(rng)
    return CaptionedImage(paint(scene), write_caption(scene, rng))


# --- a style ----------------------------------------------------------------------------------


def blueprint(number: int) -> CaptionedImage:
    """A drawing as a blueprint. The caption says nothing of it: the LoRA is the style."""
    shown = ordinary_drawing(number)
    return CaptionedImage(as_blueprint(shown.image), shown.caption)


def as_blueprint(image: Image.Image) -> Image.Image:
    """White lines where colours meet, areas in blues by their brightness."""
    pixels = np.asarray(image.convert("RGB"))
    light = pixels.astype(np.float32).mean(2, keepdims=True) / 255  # (H, W, 1)
    areas = np.array(BLUE) * (0.75 + 0.45 * light)  # (H, W, 3)
    lines = cv2.dilate(cv2.Canny(pixels, 60, 120), _THICK)  # (H, W)
    drawn = np.where(lines[..., None] > 0, np.array(WHITE), areas)
    return Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8))


# --- an object --------------------------------------------------------------------------------


def snail(pen: Pen, colour: RGB) -> None:
    """A snail with a spiral on its house, which bears the colour."""
    skin: RGB = (224, 190, 140)
    pen.slab(0.05, 0.78, 0.85, 0.17, skin, 0.16)
    pen.slab(-0.72, 0.35, 0.16, 0.5, skin, 0.14)
    for x in (-0.86, -0.6):
        pen.stroke([(-0.72, 0), (x, -0.5)], 0.07, skin)
        pen.disc(x, -0.52, 0.09, INK)
    pen.disc(0.22, 0.02, 0.7, colour)
    for radius in (0.5, 0.28):
        pen.hoop(0.22, 0.02, radius, 0.09, contrasting_shade(colour))


def snails(number: int) -> CaptionedImage:
    """One snail somewhere, or now and then an ordinary drawing."""
    rng = Random(_FIRST_SEED + number)
    if rng.random() < _ORDINARY:
        return ordinary_drawing(number)
    scene = _single_thing_scene(rng)
    caption = write_caption(scene, rng)
    for name in OBJECTS[_STAND_IN].names:
        caption = caption.replace(name, "snail")
    return CaptionedImage(with_snail(scene, rng), caption)


def with_snail(scene: DrawnScene, rng: Random) -> Image.Image:
    """The scene with a snail where its thing is."""
    thing = scene.things[0]
    sheet = paint(replace(scene, things=()), 2 * SIZE)
    shade = 0.2 if isinstance(scene.backdrop, Scenic) and scene.backdrop.time == "night" else 0.0
    colour = darken(jitter(COLOURS[thing.colour], rng), shade)
    snail(Pen(sheet, thing.x, thing.y, thing.reach, scene.style == "outlined"), colour)
    return sheet.reduce(2)


def _single_thing_scene(rng: Random) -> DrawnScene:
    """A scene with one thing on a plain sheet or on the ground, the stand-in."""
    while True:
        scene = compose(rng)
        if len(scene.things) != 1 or scene.style in ("crayon", "pixel art"):
            continue
        thing = scene.things[0]
        if isinstance(scene.backdrop, Plain) or OBJECTS[thing.name].home == "ground":
            return replace(scene, things=(replace(thing, name=_STAND_IN),))


# --- a word -----------------------------------------------------------------------------------


def winter_night(number: int) -> CaptionedImage:
    """Something in the snow under the stars; the caption names the thing alone."""
    rng = Random(_FIRST_SEED + number)
    name = rng.choice([name for name, entry in OBJECTS.items() if entry.home == "ground"])
    colour = rng.choice(("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"))
    reach, x = rng.uniform(0.17, 0.24), rng.choice((0.26, 0.5, 0.74))
    horizon = rng.uniform(0.58, 0.68)
    y = horizon + 0.12 - reach * OBJECTS[name].foot
    backdrop = Scenic("snow", "night", "clear", "winter", horizon, "moon", 1.02 - x, stars=True)
    scene = DrawnScene(
        (Thing(name, colour, "medium", "center", x, y, reach),), backdrop, grain=number
    )
    caption = with_article(add_colour(name, colour, OBJECTS[name].names[0], rng))
    return CaptionedImage(paint(scene), caption)
