"""The second pass of txt2img, and the first one's size (contract sections 1.5 and 5.1)."""

import math
from dataclasses import dataclass, replace

from generator.hires_size import target
from generator.request import HiresFix, Snapshot
from webapp.errors import Refused
from webapp.requests.given import Given
from webapp.requests.models_of import named_checkpoint, upscaler
from webapp.requests.ranges import SIDE, SIZE, in_range
from webapp.requests.sampling import hires_sampler, hires_schedule
from webapp.requests.txt2img import LARGEST_TARGET, Txt2Img

SAME_CHECKPOINT = "Use same checkpoint"
OLD_AREA, OLD_STEP = 512 * 512, 64  # pixels


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the passes draw, in pixels. ``second`` is None where scale or resize tell it."""

    first: tuple[int, int]
    whole: tuple[int, int] | None = None


def sizes(body: Txt2Img, options: Snapshot) -> Sizes:
    """The first pass's size, and the second's where width and height are that.

    They are with ``firstphase_*``, and with the option ``use_old_hires_fix_width_height``.
    """
    asked = (body.width or SIZE, body.height or SIZE)
    width, height = body.firstphase_width or 0, body.firstphase_height or 0
    if width or height:
        in_range("firstphase_width", width, *SIDE)
        in_range("firstphase_height", height, *SIDE)
        return Sizes((width, height), asked)
    if body.enable_hr and options.use_old_hires_fix_width_height:
        return Sizes(old_first_size(*asked), asked)
    return Sizes(asked)


def old_first_size(width: int, height: int) -> tuple[int, int]:
    """About 512 x 512 pixels in the proportions asked for, each side a multiple of 64."""
    shrink = math.sqrt(OLD_AREA / (width * height))
    return (
        math.ceil(shrink * width / OLD_STEP) * OLD_STEP,
        math.ceil(shrink * height / OLD_STEP) * OLD_STEP,
    )


def hires(body: Txt2Img, given: Given, options: Snapshot) -> HiresFix | None:
    """The second pass of a checked body, or None.

    Raises ``Refused`` for a missing strength, an upscaler, sampler or checkpoint that is not
    here, and a target that is too small or too large.
    """
    if not body.enable_hr:
        return None
    if body.denoising_strength is None:
        raise Refused("denoising_strength: enable_hr needs it, a number from 0 to 1.")
    sampler, ending = hires_sampler(body.hr_sampler_name, given)
    fix = HiresFix(
        strength=body.denoising_strength,
        scale=2.0 if body.hr_scale is None else body.hr_scale,
        resize_width=body.hr_resize_x or 0,
        resize_height=body.hr_resize_y or 0,
        upscaler=upscaler(body.hr_upscaler, given),
        steps=body.hr_second_pass_steps or 0,
        sampler=sampler,
        schedule=hires_schedule(body.hr_scheduler, given) or ending,
        prompt=body.hr_prompt or "",
        negative_prompt=body.hr_negative_prompt or "",
        checkpoint=hires_checkpoint(body.hr_checkpoint_name, given),
    )
    return sized(fix, sizes(body, options))


def sized(fix: HiresFix, given: Sizes) -> HiresFix:
    """``fix`` with the target that width and height may be; its size checked."""
    if given.whole and not fix.resize_width and not fix.resize_height:
        scaled = target(fix, *given.first)
        if (scaled.width, scaled.height) != given.whole:
            fix = replace(fix, resize_width=given.whole[0], resize_height=given.whole[1])
    wanted = target(fix, *given.first)
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
