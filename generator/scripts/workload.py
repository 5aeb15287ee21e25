"""How much a request with a script asks for, before anything is drawn. No torch, no numpy.

The worker counts again what a script really draws
(:class:`generator.scripts.script_draw.ScriptDraw`).
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType
from typing import Any

from generator.errors import BadRequest
from generator.pictures.base64_images import open_header
from generator.pictures.tile_starts import tile_starts
from generator.request import GenerationRequest
from generator.scripts import prompts_from_file, xyz_plot
from generator.scripts.catalogue import (
    ALTERNATIVE,
    LOOPBACK,
    OUTPAINTING,
    POOR_MANS_OUTPAINTING,
    PROMPT_MATRIX,
    PROMPTS_FROM_FILE,
    SD_UPSCALE,
    XYZ_PLOT,
)
from generator.scripts.loopback import loop_strength
from generator.scripts.outpaint_size import compute_growth
from generator.scripts.prompt_matrix import MOST_PARTS
from generator.scripts.script_draw import check_count
from generator.workload import check_workload, megapixel_steps

Arguments = tuple[Any, ...]
ScriptRequests = Callable[[GenerationRequest, Arguments], Iterator[tuple[GenerationRequest, int]]]
"""The requests that a script draws, and how often each."""


@dataclass(frozen=True, slots=True)
class JobSize:
    """How many pictures a request draws, and the megapixel-steps that they take."""

    pictures: int
    megapixel_steps: float


def measure_job(request: GenerationRequest, most: float, samplers: Sequence[str] = ()) -> JobSize:
    """The size of a request; more megapixel-steps than ``most``, or too many pictures, are refused.

    ``samplers`` are names that plugins bring. A plugin's own script counts once here. Raises
    :class:`BadRequest`.
    """
    script = request.script
    if script is None:
        check_workload(megapixel_steps(request), most)
        return JobSize(request.picture_count, megapixel_steps(request))
    count = REQUESTS_BY_SCRIPT.get(script.title, _plain_requests)
    if script.title == PROMPTS_FROM_FILE:
        parts = _line_requests(request, script.arguments, samplers)
    else:
        parts = count(replace(request, script=None), script.arguments)
    pictures, total_steps = 0, 0.0
    for part, times in parts:
        pictures += times * part.picture_count
        check_count(pictures)  # stops the counting, too
        total_steps += times * megapixel_steps(part)
    check_workload(total_steps, most, f"The script {script.title!r}")
    return JobSize(pictures, total_steps)


def _plain_requests(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    yield request, 1


def _one_picture(request: GenerationRequest) -> GenerationRequest:
    return replace(request, batch_size=1, batches=1)


def _matrix_requests(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    text = request.prompt if arguments[2] == "positive" else request.negative_prompt
    yield _one_picture(request), 1 << min(text.count("|"), MOST_PARTS)


def _line_requests(
    request: GenerationRequest, arguments: Arguments, samplers: Sequence[str]
) -> Iterator[tuple[Any, int]]:
    position, text = arguments[2:4]
    for line in text.splitlines():
        if line.strip():
            yield prompts_from_file.request_of(request, line.strip(), position, samplers), 1


def _plot_requests(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    plan = xyz_plot.read_plan(request, arguments)
    check_count(prod(len(side.values) for side in plan.sides))
    for place in plan.places:
        yield xyz_plot.cell_request(request, plan, place), 1


def _loopback_requests(
    request: GenerationRequest, arguments: Arguments
) -> Iterator[tuple[Any, int]]:
    loops, final, curve, _ = arguments
    origin = request.origin
    for loop in range(loops if origin else 0):
        assert origin is not None
        denoising = loop_strength(origin.strength, final, curve, loop, loops)
        alone = replace(_one_picture(request), origin=replace(origin, strength=denoising))
        yield alone, request.batches


def _outpainting_requests(
    request: GenerationRequest, arguments: Arguments
) -> Iterator[tuple[Any, int]]:
    _, pixels, _, directions, *_ = arguments
    grown = compute_growth(_picture_size(request), pixels, directions)
    width, height = grown.size
    beside = replace(request, width=min(request.width, width), height=height, batches=1)
    above = replace(request, width=width, height=min(request.height, height), batches=1)
    yield beside, request.batches * ((grown.left > 0) + (grown.right > 0))
    yield above, request.batches * ((grown.up > 0) + (grown.down > 0))


def _poor_mans_requests(
    request: GenerationRequest, arguments: Arguments
) -> Iterator[tuple[Any, int]]:
    pixels, _, _, directions = arguments
    grown = compute_growth(_picture_size(request), pixels, directions)
    if pixels >= min(request.width, request.height):
        return  # the script says what is wrong
    yield _one_picture(request), _count_tiles(grown.size, request, pixels)


def _upscale_requests(
    request: GenerationRequest, arguments: Arguments
) -> Iterator[tuple[Any, int]]:
    _, overlap, upscaler, scale = arguments
    if overlap >= min(request.width, request.height):
        return  # as above
    factor = 1.0 if upscaler in ("None", 0) else scale
    width, height = (int(side * factor) for side in _picture_size(request))
    yield _one_picture(request), request.batches * _count_tiles((width, height), request, overlap)


def _alternative_requests(
    request: GenerationRequest, arguments: Arguments
) -> Iterator[tuple[Any, int]]:
    same_steps, steps, whole_strength = arguments[5:8]
    origin = request.origin
    if origin is None:
        return
    own = steps if same_steps else request.sampling.steps
    changed = replace(
        request,
        sampling=replace(request.sampling, steps=own),
        origin=replace(origin, strength=1.0 if whole_strength else origin.strength),
    )
    yield changed, 1
    way_back = replace(request.sampling, steps=steps)
    yield replace(request, sampling=way_back, origin=None, batch_size=1, batches=1), 1


def _count_tiles(size: tuple[int, int], request: GenerationRequest, overlap: int) -> int:
    across = tile_starts(size[0], request.width, overlap)
    return len(across) * len(tile_starts(size[1], request.height, overlap))


def _picture_size(request: GenerationRequest) -> tuple[int, int]:
    if request.origin is None or not request.origin.images:
        raise BadRequest(
            "This script starts from a picture; none came.", "init_images", "no_picture"
        )
    return open_header(base64.b64decode(request.origin.images[0])).size


REQUESTS_BY_SCRIPT: Mapping[str, ScriptRequests] = MappingProxyType(
    {
        PROMPT_MATRIX: _matrix_requests,
        XYZ_PLOT: _plot_requests,
        LOOPBACK: _loopback_requests,
        OUTPAINTING: _outpainting_requests,
        POOR_MANS_OUTPAINTING: _poor_mans_requests,
        SD_UPSCALE: _upscale_requests,
        ALTERNATIVE: _alternative_requests,
    }
)
