"""The detailer in the worker: each detected box becomes an inpainting request inside the job."""

import base64
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageDraw
from pydantic import ValidationError

from generator.errors import BadRequest
from generator.hooks import Redraw
from generator.pictures.saving import encode
from generator.request import GenerationRequest, Mask, Origin
from plugins import hook
from plugins.detailer.faces import find_faces
from plugins.detailer.wishes import FACE, NAME, Wish
from plugins.nouns import Box, Home


class Plugin:
    """Runs every plugin's detectors and inpaints the boxes that they find."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @hook
    def find_boxes(self, image: Image.Image, label: str) -> Sequence[Box] | None:
        """Faces."""
        return find_faces(image, self.home.models) if label == FACE else None

    @hook
    def before_generate(self, request: GenerationRequest) -> GenerationRequest | None:
        """Says in the infotext what will be done. Raises ``BadRequest`` for fields that misfit."""
        wish = wish_of(request)
        if not wish.enabled:
            return None
        told = {"Detailer": wish.label, "Detailer denoising strength": wish.strength}
        if wish.prompt:
            told["Detailer prompt"] = wish.prompt
        return replace(request, notes={**request.notes, **told})

    @hook
    def after_decode(
        self, image: Image.Image, number: int, request: GenerationRequest, draw: Redraw
    ) -> Image.Image | None:
        """Paint every find again, one after the other; say so where there is none."""
        wish = wish_of(request)
        if not wish.enabled:
            return None
        answers = self.home.ask("find_boxes", image=image, label=wish.label)
        found = [box for _, boxes in answers for box in boxes]
        boxes = [box for box in found if box.score >= wish.least_score]
        if not boxes:
            draw.remark(nothing_found(wish, number, asked=len(answers), found=len(found)))
        largest = sorted(boxes, key=lambda box: box.width * box.height, reverse=True)
        for box in largest[: wish.most]:
            generation = draw(repainting(request, image, box, wish, number))
            if not generation.pictures:
                break
            image = generation.pictures[0].image
        return image


def nothing_found(wish: Wish, number: int, *, asked: int, found: int) -> str:
    """Why a picture was left as it is: how many detectors knew the label, what they saw."""
    if not asked:
        return f"Detailer: no plugin that is on finds {wish.label!r}."
    where = f"in picture {number + 1}"
    if not found:
        return f"Detailer: no {wish.label!r} was found {where}."
    least = f"with a certainty of {wish.least_score:g} or more"
    return f"Detailer: {found} x {wish.label!r} {where}, none {least}."


def wish_of(request: GenerationRequest) -> Wish:
    """What the request asks of the detailer. Raises ``BadRequest`` naming the field."""
    try:
        return Wish.model_validate(request.panels.get(NAME, {}))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadRequest(f"{place}: {first['msg']}", f"alwayson_scripts.{NAME}") from error


def repainting(
    request: GenerationRequest, image: Image.Image, box: Box, wish: Wish, number: int
) -> GenerationRequest:
    """The inpainting of one find: its surroundings enlarged to the picture's size."""
    mask = Mask(
        in_base64(mask_of(image, box, wish.grow)),
        blur_x=wish.blur,
        blur_y=wish.blur,
        fill=1,
        only_masked=True,
        padding=wish.padding,
    )
    return replace(
        request,
        prompt=wish.prompt or request.prompt,
        negative_prompt=wish.negative_prompt or request.negative_prompt,
        origin=Origin((in_base64(image),), strength=wish.strength, mask=mask),
        seeds=replace(request.seeds, seed=request.seeds.seed + number),
        width=image.width // 8 * 8,
        height=image.height // 8 * 8,
        batch_size=1,
        batches=1,
        hires=None,
        script=None,
        controls=(),
        panels={},
    )


def mask_of(image: Image.Image, box: Box, grow: int) -> Image.Image:
    """White over the find."""
    mask = Image.new("L", image.size)
    corners = (box.x - grow, box.y - grow, box.x + box.width + grow, box.y + box.height + grow)
    ImageDraw.Draw(mask).rectangle(corners, fill=255)
    return mask


def in_base64(image: Image.Image) -> str:
    """A picture as PNG in base64."""
    return base64.b64encode(encode(image)).decode("ascii")
