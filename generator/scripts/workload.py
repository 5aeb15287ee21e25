"""How much a request with a script asks for, before anything is drawn. No torch, no numpy.

The worker counts again what a script really draws (:class:`generator.scripts.drawing.Draw`).
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from types import MappingProxyType
from typing import Any

from generator.errors import BadRequest
from generator.pictures.reading import open_header
from generator.pictures.tile_starts import tile_starts
from generator.request import GenerationRequest
from generator.scripts import from_file, plot
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
from generator.scripts.drawing import check_count
from generator.scripts.expanding import growth
from generator.scripts.loopback import strength
from generator.scripts.matrix import MOST_PARTS
from generator.workload import check_workload, megapixel_steps

Arguments = tuple[Any, ...]
Asked = Callable[[GenerationRequest, Arguments], Iterator[tuple[GenerationRequest, int]]]
"""The requests that a script draws, and how often each."""


def check_job(request: GenerationRequest, most: float, samplers: Sequence[str] = ()) -> float:
    """The megapixel-steps of a request; more than ``most``, or too many pictures, are refused.

    ``samplers`` are names that plugins bring. A plugin's own script counts once here. Raises
    :class:`BadRequest`.
    """
    script = request.script
    if script is None:
        check_workload(megapixel_steps(request), most)
        return megapixel_steps(request)
    count = ASKED.get(script.title, _once)
    if script.title == PROMPTS_FROM_FILE:
        parts = _lines(request, script.arguments, samplers)
    else:
        parts = count(replace(request, script=None), script.arguments)
    pictures, asked = 0, 0.0
    for part, times in parts:
        pictures += times * part.picture_count
        check_count(pictures)  # stops the counting, too
        asked += times * megapixel_steps(part)
    check_workload(asked, most, f"The script {script.title!r}")
    return asked


def _once(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    yield request, 1


def _single(request: GenerationRequest) -> GenerationRequest:
    return replace(request, batch_size=1, batches=1)


def _matrix(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    text = request.prompt if arguments[2] == "positive" else request.negative_prompt
    yield _single(request), 1 << min(text.count("|"), MOST_PARTS)


def _lines(
    request: GenerationRequest, arguments: Arguments, samplers: Sequence[str]
) -> Iterator[tuple[Any, int]]:
    position, text = arguments[2:4]
    for line in text.splitlines():
        if line.strip():
            yield from_file.request_of(request, line.strip(), position, samplers), 1


def _plot(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    plan = plot.read_plan(request, arguments)
    check_count(prod(len(side.values) for side in plan.sides))
    for place in plan.places:
        yield plot.cell(request, plan, place), 1


def _loops(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    loops, final, curve, _ = arguments
    origin = request.origin
    for loop in range(loops if origin else 0):
        assert origin is not None
        denoising = strength(origin.strength, final, curve, loop, loops)
        alone = replace(_single(request), origin=replace(origin, strength=denoising))
        yield alone, request.batches


def _sides(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    _, pixels, _, directions, *_ = arguments
    grown = growth(_size(request), pixels, directions)
    width, height = grown.size
    beside = replace(request, width=min(request.width, width), height=height, batches=1)
    above = replace(request, width=width, height=min(request.height, height), batches=1)
    yield beside, request.batches * ((grown.left > 0) + (grown.right > 0))
    yield above, request.batches * ((grown.up > 0) + (grown.down > 0))


def _frame(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    pixels, _, _, directions = arguments
    grown = growth(_size(request), pixels, directions)
    if pixels >= min(request.width, request.height):
        return  # the script says what is wrong
    yield _single(request), _tiles(grown.size, request, pixels)


def _upscale(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
    _, overlap, upscaler, scale = arguments
    if overlap >= min(request.width, request.height):
        return  # as above
    factor = 1.0 if upscaler in ("None", 0) else scale
    width, height = (int(side * factor) for side in _size(request))
    yield _single(request), request.batches * _tiles((width, height), request, overlap)


def _inverted(request: GenerationRequest, arguments: Arguments) -> Iterator[tuple[Any, int]]:
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


def _tiles(size: tuple[int, int], request: GenerationRequest, overlap: int) -> int:
    across = tile_starts(size[0], request.width, overlap)
    return len(across) * len(tile_starts(size[1], request.height, overlap))


def _size(request: GenerationRequest) -> tuple[int, int]:
    if request.origin is None or not request.origin.images:
        raise BadRequest("This script starts from a picture; none came.", "init_images")
    return open_header(base64.b64decode(request.origin.images[0])).size


ASKED: Mapping[str, Asked] = MappingProxyType(
    {
        PROMPT_MATRIX: _matrix,
        XYZ_PLOT: _plot,
        LOOPBACK: _loops,
        OUTPAINTING: _sides,
        POOR_MANS_OUTPAINTING: _frame,
        SD_UPSCALE: _upscale,
        ALTERNATIVE: _inverted,
    }
)
