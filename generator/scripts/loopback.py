"""Loopback: img2img of img2img, the denoising strength moving along a curve."""

import math
from dataclasses import replace
from typing import Any

from generator.errors import BadRequest
from generator.pictures.grid import compose_grid
from generator.request import KEEP_ORIGINAL, Generation, GenerationRequest, Picture
from generator.scripts.init_pictures import composed_facts, first_picture, origin_of, start_from
from generator.scripts.script_draw import ScriptDraw, add_sheets, join_generations


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: ScriptDraw) -> Generation:
    """Draw the loops, again from the beginning for each batch, with a sheet before them.

    Of several batches only the last picture of each is shown, as in AUTOMATIC1111. A batch has
    one picture. Raises :class:`BadRequest` for a prompt that would have to be interrogated.
    """
    loops, final, curve, append = arguments
    if append != "None":
        raise BadRequest(
            f"Append interrogated prompt at each iteration: there is no {append} here; "
            "leave it at None.",
            "script_args",
        )
    initial = origin_of(request).strength
    notes = {"Final denoising strength": final, "Denoising curve": curve}
    single = replace(request, batch_size=1, batches=1, notes=notes)
    draw.expect([single] * (loops * request.batches))
    generations: list[Generation] = []
    shown_pictures: list[Picture] = []
    for _ in range(request.batches):
        own = _draw_loops(
            single, [loop_strength(initial, final, curve, i, loops) for i in range(loops)], draw
        )
        generations += own
        single = replace(single, seeds=replace(single.seeds, seed=single.seeds.seed + len(own)))
        pictures = [picture for each in own for picture in each.pictures]
        shown_pictures += pictures if request.batches == 1 else pictures[-1:]
        if own[-1].stopped:
            break
    generation = join_generations(generations, pictures=tuple(shown_pictures))
    if not shown_pictures:
        return generation
    sheets = (
        [compose_grid([picture.image for picture in shown_pictures], rows=1)]
        if len(shown_pictures) > 1
        else []
    )
    after = loop_strength(
        initial, final, curve, loops, loops
    )  # AUTOMATIC1111 tells the one to come
    generation = add_sheets(generation, request, *sheets)
    facts = composed_facts(
        request, generations[-1], generations[0], len(shown_pictures) + len(generation.grids)
    )
    return replace(generation, facts={**facts, "denoising_strength": after})


def _draw_loops(
    request: GenerationRequest, strengths: list[float], draw: ScriptDraw
) -> list[Generation]:
    """Each drawing starts from the one before it, with the next seed."""
    colours = origin_of(request).images[0]
    current = start_from(request, [first_picture(request)], colours=colours)
    generations: list[Generation] = []
    for number, denoising in enumerate(strengths):
        seeds = replace(request.seeds, seed=request.seeds.seed + number)
        origin = replace(origin_of(current), strength=denoising)
        generations.append(draw(replace(current, seeds=seeds, origin=origin)))
        if generations[-1].stopped:
            break
        current = start_from(current, [generations[-1].pictures[0].image])
        mask = origin.mask and replace(origin.mask, fill=KEEP_ORIGINAL)
        current = replace(current, origin=replace(origin_of(current), mask=mask))
    return generations


def loop_strength(initial: float, final: float, curve: str, loop: int, loops: int) -> float:
    """The denoising strength of a loop, counted from 0: ``final`` in the last of them."""
    if loops == 1:
        return initial
    progress = loop / (loops - 1)
    if curve == "Aggressive":
        progress = math.sin(progress * math.pi / 2)
    elif curve == "Lazy":
        progress = 1 - math.cos(progress * math.pi / 2)
    return initial + (final - initial) * progress
