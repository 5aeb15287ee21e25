"""Poor man's outpainting: the larger picture is inpainted tile by tile."""

from dataclasses import replace
from typing import Any

from PIL import Image

from generator.errors import BadRequest
from generator.pictures.base64_images import write_base64
from generator.pictures.mosaic import Mosaic
from generator.request import Generation, GenerationRequest, Mask
from generator.scripts.catalogue import CONTENTS
from generator.scripts.init_pictures import (
    composed_facts,
    first_picture,
    start_from,
    without_infotext,
)
from generator.scripts.outpaint_size import compute_growth, mask_outside
from generator.scripts.script_draw import ScriptDraw, check_count, join_generations


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: ScriptDraw) -> Generation:
    """One picture, whatever the batch; width and height of the request are those of the tiles."""
    pixels, blur, content, directions = arguments
    picture = first_picture(request)
    grown = compute_growth(picture.size, pixels, directions)
    if pixels >= min(request.width, request.height):
        raise BadRequest(
            f"Pixels to expand: {pixels} must be less than width and height, for the tiles "
            "overlap by as much.",
            "script_args",
        )
    tile = (request.width, request.height)
    new, old = (Mosaic(size, tile, pixels).count for size in (grown.size, picture.size))
    check_count(new - old)
    sheet = Image.new("RGB", grown.size)
    sheet.paste(picture, (grown.left, grown.up))
    mask = mask_outside(grown.size, grown.old_box((blur * 2, blur * 2)))
    latent = mask_outside(grown.size, grown.old_box((blur // 2, blur // 2)))
    mosaic = Mosaic(grown.size, (request.width, request.height), pixels)
    tiles = [sheet.crop(box) for box in mosaic.boxes()]
    inner = grown.old_box((0, 0))
    fill = CONTENTS.index(content)
    work = {
        place: _tile_request(
            request, tiles[place], mask.crop(box), latent.crop(box), blur * 2, fill
        )
        for place, box in enumerate(mosaic.boxes())
        if not _is_inside(box, inner)
    }
    draw.expect(list(work.values()))
    generations: list[Generation] = []
    for number, (place, each) in enumerate(work.items()):
        seeds = replace(request.seeds, seed=request.seeds.seed + number)
        generations.append(draw(replace(each, seeds=seeds)))
        if generations[-1].pictures:
            tiles[place] = generations[-1].pictures[0].image
        if generations[-1].stopped:
            break
    generation = join_generations(generations)
    if not generation.pictures:
        return generation
    result = without_infotext(mosaic.join(tiles), generation.pictures[0])
    facts = composed_facts(request, generations[-1], generations[0], 1)
    return join_generations(generations, pictures=(result,), facts=facts)


def _tile_request(
    request: GenerationRequest,
    tile: Image.Image,
    mask: Image.Image,
    latent: Image.Image,
    blur: int,
    fill: int,
) -> GenerationRequest:
    repaint = Mask(
        write_base64(mask),
        blur_x=blur,
        blur_y=blur,
        fill=fill,
        only_masked=False,
        latent=write_base64(latent),
    )
    return replace(start_from(request, [tile], mask=repaint), batch_size=1, batches=1)


def _is_inside(box: tuple[int, int, int, int], inner: tuple[int, int, int, int]) -> bool:
    """Whether a tile shows nothing but the old picture."""
    return box[0] >= inner[0] and box[1] >= inner[1] and box[2] <= inner[2] and box[3] <= inner[3]
