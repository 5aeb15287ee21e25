"""SD upscale: the picture is enlarged, and img2img goes over it tile by tile."""

from dataclasses import replace
from typing import Any

from generator.errors import BadRequest
from generator.pictures.mosaic import Mosaic
from generator.request import Generation, GenerationRequest, Picture
from generator.scripts.init_pictures import (
    composed_facts,
    first_picture,
    start_from,
    without_infotext,
)
from generator.scripts.script_draw import ScriptDraw, check_count, join_generations

LONGEST_SIDE = 8192


def check_overlap(request: GenerationRequest, overlap: int) -> None:
    """Refuse an overlap that is as wide as the tiles. Raises :class:`BadRequest`."""
    if overlap >= min(request.width, request.height):
        raise BadRequest(
            f"Tile overlap: {overlap} must be less than width and height, which are the tiles'.",
            "script_args",
            "out_of_range",
            value=overlap,
            least=0,
            most=min(request.width, request.height) - 1,
            label="Tile overlap",
        )


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: ScriptDraw) -> Generation:
    """One large picture a batch; width, height and batch size of the request are the tiles'.

    With the upscaler "None" the picture keeps its size, as in AUTOMATIC1111.
    """
    _, overlap, upscaler, scale = arguments
    check_overlap(request, overlap)
    picture = first_picture(request)
    if max(picture.size) * scale > LONGEST_SIDE:
        raise BadRequest(
            f"Scale Factor: {picture.width} x {picture.height} times {scale} has a side of more "
            f"than {LONGEST_SIDE} pixels.",
            "script_args",
            "too_many_pixels",
            most=LONGEST_SIDE,
        )
    assert draw.enlarge is not None
    factor = 1.0 if upscaler in ("None", 0) else scale
    size = (int(picture.width * factor), int(picture.height * factor))
    tiles_wanted = Mosaic(size, (request.width, request.height), overlap).count
    check_count(tiles_wanted * request.batches)
    large, name = draw.enlarge(picture, upscaler, scale)
    mosaic = Mosaic(large.size, (request.width, request.height), overlap)
    tiles = [large.crop(box) for box in mosaic.boxes()]
    notes = {"SD upscale overlap": overlap, "SD upscale upscaler": name}
    jobs = [
        replace(
            start_from(request, tiles[start : start + request.batch_size]),
            batch_size=len(tiles[start : start + request.batch_size]),
            batches=1,
            notes=notes,
        )
        for start in range(0, len(tiles), request.batch_size)
    ]
    draw.expect(jobs * request.batches)
    generations: list[Generation] = []
    results: list[Picture] = []
    for batch in range(request.batches):
        own = _draw_batch(request, jobs, batch, draw)
        generations += own
        painted = [picture.image for each in own for picture in each.pictures]
        if painted:
            joined_picture = mosaic.join([*painted, *tiles[len(painted) :]])
            results.append(without_infotext(joined_picture, own[0].pictures[0]))
        if own[-1].stopped:
            break
    generation = join_generations(generations, pictures=tuple(results))
    if not results:
        return generation
    return replace(
        generation, facts=composed_facts(request, generations[-1], generations[0], len(results))
    )


def _draw_batch(
    request: GenerationRequest, jobs: list[GenerationRequest], batch: int, draw: ScriptDraw
) -> list[Generation]:
    """The tiles of one picture, up to an interrupt."""
    generations: list[Generation] = []
    for number, job in enumerate(jobs):
        seeds = replace(request.seeds, seed=request.seeds.seed + batch + number)
        generations.append(draw(replace(job, seeds=seeds)))
        if generations[-1].stopped:
            break
    return generations
