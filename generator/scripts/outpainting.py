"""Outpainting mk2: the picture grows side by side, from noise that is shaped like it."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from PIL import Image

from generator.pictures.base64_images import write_base64
from generator.pictures.grid import compose_grid
from generator.pictures.matched_noise import make_matched_noise
from generator.request import KEEP_ORIGINAL, Generation, GenerationRequest, Mask
from generator.scripts.init_pictures import (
    composed_facts,
    first_picture,
    start_from,
    without_infotext,
)
from generator.scripts.outpaint_size import SIDE_MULTIPLE, compute_growth, mask_outside
from generator.scripts.script_draw import ScriptDraw, add_sheets, join_generations


@dataclass(frozen=True, slots=True)
class OutpaintSide:
    """One side to grow at."""

    name: str  # left | right | up | down
    pixels: int

    @property
    def is_horizontal(self) -> bool:
        """Whether the picture grows in width."""
        return self.name in ("left", "right")

    @property
    def is_before(self) -> bool:
        """Whether the new part lies before the old one."""
        return self.name in ("left", "up")


@dataclass(frozen=True, slots=True)
class OutpaintStep:
    """One side grown, before it is drawn."""

    canvas: Image.Image  # sides a multiple of 64, noise in the new part
    part: Image.Image  # of it, what is drawn
    place: tuple[int, int]  # of the part in the whole
    cropped_size: tuple[int, int]  # size that the whole is cut to
    request: GenerationRequest


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: ScriptDraw) -> Generation:
    """A picture for each of the request's, all sides grown one after another.

    ``request.width`` and ``height`` bound what is drawn at once. A batch's seeds follow those of
    the batch before it; AUTOMATIC1111 draws the same picture again.
    """
    _, pixels, blur, directions, exponent, variation = arguments
    picture = first_picture(request)
    grown = compute_growth(picture.size, pixels, directions)
    pixels_by_side = zip(("left", "right", "up", "down"), _pixels_by_side(grown), strict=True)
    sides = [OutpaintSide(name, count) for name, count in pixels_by_side if count > 0]
    softness = (
        blur if any(side.is_horizontal for side in sides) else 0,
        blur if any(not side.is_horizontal for side in sides) else 0,
    )
    draw.expect([replace(request, batches=1)] * (len(sides) * request.batches))
    generations: list[Generation] = []
    results: list[Image.Image] = []
    for batch in range(request.batches):
        seeds = replace(request.seeds, seed=request.seeds.seed + batch * request.batch_size)
        images = [picture] * request.batch_size
        for side in sides:
            steps = [
                _make_step(replace(request, seeds=seeds, batches=1), image, side, softness, noise)
                for image, noise in zip(images, [(exponent, variation)] * len(images), strict=True)
            ]
            generations.append(draw(_batch_request(steps)))
            images = [
                _paste(
                    step, generations[-1].pictures[row].image if generations[-1].pictures else None
                )
                for row, step in enumerate(steps)
            ]
            if generations[-1].stopped:
                break
        results += images
        if generations[-1].stopped:
            break
    generation = join_generations(generations)
    if not generation.pictures:
        return generation
    like = generation.pictures[0]
    sheets = [compose_grid(results)] if len(results) > 1 else []
    generation = add_sheets(generation, request, *sheets)
    facts = composed_facts(
        request, generations[-1], generations[0], len(results) + len(generation.grids)
    )
    facts |= {"width": steps[0].part.width, "height": steps[0].part.height}
    pictures = tuple(without_infotext(image, like) for image in results)
    return replace(generation, pictures=pictures, maps=(), asides=(), facts=facts)


def _pixels_by_side(grown: Any) -> tuple[int, int, int, int]:
    return grown.left, grown.right, grown.up, grown.down


def _make_step(
    request: GenerationRequest,
    image: Image.Image,
    side: OutpaintSide,
    softness: tuple[int, int],
    noise: tuple[float, float],
) -> OutpaintStep:
    """``image`` grown at one side, and the request that draws the new part."""
    more = (side.pixels, 0) if side.is_horizontal else (0, side.pixels)
    cropped_size = (image.width + more[0], image.height + more[1])
    size = (
        ceil(cropped_size[0] / SIDE_MULTIPLE) * SIDE_MULTIPLE,
        ceil(cropped_size[1] / SIDE_MULTIPLE) * SIDE_MULTIPLE,
    )
    canvas = Image.new("RGB", size)
    canvas.paste(image, more if side.is_before else (0, 0))
    mask = mask_outside(size, _old_box(side, size, cropped_size, softness))
    shaped = make_matched_noise(np.asarray(canvas) / 255, np.asarray(mask) / 255, *noise)
    canvas = Image.fromarray((shaped * 255).clip(0, 255).astype(np.uint8))
    part = (
        (min(request.width, cropped_size[0]), size[1])
        if side.is_horizontal
        else (size[0], min(request.height, cropped_size[1]))
    )
    place = (0, 0) if side.is_before else (size[0] - part[0], size[1] - part[1])
    box = (*place, place[0] + part[0], place[1] + part[1])
    double = (softness[0] * 2, softness[1] * 2)
    cut = mask.crop(box)
    latent = mask_outside(part, _old_box(side, part, cropped_size, double))
    repaint = Mask(
        write_base64(cut),
        blur_x=softness[0] * 4,
        blur_y=softness[1] * 4,
        fill=KEEP_ORIGINAL,
        only_masked=False,
        latent=write_base64(latent),
    )
    sized = replace(request, width=part[0], height=part[1])
    return OutpaintStep(
        canvas,
        canvas.crop(box),
        place,
        cropped_size,
        start_from(sized, [canvas.crop(box)], mask=repaint),
    )


def _old_box(
    side: OutpaintSide,
    size: tuple[int, int],
    cropped_size: tuple[int, int],
    softness: tuple[int, int],
) -> tuple[int, int, int, int]:
    """The box of what was there before, smaller by ``softness`` towards the new part."""
    soft = side.pixels + softness[0 if side.is_horizontal else 1]
    left, top, right, bottom = 0, 0, *cropped_size
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


def _batch_request(steps: list[OutpaintStep]) -> GenerationRequest:
    """The requests of a batch as one."""
    request = steps[0].request
    return replace(start_from(request, [step.part for step in steps]), batch_size=len(steps))


def _paste(step: OutpaintStep, painted: Image.Image | None) -> Image.Image:
    canvas = step.canvas.copy()
    if painted is not None:
        canvas.paste(painted, step.place)
    return canvas.crop((0, 0, *step.cropped_size))
