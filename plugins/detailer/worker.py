"""The detailer in the worker: each detected box becomes an inpainting request inside the job."""

import base64
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageDraw
from pydantic import ValidationError

from generator.errors import BadRequest
from generator.hooks import Redraw
from generator.pictures.picture_files import encode_picture
from generator.request import BY_OPTIONS, GenerationRequest, Mask, Origin
from plugins import hook
from plugins.api import Box, Home
from plugins.detailer.detailer_options import FACE, NAME, DetailerOptions
from plugins.detailer.faces import find_faces


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
        options = options_of(request)
        if not options.enabled:
            return None
        notes = {"Detailer": options.label, "Detailer denoising strength": options.strength}
        if options.prompt:
            notes["Detailer prompt"] = options.prompt
        if options.restore_faces:
            notes["Detailer face restoration"] = True
        return replace(request, notes={**request.notes, **notes})

    @hook
    def after_decode(
        self, image: Image.Image, number: int, request: GenerationRequest, draw: Redraw
    ) -> Image.Image | None:
        """Paint every find again, one after the other; say so where there is none."""
        options = options_of(request)
        if not options.enabled:
            return None
        answers = self.home.ask("find_boxes", image=image, label=options.label)
        all_boxes = [box for _, boxes in answers for box in boxes]
        boxes = [box for box in all_boxes if box.score >= options.least_score]
        if not boxes:
            draw.remark(
                explain_nothing_found(options, number, detectors=len(answers), finds=len(all_boxes))
            )
        largest = sorted(boxes, key=lambda box: box.width * box.height, reverse=True)
        for box in largest[: options.most]:
            generation = draw(inpaint_request(request, image, box, options, number))
            if not generation.pictures:
                break
            image = generation.pictures[0].image
        return image


def explain_nothing_found(
    options: DetailerOptions, number: int, *, detectors: int, finds: int
) -> str:
    """Why a picture was left as it is: how many detectors knew the label, what they saw."""
    if not detectors:
        return f"Detailer: no plugin that is on finds {options.label!r}."
    where = f"in picture {number + 1}"
    if not finds:
        return f"Detailer: no {options.label!r} was found {where}."
    least = f"with a certainty of {options.least_score:g} or more"
    return f"Detailer: {finds} x {options.label!r} {where}, none {least}."


def options_of(request: GenerationRequest) -> DetailerOptions:
    """What the request asks of the detailer. Raises ``BadRequest`` naming the field."""
    try:
        return DetailerOptions.model_validate(request.panels.get(NAME, {}))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadRequest(f"{place}: {first['msg']}", f"alwayson_scripts.{NAME}") from error


def inpaint_request(
    request: GenerationRequest, image: Image.Image, box: Box, options: DetailerOptions, number: int
) -> GenerationRequest:
    """The inpainting of one find: its surroundings enlarged to the picture's size."""
    mask = Mask(
        to_base64(mask_of(image, box, options.grow)),
        blur_x=options.blur,
        blur_y=options.blur,
        fill=1,
        only_masked=True,
        padding=options.padding,
    )
    return replace(
        request,
        prompt=options.prompt or request.prompt,
        negative_prompt=options.negative_prompt or request.negative_prompt,
        origin=Origin((to_base64(image),), strength=options.strength, mask=mask),
        seeds=replace(request.seeds, seed=request.seeds.seed + number),
        width=image.width // 8 * 8,
        height=image.height // 8 * 8,
        batch_size=1,
        batches=1,
        face_restorer=(request.face_restorer or BY_OPTIONS) if options.restore_faces else "",
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


def to_base64(image: Image.Image) -> str:
    """A picture as PNG in base64."""
    return base64.b64encode(encode_picture(image)).decode("ascii")
