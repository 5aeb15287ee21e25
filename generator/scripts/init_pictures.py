"""Pictures that img2img's scripts start from, and what they tell of what came of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from generator.errors import BadRequest
from generator.pictures.base64_images import flatten_onto, read_base64, write_base64
from generator.request import Generation, GenerationRequest, Origin, Picture

if TYPE_CHECKING:
    from PIL.Image import Image


def origin_of(request: GenerationRequest) -> Origin:
    """Where ``request`` starts. Raises :class:`BadRequest` for txt2img."""
    if request.origin is None:
        raise BadRequest("The script needs a picture to start from.", "init_images")
    return request.origin


def first_picture(request: GenerationRequest) -> "Image":
    """The picture given, RGB; of several the first."""
    text = origin_of(request).images[0]
    return flatten_onto(read_base64(text), request.options.img2img_background_color)


def start_from(
    request: GenerationRequest, pictures: "Sequence[Image]", **changes: object
) -> GenerationRequest:
    """``request`` with other pictures to start from, and other fields of its origin."""
    origin = replace(
        origin_of(request),
        images=tuple(write_base64(picture) for picture in pictures),
        **changes,  # type: ignore[arg-type]
    )
    return replace(request, origin=origin)


def composed_facts(
    request: GenerationRequest, last: Generation, first: Generation, count: int
) -> dict[str, object]:
    """The ``info`` facts of pictures that a script composed from several drawings.

    AUTOMATIC1111 reports the first seed, everything else as of the last drawing, and gives each of
    the ``count`` pictures the infotext of the first one drawn.
    """
    text = first.pictures[0].infotext if first.pictures else ""
    pictures = last.pictures or first.pictures
    return {
        **first.facts,
        "seed": request.seeds.seed,
        "all_seeds": [picture.seed for picture in pictures],
        "subseed": -1,
        "all_subseeds": [picture.variation_seed for picture in pictures],
        "all_prompts": [picture.prompt for picture in pictures],
        "all_negative_prompts": [picture.negative_prompt for picture in pictures],
        "index_of_first_image": 0,
        "infotexts": [text] * count,
    }


def without_infotext(image: "Image", like: Picture) -> Picture:
    """A composed picture: the fields of ``like``, without an infotext."""
    return replace(like, image=image, infotext="")
