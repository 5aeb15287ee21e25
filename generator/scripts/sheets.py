"""What scripts share that show their drawings on one sheet."""

from collections.abc import Sequence

from generator.errors import BadRequest
from generator.hires.hires_size import second_pass_size
from generator.request import Generation, GenerationRequest

MOST_PIXELS = 200_000_000  # of a sheet: AUTOMATIC1111's img_max_size_mp


def check_sheet_size(requests: Sequence[GenerationRequest]) -> None:
    """Refuse a sheet that nobody could open, before anything is drawn.

    Raises :class:`BadRequest`.
    """
    sizes = [picture_size(request) for request in requests]
    width, height = max(size[0] for size in sizes), max(size[1] for size in sizes)
    pictures = sum(request.picture_count for request in requests)
    if width * height * pictures > MOST_PIXELS:
        raise BadRequest(
            f"A sheet of {pictures} pictures of {width} x {height} pixels is more than "
            f"{MOST_PIXELS} pixels; ask for fewer or smaller ones.",
            "script_args",
            "too_many_pixels",
            width=width,
            height=height,
            most=MOST_PIXELS,
        )


def picture_size(request: GenerationRequest) -> tuple[int, int]:
    """The pixels of a finished picture; a little more where hires fix cuts."""
    if request.hires is None:
        return request.width, request.height
    to = second_pass_size(request.hires, request.width, request.height)
    return to.width, to.height


def facts_of_singles(
    requests: Sequence[GenerationRequest], generation: Generation
) -> dict[str, object]:
    """What ``info`` tells of a sheet and of its pictures, one a request."""
    texts = [picture.infotext for picture in generation.pictures]
    return {
        "prompt": requests[0].prompt,
        "all_prompts": [wanted.prompt for wanted in requests],
        "negative_prompt": requests[0].negative_prompt,
        "all_negative_prompts": [wanted.negative_prompt for wanted in requests],
        "all_seeds": [wanted.seeds.seed for wanted in requests],
        "all_subseeds": [wanted.seeds.variation_seed for wanted in requests],
        "index_of_first_image": len(generation.pictures) and 1,
        "infotexts": texts[:1] + texts,
    }
