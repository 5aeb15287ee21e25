"""The second pass of txt2img, and the first one's size (contract sections 1.5 and 5.1)."""

import math
from dataclasses import dataclass, replace

from generator.hires.hires_size import second_pass_size
from generator.request import HiresFix, Snapshot
from webapp.errors import Refused
from webapp.requests.context import RequestContext
from webapp.requests.model_choice import choose_upscaler, find_second_checkpoint
from webapp.requests.ranges import DEFAULT_SIZE, SIDE_RANGE, check_range
from webapp.requests.sampler_choice import resolve_hires_sampler, resolve_hires_schedule
from webapp.requests.txt2img import MAX_TARGET_SIDE, Txt2Img

SAME_CHECKPOINT = "Use same checkpoint"
OLD_AREA, OLD_STEP = 512 * 512, 64  # pixels


@dataclass(frozen=True, slots=True)
class PassSizes:
    """What the passes draw, in pixels. ``second`` is None where scale or resize tell it."""

    first: tuple[int, int]
    second: tuple[int, int] | None = None


def pass_sizes(body: Txt2Img, options: Snapshot) -> PassSizes:
    """The first pass's size, and the second's where width and height are that.

    They are with ``firstphase_*``, and with the option ``use_old_hires_fix_width_height``.
    """
    size = (body.width or DEFAULT_SIZE, body.height or DEFAULT_SIZE)
    width, height = body.firstphase_width or 0, body.firstphase_height or 0
    if width or height:
        check_range("firstphase_width", width, *SIDE_RANGE)
        check_range("firstphase_height", height, *SIDE_RANGE)
        return PassSizes((width, height), size)
    if body.enable_hr and options.use_old_hires_fix_width_height:
        return PassSizes(old_first_size(*size), size)
    return PassSizes(size)


def old_first_size(width: int, height: int) -> tuple[int, int]:
    """About 512 x 512 pixels in the proportions asked for, each side a multiple of 64."""
    shrink = math.sqrt(OLD_AREA / (width * height))
    return (
        math.ceil(shrink * width / OLD_STEP) * OLD_STEP,
        math.ceil(shrink * height / OLD_STEP) * OLD_STEP,
    )


def read_hires(body: Txt2Img, context: RequestContext, options: Snapshot) -> HiresFix | None:
    """The second pass of a checked body, or None.

    Raises ``Refused`` for a missing strength, an upscaler, sampler or checkpoint that is not
    here, and a target that is too small or too large.
    """
    if not body.enable_hr:
        return None
    if body.denoising_strength is None:
        raise Refused("denoising_strength: enable_hr needs it, a number from 0 to 1.", "missing")
    sampler, ending = resolve_hires_sampler(body.hr_sampler_name, context)
    fix = HiresFix(
        strength=body.denoising_strength,
        scale=2.0 if body.hr_scale is None else body.hr_scale,
        resize_width=body.hr_resize_x or 0,
        resize_height=body.hr_resize_y or 0,
        upscaler=choose_upscaler(body.hr_upscaler, context),
        steps=body.hr_second_pass_steps or 0,
        sampler=sampler,
        schedule=resolve_hires_schedule(body.hr_scheduler, context) or ending,
        prompt=body.hr_prompt or "",
        negative_prompt=body.hr_negative_prompt or "",
        checkpoint=find_hires_checkpoint(body.hr_checkpoint_name, context),
    )
    return with_target_size(fix, pass_sizes(body, options))


def with_target_size(fix: HiresFix, passes: PassSizes) -> HiresFix:
    """``fix`` with the target that width and height may be; its size checked."""
    if passes.second and not fix.resize_width and not fix.resize_height:
        scaled = second_pass_size(fix, *passes.first)
        if (scaled.width, scaled.height) != passes.second:
            fix = replace(fix, resize_width=passes.second[0], resize_height=passes.second[1])
    wanted = second_pass_size(fix, *passes.first)
    for side, value in (("width", wanted.width), ("height", wanted.height)):
        if not SIDE_RANGE[0] <= value <= MAX_TARGET_SIDE:
            raise Refused(
                f"hr_scale, hr_resize_x, hr_resize_y: the second pass's {side} would be {value} "
                f"pixels; it must be from {SIDE_RANGE[0]} to {MAX_TARGET_SIDE}.",
                "out_of_range",
                target_field(fix, side),
                value=value,
                least=SIDE_RANGE[0],
                most=MAX_TARGET_SIDE,
            )
    return fix


def target_field(fix: HiresFix, side: str) -> str:
    """The field that makes the second pass's ``side`` what it is."""
    own = fix.resize_width if side == "width" else fix.resize_height
    return ("hr_resize_x" if side == "width" else "hr_resize_y") if own else "hr_scale"


def find_hires_checkpoint(name: str | None, context: RequestContext) -> str | None:
    """The second pass's checkpoint; None is the first pass's."""
    if not name or name == SAME_CHECKPOINT:
        return None
    return find_second_checkpoint("hr_checkpoint_name", name, context.models)
