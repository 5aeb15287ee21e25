"""Poor man's outpainting: the larger picture is inpainted tile by tile."""

from dataclasses import replace
from typing import Any

from PIL import Image

from generator.errors import BadRequest
from generator.pictures.mosaic import Mosaic
from generator.pictures.reading import write_base64
from generator.request import Generation, GenerationRequest, Mask
from generator.scripts.catalogue import CONTENTS
from generator.scripts.drawing import Draw, check_count, joined
from generator.scripts.expanding import growth, white_outside
from generator.scripts.origins import by_hand, first_picture, starting_from, untold


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: Draw) -> Generation:
    """One picture, whatever the batch; width and height of the request are those of the tiles."""
    pixels, blur, content, directions = arguments
    picture = first_picture(request)
    grown = growth(picture.size, pixels, directions)
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
    mask = white_outside(grown.size, grown.frame((blur * 2, blur * 2)))
    latent = white_outside(grown.size, grown.frame((blur // 2, blur // 2)))
    mosaic = Mosaic(grown.size, (request.width, request.height), pixels)
    tiles = [sheet.crop(box) for box in mosaic.boxes()]
    inner = grown.frame((0, 0))
    fill = CONTENTS.index(content)
    work = {
        place: _tile(request, tiles[place], mask.crop(box), latent.crop(box), blur * 2, fill)
        for place, box in enumerate(mosaic.boxes())
        if not _within(box, inner)
    }
    draw.expect(list(work.values()))
    drawn: list[Generation] = []
    for number, (place, each) in enumerate(work.items()):
        seeds = replace(request.seeds, seed=request.seeds.seed + number)
        drawn.append(draw(replace(each, seeds=seeds)))
        if drawn[-1].pictures:
            tiles[place] = drawn[-1].pictures[0].image
        if drawn[-1].stopped:
            break
    whole = joined(drawn)
    if not whole.pictures:
        return whole
    result = untold(mosaic.joined(tiles), whole.pictures[0])
    facts = by_hand(request, drawn[-1], drawn[0], 1)
    return joined(drawn, pictures=(result,), facts=facts)


def _tile(
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
    return replace(starting_from(request, [tile], mask=repaint), batch_size=1, batches=1)


def _within(box: tuple[int, int, int, int], inner: tuple[int, int, int, int]) -> bool:
    """Whether a tile shows nothing but the old picture."""
    return box[0] >= inner[0] and box[1] >= inner[1] and box[2] <= inner[2] and box[3] <= inner[3]
