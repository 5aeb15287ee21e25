"""Outpainting mk2: the picture grows side by side, from noise that is shaped like it."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from PIL import Image

from generator.pictures.grid import grid
from generator.pictures.matched_noise import matched_noise
from generator.pictures.reading import write_base64
from generator.request import Generation, GenerationRequest, Mask
from generator.scripts.drawing import Draw, joined, with_sheets
from generator.scripts.expanding import ROUND, growth, white_outside
from generator.scripts.origins import by_hand, first_picture, starting_from, untold

ORIGINAL = 1  # masked content


@dataclass(frozen=True, slots=True)
class Side:
    """One side to grow at."""

    name: str  # left | right | up | down
    pixels: int

    @property
    def level(self) -> bool:
        """Whether the picture grows in width."""
        return self.name in ("left", "right")

    @property
    def first(self) -> bool:
        """Whether the new part lies before the old one."""
        return self.name in ("left", "up")


@dataclass(frozen=True, slots=True)
class Step:
    """One side grown, before it is drawn."""

    whole: Image.Image  # sides a multiple of 64, noise in the new part
    part: Image.Image  # of it, what is drawn
    place: tuple[int, int]  # of the part in the whole
    kept: tuple[int, int]  # size that the whole is cut to
    request: GenerationRequest


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: Draw) -> Generation:
    """A picture for each of the request's, all sides grown one after another.

    ``request.width`` and ``height`` bound what is drawn at once. A batch's seeds follow those of
    the batch before it; AUTOMATIC1111 draws the same picture again.
    """
    _, pixels, blur, directions, exponent, variation = arguments
    picture = first_picture(request)
    grown = growth(picture.size, pixels, directions)
    asked = zip(("left", "right", "up", "down"), _pixels(grown), strict=True)
    sides = [Side(name, count) for name, count in asked if count > 0]
    softness = (
        blur if any(side.level for side in sides) else 0,
        blur if any(not side.level for side in sides) else 0,
    )
    draw.expect([replace(request, batches=1)] * (len(sides) * request.batches))
    drawn: list[Generation] = []
    results: list[Image.Image] = []
    for batch in range(request.batches):
        seeds = replace(request.seeds, seed=request.seeds.seed + batch * request.batch_size)
        images = [picture] * request.batch_size
        for side in sides:
            steps = [
                _step(replace(request, seeds=seeds, batches=1), image, side, softness, noise)
                for image, noise in zip(images, [(exponent, variation)] * len(images), strict=True)
            ]
            drawn.append(draw(_together(steps)))
            images = [
                _pasted(step, drawn[-1].pictures[row].image if drawn[-1].pictures else None)
                for row, step in enumerate(steps)
            ]
            if drawn[-1].stopped:
                break
        results += images
        if drawn[-1].stopped:
            break
    whole = joined(drawn)
    if not whole.pictures:
        return whole
    like = whole.pictures[0]
    sheets = [grid(results)] if len(results) > 1 else []
    whole = with_sheets(whole, request, *sheets)
    facts = by_hand(request, drawn[-1], drawn[0], len(results) + len(whole.grids))
    facts |= {"width": steps[0].part.width, "height": steps[0].part.height}
    pictures = tuple(untold(image, like) for image in results)
    return replace(whole, pictures=pictures, maps=(), asides=(), facts=facts)


def _pixels(grown: Any) -> tuple[int, int, int, int]:
    return grown.left, grown.right, grown.up, grown.down


def _step(
    request: GenerationRequest,
    image: Image.Image,
    side: Side,
    softness: tuple[int, int],
    noise: tuple[float, float],
) -> Step:
    """``image`` grown at one side, and the request that draws the new part."""
    more = (side.pixels, 0) if side.level else (0, side.pixels)
    kept = (image.width + more[0], image.height + more[1])
    size = (ceil(kept[0] / ROUND) * ROUND, ceil(kept[1] / ROUND) * ROUND)
    whole = Image.new("RGB", size)
    whole.paste(image, more if side.first else (0, 0))
    mask = white_outside(size, _old(side, size, kept, softness))
    shaped = matched_noise(np.asarray(whole) / 255, np.asarray(mask) / 255, *noise)
    whole = Image.fromarray((shaped * 255).clip(0, 255).astype(np.uint8))
    part = (
        (min(request.width, kept[0]), size[1])
        if side.level
        else (size[0], min(request.height, kept[1]))
    )
    place = (0, 0) if side.first else (size[0] - part[0], size[1] - part[1])
    box = (*place, place[0] + part[0], place[1] + part[1])
    double = (softness[0] * 2, softness[1] * 2)
    cut = mask.crop(box)
    latent = white_outside(part, _old(side, part, kept, double))
    repaint = Mask(
        write_base64(cut),
        blur_x=softness[0] * 4,
        blur_y=softness[1] * 4,
        fill=ORIGINAL,
        only_masked=False,
        latent=write_base64(latent),
    )
    sized = replace(request, width=part[0], height=part[1])
    return Step(
        whole, whole.crop(box), place, kept, starting_from(sized, [whole.crop(box)], mask=repaint)
    )


def _old(
    side: Side, size: tuple[int, int], kept: tuple[int, int], softness: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The box of what was there before, smaller by ``softness`` towards the new part."""
    soft = side.pixels + softness[0 if side.level else 1]
    left, top, right, bottom = 0, 0, *kept
    match side.name:
        case "left":
            left = soft
        case "right":
            right = size[0] - soft
        case "up":
            top = soft
        case _:
            bottom = size[1] - soft
    return left, top, right, bottom


def _together(steps: list[Step]) -> GenerationRequest:
    """The requests of a batch as one."""
    request = steps[0].request
    return replace(starting_from(request, [step.part for step in steps]), batch_size=len(steps))


def _pasted(step: Step, painted: Image.Image | None) -> Image.Image:
    whole = step.whole.copy()
    if painted is not None:
        whole.paste(painted, step.place)
    return whole.crop((0, 0, *step.kept))
