"""How much a request asks a network to draw, in megapixel-steps. No torch.

One megapixel-step is a picture of a million pixels that goes through the network once: pictures x
width x height x steps / 1,000,000, all passes together. Samplers that look twice a step count once.
"""

from generator.errors import BadRequest
from generator.hires.hires_size import second_pass_size
from generator.request import ControlUnit, ExtrasRequest, GenerationRequest

MEGA = 1e6
NO_LIMIT = float("inf")


def megapixel_steps(request: GenerationRequest) -> float:
    """What one request comes to without its script."""
    pixels, count = request.width * request.height, request.picture_count
    total = float(count * pixels * sampled_steps(request))
    if request.hires is not None:
        larger = second_pass_size(request.hires, request.width, request.height)
        steps = request.hires.steps or request.sampling.steps
        total += count * larger.width * larger.height * steps
    if request.origin is not None and request.origin.inversion is not None:
        total += count * pixels * request.origin.inversion.steps
    return total / MEGA + sum(map(map_megapixels, request.controls))


def sampled_steps(request: GenerationRequest) -> int:
    """The steps of the first pass; img2img does the share that its strength names."""
    steps, origin = request.sampling.steps, request.origin
    if origin is None or request.options.img2img_fix_steps:
        return steps
    return max(int(min(origin.strength, 0.999) * steps), 1)


def map_megapixels(unit: ControlUnit) -> float:
    """A ControlNet preprocessor's picture, taken as a square of its short side."""
    return float(unit.processor_res) ** 2 / MEGA if unit.module != "none" else 0.0


def enlarged_megapixels(request: ExtrasRequest, sizes: list[tuple[int, int]]) -> float:
    """What enlarging pictures of these ``sizes`` makes, once for each upscaler that is asked."""
    passes = 1 + (request.second_upscaler != "None" and request.second_visibility > 0)
    return passes * sum(_upscaled_pixels(request, *size) for size in sizes) / MEGA


def _upscaled_pixels(request: ExtrasRequest, width: int, height: int) -> float:
    factor = request.factor
    if request.size is not None:  # it is covered, and what stands over cut off afterwards
        factor = max(request.size[0] / width, request.size[1] / height)
    return width * height * factor**2


def check_workload(amount: float, most: float, what: str = "This request") -> None:
    """Refuse what is too much work for one job. Raises :class:`BadRequest`."""
    if amount > most:
        raise BadRequest(
            f"{what} asks for {amount:,.0f} megapixel-steps (pictures x width x height x steps / "
            f"1,000,000, all passes and cells together); at most {most:,.0f} a job "
            "(--max-job-megapixel-steps). Ask for fewer or smaller pictures, or fewer steps.",
            code="too_much_work",
            amount=round(amount),
            most=most,
        )
