"""The body of ``POST /sdapi/v1/txt2img``, and its hires fix (contract sections 1.5 and 5.1)."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from pydantic import ConfigDict

from generator.hires_size import target
from generator.request import HiresFix
from webapp.coercion import Bool, Float, Int, Str
from webapp.errors import Refused
from webapp.requests.fields import DrawingBody, JobFields, Route
from webapp.requests.given import Given
from webapp.requests.models_of import named_checkpoint, upscaler
from webapp.requests.ranges import SIDE, SIZE, in_range
from webapp.requests.sampling import hires_sampler, hires_schedule

SAME_CHECKPOINT = "Use same checkpoint"
LARGEST_TARGET = 8192  # pixels a side
RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "hr_scale": (0.01, 64),
        "hr_second_pass_steps": (0, 1000),
        "hr_resize_x": (0, LARGEST_TARGET),
        "hr_resize_y": (0, LARGEST_TARGET),
        "firstphase_width": (0, SIDE[1]),
        "firstphase_height": (0, SIDE[1]),
    }
)


class HiresFields(JobFields):
    """The second, larger pass."""

    enable_hr: Bool | None = False
    firstphase_width: Int | None = 0
    firstphase_height: Int | None = 0
    hr_scale: Float | None = 2.0
    hr_upscaler: Str | None = None
    hr_second_pass_steps: Int | None = 0
    hr_resize_x: Int | None = 0
    hr_resize_y: Int | None = 0
    hr_checkpoint_name: Str | None = None
    hr_sampler_name: Str | None = None
    hr_scheduler: Str | None = None
    hr_prompt: Str | None = ""
    hr_negative_prompt: Str | None = ""


class Txt2Img(DrawingBody, HiresFields):
    """What a txt2img request may say."""

    model_config = ConfigDict(title="StableDiffusionProcessingTxt2Img")

    route: ClassVar[Route] = "txt2img"
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = RANGES


def first_size(body: Txt2Img) -> tuple[int, int]:
    """Width and height of the first pass, in pixels: ``firstphase_*`` where one of them is set."""
    width, height = body.firstphase_width or 0, body.firstphase_height or 0
    if not width and not height:
        return body.width or SIZE, body.height or SIZE
    in_range("firstphase_width", width, *SIDE)
    in_range("firstphase_height", height, *SIDE)
    return width, height


def hires(body: Txt2Img, given: Given) -> HiresFix | None:
    """The second pass of a checked body, or None.

    Raises ``Refused`` for a missing strength, an upscaler, sampler or checkpoint that is not
    here, and a target that is too small or too large.
    """
    if not body.enable_hr:
        return None
    if body.denoising_strength is None:
        raise Refused("denoising_strength: enable_hr needs it, a number from 0 to 1.")
    sampler, ending = hires_sampler(body.hr_sampler_name)
    fix = HiresFix(
        strength=body.denoising_strength,
        scale=2.0 if body.hr_scale is None else body.hr_scale,
        resize_width=body.hr_resize_x or 0,
        resize_height=body.hr_resize_y or 0,
        upscaler=upscaler(body.hr_upscaler, given.models),
        steps=body.hr_second_pass_steps or 0,
        sampler=sampler,
        schedule=hires_schedule(body.hr_scheduler, given) or ending,
        prompt=body.hr_prompt or "",
        negative_prompt=body.hr_negative_prompt or "",
        checkpoint=hires_checkpoint(body.hr_checkpoint_name, given),
    )
    return sized(fix, body)


def sized(fix: HiresFix, body: Txt2Img) -> HiresFix:
    """``fix`` with the target that ``firstphase_*`` makes of width and height; its size checked."""
    first = first_size(body)
    whole = (body.width or SIZE, body.height or SIZE)
    if first != whole and not fix.resize_width and not fix.resize_height:
        wanted = target(fix, *first)
        if (wanted.width, wanted.height) != whole:
            fix = replace(fix, resize_width=whole[0], resize_height=whole[1])
    wanted = target(fix, *first)
    for side, value in (("width", wanted.width), ("height", wanted.height)):
        if not SIDE[0] <= value <= LARGEST_TARGET:
            raise Refused(
                f"hr_scale, hr_resize_x, hr_resize_y: the second pass's {side} would be {value} "
                f"pixels; it must be from {SIDE[0]} to {LARGEST_TARGET}."
            )
    return fix


def hires_checkpoint(name: str | None, given: Given) -> str | None:
    """The second pass's checkpoint; None is the first pass's."""
    if not name or name == SAME_CHECKPOINT:
        return None
    return named_checkpoint("hr_checkpoint_name", name, given.models)
