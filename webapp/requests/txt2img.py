"""The body of ``POST /sdapi/v1/txt2img`` (contract section 1.5)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from pydantic import ConfigDict

from webapp.requests.coercion import Bool, Float, Int, Str
from webapp.requests.fields import GenerationBody, JobFields, Route
from webapp.requests.ranges import SIDE_RANGE

MAX_TARGET_SIDE = 8192  # pixels a side
RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "hr_scale": (0.01, 64),
        "hr_second_pass_steps": (0, 1000),
        "hr_resize_x": (0, MAX_TARGET_SIDE),
        "hr_resize_y": (0, MAX_TARGET_SIDE),
        "firstphase_width": (0, SIDE_RANGE[1]),
        "firstphase_height": (0, SIDE_RANGE[1]),
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


class Txt2Img(GenerationBody, HiresFields):
    """What a txt2img request may say."""

    model_config = ConfigDict(title="StableDiffusionProcessingTxt2Img")

    route: ClassVar[Route] = "txt2img"
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = RANGES
