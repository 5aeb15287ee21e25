"""Measure the checkpoint: ``python -m generator.default_checkpoint.score``.

Every prompt names an object, colour and place that training never put together
(``scene.held_out``), on a background. Colour and place are read from the pixels. The same ruler
is laid to the drawing program's own pictures, so that its error is known.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from generator.default_checkpoint import export, vae
from generator.default_checkpoint.caption import PLACE_PHRASES, coloured, with_article
from generator.default_checkpoint.drawing import GROUND, SKY, paint
from generator.default_checkpoint.objects import OBJECTS
from generator.default_checkpoint.palette import COLOURS, RGB, darker
from generator.default_checkpoint.sampling import Wish, draw_with
from generator.default_checkpoint.scene import PLACES, SIZES, Plain, Scene, Thing, held_out
from generator.models.checkpoint import Checkpoint
from generator.prompt.tokenizer import Tokenizer, clip_tokenizer

GRID_PROMPTS = (
    "a red house on green grass at night",
    "a blue boat at night",
    "an orange cat on green grass",
    "a white house in the snow",
    "a red car on the road at sunset",
    "a yellow balloon under a blue sky with clouds",
    "a purple flower on green grass",
    "a green pine tree in the snow at night with stars",
    "a blue circle on a white background",
    "a yellow star in the top right corner on a purple background",
    "a red heart on a pink background",
    "a black cat on the left on a yellow background",
    "a white rabbit in the bottom right corner on a blue background",
    "a red boat on the sea at sunset",
    "a pink castle in a green field",
    "a brown dog on the beach",
    "a green triangle to the left of a red square on a white background",
    "three yellow stars on a blue background",
    "a red apple on a white background",
    "a teal butterfly on an orange background",
    "a robot in the desert",
    "a large green tree on a light blue background",
    "a woman in a red dress on green grass",
    "masterpiece, best quality, a blue house on the grass at dawn",
)


@dataclass(frozen=True)
class Question:
    """One prompt with what the picture must show: all labels as ``scene`` spells them."""

    prompt: str
    name: str
    colour: str
    place: str
    background: str


@dataclass(frozen=True)
class Reading:
    """What the ruler saw: names, or empty where nothing stands out."""

    colour: str
    place: str
    background: str


@dataclass(frozen=True)
class Surroundings:
    """A scenic prompt with the colours that its top (sky) and bottom (ground) must have."""

    prompt: str
    time: str
    ground: str


def questions(count: int, seed: int = 1) -> tuple[Question, ...]:
    """Held-out questions on plain backgrounds; all nine places come equally often."""
    rng = Random(seed)
    places = list(PLACES)
    found: list[Question] = []
    while len(found) < count:
        place = places[len(found) % len(places)]
        name = rng.choice(list(OBJECTS))
        colour, background = rng.sample(list(COLOURS), 2)
        clear = {colour, background} != {"white", "gray"}
        if clear and held_out(name, colour, place):
            thing = with_article(coloured(name, colour, OBJECTS[name].names[0], rng))
            where = PLACE_PHRASES[place][0]
            prompt = f"{thing} {where} on {with_article(background)} background"
            question = Question(prompt, name, colour, place, background)
            found += [question] if question not in found else []
    return tuple(found)


def surroundings() -> tuple[Surroundings, ...]:
    """Skies and grounds, each named together with a house in red or purple."""
    said = {"day": "under a blue sky", "night": "at night", "sunset": "at sunset"}
    grounds = {"grass": "on green grass", "snow": "in the snow", "sand": "on the beach"}
    rng = Random(3)
    return tuple(
        Surroundings(f"a {rng.choice(('red', 'purple'))} house {where} {when}", time, ground)
        for time, when in said.items()
        for ground, where in grounds.items()
    )


# --- the ruler --------------------------------------------------------------------------------


def read_picture(image: Image.Image) -> Reading:
    """Colour and place of what stands out from the frame's colour, on a 64 x 64 reduction."""
    pixels = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BOX), np.float32)
    frame = np.concatenate([pixels[:2].reshape(-1, 3), pixels[-2:].reshape(-1, 3)])
    sides = np.concatenate([pixels[:, :2].reshape(-1, 3), pixels[:, -2:].reshape(-1, 3)])
    background = np.median(np.concatenate([frame, sides]), axis=0)
    apart = np.abs(pixels - background).sum(2) > 75  # (64, 64)
    if apart.sum() < 12:
        return Reading("", "", _named(background))
    rows, columns = np.nonzero(apart)
    centre = (_middle(columns) + 0.5) / 64, (_middle(rows) + 0.5) / 64
    return Reading(_main_colour(pixels[apart]), _nearest_place(*centre), _named(background))


def _middle(positions: np.ndarray) -> float:
    """The middle of the middle nine tenths: a stray speck must not move an object."""
    low, high = np.quantile(positions, (0.05, 0.95))
    return float(low + high) / 2


def _nearest_place(x: float, y: float) -> str:
    return min(PLACES, key=lambda name: (PLACES[name][0] - x) ** 2 + (PLACES[name][1] - y) ** 2)


def _named(pixel: np.ndarray) -> str:
    """The nearest named colour, its pale tint included."""
    return min(COLOURS, key=lambda name: _distance(pixel, COLOURS[name]))


def _distance(pixel: np.ndarray, colour: RGB) -> float:
    pale = tuple(value + (255 - value) * 0.35 for value in colour)
    tints = (colour, pale) if colour != COLOURS["black"] else (colour,)
    return min(float(np.square(pixel - np.array(tint)).sum()) for tint in tints)


def _main_colour(pixels: np.ndarray) -> str:
    """The name that most of the object's pixels (N, 3) bear."""
    table = np.array(list(COLOURS.values()), np.float32)  # (colours, 3)
    nearest = np.square(pixels[:, None] - table).sum(2).argmin(1)
    return list(COLOURS)[int(np.bincount(nearest, minlength=len(table)).argmax())]


def shows_surroundings(image: Image.Image, wanted: Surroundings) -> tuple[bool, bool]:
    """Whether the top fifth is nearest to the wanted sky, and the bottom to the wanted ground."""
    pixels = np.asarray(image.convert("RGB"), np.float32)
    top = np.median(pixels[: pixels.shape[0] // 5].reshape(-1, 3), axis=0)
    corners = pixels[-pixels.shape[0] // 12 :]
    bottom = np.median(corners.reshape(-1, 3), axis=0)
    skies = {name: SKY[name][0] for name in SKY}
    shade = 0.42 if wanted.time == "night" else 0.12 if wanted.time == "sunset" else 0.0
    grounds = {name: darker(GROUND[name], shade) for name in GROUND}
    return _closest(top, skies) == wanted.time, _closest(bottom, grounds) == wanted.ground


def _closest(pixel: np.ndarray, table: dict[str, RGB]) -> str:
    return min(table, key=lambda name: float(np.square(pixel - np.array(table[name])).sum()))


# --- the score --------------------------------------------------------------------------------


def tally(asked: Sequence[Question], pictures: Sequence[Image.Image]) -> dict[str, float]:
    """Shares (0..1) of pictures with the right colour, place, background, and all three."""
    seen = [read_picture(picture) for picture in pictures]
    right = np.array(
        [
            (s.colour == q.colour, s.place == q.place, s.background == q.background)
            for s, q in zip(seen, asked, strict=True)
        ]
    )
    shares = dict(zip(("colour", "place", "background"), right.mean(0).round(3), strict=True))
    return {key: float(value) for key, value in shares.items()} | {
        "all three": round(float(right.all(1).mean()), 3)
    }


def true_pictures(asked: Sequence[Question]) -> list[Image.Image]:
    """What the drawing program draws for the questions: the ruler's own check."""
    pictures = []
    for question in asked:
        reach = SIZES["medium"]
        x, y = (min(max(c, reach), 1 - reach) for c in PLACES[question.place])
        thing = Thing(question.name, question.colour, "medium", question.place, x, y, reach)
        pictures.append(paint(Scene((thing,), Plain(question.background))))
    return pictures


def drawn(
    checkpoint: Checkpoint, tokenizer: Tokenizer, prompts: Sequence[str], batch: int = 6
) -> list[Image.Image]:
    """Pictures of the prompts, picture ``k`` from seed ``k + 1``."""
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), batch):
        part = tuple(prompts[start : start + batch])
        seeds = tuple(range(start + 1, start + 1 + len(part)))
        pictures += draw_with(checkpoint, tokenizer, Wish(part, seeds))
    return pictures


def measure(checkpoint: Checkpoint, tokenizer: Tokenizer, count: int) -> dict[str, object]:
    """All figures of the checkpoint. Shares in 0..1, seconds of wall time, decibels."""
    asked = questions(count)
    answers = drawn(checkpoint, tokenizer, [question.prompt for question in asked])
    scores: dict[str, object] = {"prompts": count, **tally(asked, answers)}
    scenes = surroundings()
    pictures = drawn(checkpoint, tokenizer, [scene.prompt for scene in scenes])
    hits = np.array([shows_surroundings(p, s) for p, s in zip(pictures, scenes, strict=True)])
    scores["sky"], scores["ground"] = (round(float(share), 3) for share in hits.mean(0))
    scores["autoencoder_db"] = round(vae.psnr(checkpoint.vae, vae.unseen_pictures()), 2)
    started = time.perf_counter()
    drawn(checkpoint, tokenizer, GRID_PROMPTS[:1])
    scores["seconds"] = round(time.perf_counter() - started, 2)
    return scores


def worth(scores: Mapping[str, Any]) -> float:
    """One number (0..1) to choose weights by: the mean of what prompts ask for."""
    asked = ("colour", "place", "background", "all three", "sky", "ground")
    return sum(float(scores.get(key, 0)) for key in asked) / len(asked)


def sheet(pictures: Sequence[Image.Image], prompts: Sequence[str], columns: int = 6) -> Image.Image:
    """The pictures in rows, each prompt below its picture."""
    side, text = 256, 28
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * side, rows * (side + text)), "white")
    pen = ImageDraw.Draw(page)
    for index, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        x, y = index % columns * side, index // columns * (side + text)
        page.paste(picture.resize((side, side)), (x, y))
        pen.text((x + 3, y + side), f"{prompt[:40]}\n{prompt[40:80]}", fill="black", font_size=11)
    return page


def main() -> None:
    """Print the score as a table; ``--grid`` also draws the fixed prompts."""
    parser = argparse.ArgumentParser(description="Measure the default checkpoint.")
    parser.add_argument("--file", type=Path, default=export.FILE)
    parser.add_argument("--prompts", type=int, default=54)
    parser.add_argument("--grid", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(2)
    checkpoint, tokenizer = export.read(args.file), clip_tokenizer()
    scores = measure(checkpoint, tokenizer, args.prompts)
    truth = tally(questions(args.prompts), true_pictures(questions(args.prompts)))
    for key, value in scores.items():
        print(f"{key:16}{value!s:>8}{truth.get(key, '')!s:>10}")
    if args.json:
        args.json.write_text(json.dumps(scores))
    if args.grid:
        pictures = drawn(checkpoint, tokenizer, GRID_PROMPTS, 1)
        sheet(pictures, GRID_PROMPTS).save(args.grid)


if __name__ == "__main__":
    main()
