"""The field ``infotext``: fills in what a body does not say (contract section 1.9)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from pydantic import ValidationError

from generator.errors import BadRequest
from generator.pictures.infotext_parser import (
    MAX_INFOTEXT_LENGTH,
    add_network_tags,
    parse_infotext,
    read_parameters,
)
from generator.prompt.grammar import parse_attention
from generator.prompt.styles import Style
from generator.sampling.sampler_names import (
    DEFAULT_SAMPLER,
    DEFAULT_SCHEDULE,
    find_sampler,
    find_schedule,
    split_schedule,
)
from webapp.requests.fields import GenerationBody
from webapp.requests.ranges import too_long
from webapp.requests.sampler_choice import SAME_SAMPLER, SAME_SCHEDULE
from webapp.settings.option_store import convert_option
from webapp.settings.options_table import OPTIONS

MAX_EMPHASIS_SCAN = 10_000  # characters: brackets left open cost their number squared
PAGE_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "prompt": "Prompt",
        "negative_prompt": "Negative prompt",
        "cfg_scale": "CFG scale",
        "width": "Size-1",
        "height": "Size-2",
        "batch_size": "Batch size",
        "styles": "Styles array",
        "denoising_strength": "Denoising strength",
        "hr_scale": "Hires upscale",
        "hr_upscaler": "Hires upscaler",
        "hr_second_pass_steps": "Hires steps",
        "hr_resize_x": "Hires resize-1",
        "hr_resize_y": "Hires resize-2",
        "hr_checkpoint_name": "Hires checkpoint",
        "hr_prompt": "Hires prompt",
        "hr_negative_prompt": "Hires negative prompt",
    }
)
"""Fields of txt2img alone; AUTOMATIC1111's img2img page has no API names for its own."""

COMMON_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "steps": "Steps",
        "seed": "Seed",
        "subseed": "Variation seed",
        "subseed_strength": "Variation seed strength",
        "seed_resize_from_w": "Seed resize from-1",
        "seed_resize_from_h": "Seed resize from-2",
        "refiner_checkpoint": "Refiner",
        "refiner_switch_at": "Refiner switch at",
    }
)
HIRES_MARKS = ("Hires upscale", "Hires upscaler", "Hires resize")
CHECKPOINT = "sd_model_checkpoint"

Body = TypeVar("Body", bound=GenerationBody)
Choices = Callable[[str], Sequence[str]]


def no_choices(kind: str) -> Sequence[str]:
    """No names from plugins."""
    return ()


def ignore_remark(sentence: str) -> None:
    """Drop a remark: nobody reads it."""


def apply_infotext(
    body: Body,
    options: Mapping[str, object],
    choices: Choices = no_choices,
    tell: Callable[[str], None] = ignore_remark,
) -> Body:
    """``body`` with the fields that its ``infotext`` tells and it does not set itself.

    ``choices("samplers")`` are names that plugins bring. Values that do not fit their field are
    left out, and told. Raises ``Refused`` for a text of more than 100,000 characters.
    """
    text = body.infotext
    if not text:
        return body
    if len(text) > MAX_INFOTEXT_LENGTH:
        raise too_long("infotext", len(text), MAX_INFOTEXT_LENGTH)
    parameters = read_parameters(text, has_emphasis)
    for key in as_list(options.get("infotext_skip_pasting")):
        parameters.pop(str(key), None)
    values = {
        **infotext_fields(body, text, parameters, choices),
        "override_settings": infotext_overrides(body, parameters, options, tell),
    }
    return body.model_copy(update=coerce_values(body, values, tell))


def has_emphasis(prompt: str) -> bool:
    """Whether anything in the first 10,000 characters of a prompt has a weight of its own."""
    start = prompt[:MAX_EMPHASIS_SCAN]
    return any(segment.weight != 1 and not segment.is_break for segment in parse_attention(start))


def parse_parameters(
    text: str, options: Mapping[str, object], styles: Iterable[Style]
) -> dict[str, object]:
    """An infotext taken apart as the options about pasting say."""
    way, old_ways = str(options["infotext_styles"]), bool(options["auto_backcompat"])
    parameters = add_network_tags(read_parameters(text, has_emphasis, styles, way, old_ways))
    skipped = as_list(options["infotext_skip_pasting"])
    return {key: value for key, value in parameters.items() if key not in skipped}


def as_list(value: object) -> list[object]:
    """A list, an empty one for anything else."""
    return value if isinstance(value, list) else []


def infotext_fields(
    body: GenerationBody, text: str, parameters: Mapping[str, object], choices: Choices
) -> dict[str, object]:
    """What the text says for fields that the body leaves open, as it is written."""
    names = dict(COMMON_FIELDS)
    values = sampler_fields(parameters, choices)
    if body.route == "txt2img":
        names |= PAGE_FIELDS
        written = parse_infotext(text).parameters
        values |= hires_fields(parameters, choices)
        values["enable_hr"] = "Denoising strength" in written and any(
            mark in written for mark in HIRES_MARKS
        )
    values |= {field: parameters[key] for field, key in names.items() if key in parameters}
    return {field: value for field, value in values.items() if field not in body.model_fields_set}


def sampler_fields(parameters: Mapping[str, object], choices: Choices) -> dict[str, object]:
    """The sampler, and its schedule unless that is the sampler's own."""
    if "Sampler" not in parameters:
        return {}
    names = str(parameters["Sampler"]), str(parameters.get("Schedule type", ""))
    sampler, schedule = resolve_infotext_sampler(*names, choices)
    return {"sampler_name": sampler, "scheduler": schedule}


def hires_fields(parameters: Mapping[str, object], choices: Choices) -> dict[str, object]:
    """The second pass's sampler and schedule, the first pass's where the text has none."""
    sampler = str(parameters.get("Hires sampler", SAME_SAMPLER))
    schedule = str(parameters.get("Hires schedule type", SAME_SCHEDULE))
    first = str(parameters.get("Sampler", DEFAULT_SAMPLER))
    if schedule == SAME_SCHEDULE:
        schedule = str(parameters.get("Schedule type", DEFAULT_SCHEDULE))
    bare, label = resolve_infotext_sampler(
        first if sampler == SAME_SAMPLER else sampler, schedule, choices
    )
    return {
        "hr_sampler_name": SAME_SAMPLER if sampler == SAME_SAMPLER else bare,
        "hr_scheduler": label,
    }


def resolve_infotext_sampler(
    sampler: str, schedule: str, choices: Choices = no_choices
) -> tuple[str, str]:
    """A sampler and a schedule's label, ``Automatic`` where it is the one that the sampler takes.

    A schedule at the end of the sampler's name, as older texts have it, wins.
    """
    bare, ending = split_schedule(sampler)
    known, chosen = find_sampler(bare), ending or find_schedule(schedule)
    own = known.options.get("scheduler") if known else None
    label = DEFAULT_SCHEDULE if chosen is None or chosen.name == own else chosen.label
    if schedule in choices("schedules") and chosen is None:
        label = schedule
    if known is None and sampler in choices("samplers"):
        return sampler, label
    return (known.name if known else DEFAULT_SAMPLER), label


def infotext_overrides(
    body: GenerationBody,
    parameters: Mapping[str, object],
    options: Mapping[str, object],
    tell: Callable[[str], None] = ignore_remark,
) -> dict[str, object]:
    """``override_settings`` with the settings that the text tells and that are not in force.

    A checkpoint is taken only where ``disable_weights_auto_swap`` is off.
    """
    overrides = dict(body.override_settings or {})
    for option in OPTIONS:
        if option.infotext not in parameters or option.name in overrides:
            continue
        if option.name == CHECKPOINT and options.get("disable_weights_auto_swap"):
            continue
        try:
            value = convert_option(option.name, parameters[option.infotext])
        except BadRequest as error:
            tell(f"infotext: {error} It is left as it is.")
            continue
        if value != options.get(option.name):
            overrides[option.name] = value
    return overrides


def coerce_values(
    body: GenerationBody, values: Mapping[str, object], tell: Callable[[str], None] = ignore_remark
) -> dict[str, object]:
    """The values in their fields' types, without those that do not fit."""
    fit: dict[str, object] = {}
    for field, value in values.items():
        try:
            fit[field] = getattr(type(body).model_validate({field: value}), field)
        except ValidationError:
            tell(f"infotext: {str(value)[:80]!r} does not fit {field}, which is left as it is.")
    return fit
