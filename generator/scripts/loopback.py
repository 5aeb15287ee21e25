"""Loopback: img2img of img2img, the denoising strength moving along a curve."""

import math
from dataclasses import replace
from typing import Any

from generator.errors import BadRequest
from generator.pictures.grid import grid
from generator.request import Generation, GenerationRequest, Picture
from generator.scripts.drawing import Draw, joined, with_sheets
from generator.scripts.origins import by_hand, first_picture, origin_of, starting_from

ORIGINAL = 1  # masked content


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: Draw) -> Generation:
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
    drawn: list[Generation] = []
    shown: list[Picture] = []
    for _ in range(request.batches):
        own = _loop(single, [strength(initial, final, curve, i, loops) for i in range(loops)], draw)
        drawn += own
        single = replace(single, seeds=replace(single.seeds, seed=single.seeds.seed + len(own)))
        pictures = [picture for each in own for picture in each.pictures]
        shown += pictures if request.batches == 1 else pictures[-1:]
        if own[-1].stopped:
            break
    whole = joined(drawn, pictures=tuple(shown))
    if not shown:
        return whole
    sheets = [grid([picture.image for picture in shown], rows=1)] if len(shown) > 1 else []
    after = strength(initial, final, curve, loops, loops)  # AUTOMATIC1111 tells the one to come
    whole = with_sheets(whole, request, *sheets)
    facts = by_hand(request, drawn[-1], drawn[0], len(shown) + len(whole.grids))
    return replace(whole, facts={**facts, "denoising_strength": after})


def _loop(request: GenerationRequest, strengths: list[float], draw: Draw) -> list[Generation]:
    """Each drawing starts from the one before it, with the next seed."""
    colours = origin_of(request).images[0]
    current = starting_from(request, [first_picture(request)], colours=colours)
    drawn: list[Generation] = []
    for number, denoising in enumerate(strengths):
        seeds = replace(request.seeds, seed=request.seeds.seed + number)
        origin = replace(origin_of(current), strength=denoising)
        drawn.append(draw(replace(current, seeds=seeds, origin=origin)))
        if drawn[-1].stopped:
            break
        current = starting_from(current, [drawn[-1].pictures[0].image])
        mask = origin.mask and replace(origin.mask, fill=ORIGINAL)
        current = replace(current, origin=replace(origin_of(current), mask=mask))
    return drawn


def strength(initial: float, final: float, curve: str, loop: int, loops: int) -> float:
    """The denoising strength of a loop, counted from 0: ``final`` in the last of them."""
    if loops == 1:
        return initial
    progress = loop / (loops - 1)
    if curve == "Aggressive":
        progress = math.sin(progress * math.pi / 2)
    elif curve == "Lazy":
        progress = 1 - math.cos(progress * math.pi / 2)
    return initial + (final - initial) * progress
