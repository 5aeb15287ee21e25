"""From ``alwayson_scripts.controlnet.args`` to units (contract sections 10.1 and 10.2). No torch.

AUTOMATIC1111's host swallows what the extension finds wrong and draws without it; here the request
is refused, with the unit and the field named.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from generator.control.control_types import CONTROL_TYPES, UNKNOWN
from generator.control.modules import (
    FACE_MODULES,
    HIDDEN_VALUE,
    MODULES,
    NO_PLUGIN_MODULES,
    Module,
    Slider,
    find_module,
)
from generator.control.network_weights import WEIGHTS_BY_MODULE
from generator.errors import BadRequest
from generator.request import ControlUnit

DEFAULT_UNIT_COUNT = 3  # the option control_net_unit_count
PREPROCESSOR_DEFAULT = -1  # a number that is left to the preprocessor
MOST_RESIDUALS = 16  # numbers in advanced_weighting
CONTROLNET_FIELD = "alwayson_scripts.controlnet"

OFF = (None, "", "none", "None")  # models and preprocessors that are none

RESIZE_MODES = ("Just Resize", "Crop and Resize", "Resize and Fill")
RESIZE_ALIASES: Mapping[str, str] = {
    "Inner Fit (Scale to Fit)": "Crop and Resize",
    "Scale to Fit (Inner Fit)": "Crop and Resize",
    "Outer Fit (Shrink to Fit)": "Resize and Fill",
    "Envelope (Outer Fit)": "Resize and Fill",
}
BALANCED = "Balanced"
PROMPT_FIRST, CONTROL_FIRST = "My prompt is more important", "ControlNet is more important"
CONTROL_MODES = (BALANCED, PROMPT_FIRST, CONTROL_FIRST)
HR_OPTIONS = ("Both", "Low res only", "High res only")

ReadPicture = Callable[[str, str], str]  # field, base64 -> bare base64, or raises
Value = TypeVar("Value")


def _one_of(
    words: Sequence[str], default: str, aliases: Mapping[str, str] | None = None
) -> BeforeValidator:
    """One of ``words``, an alias of one, or its number; null is ``default``."""

    def read(value: object) -> str:
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(words):
            return words[value]
        word = (aliases or {}).get(str(value), str(value))
        if word not in words:
            raise ValueError(f"{value!r} is none of {', '.join(words)}")
        return word

    return BeforeValidator(read)


def _or_default(default: Value) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


class _Unit(BaseModel):
    """A unit as JSON has it. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    enabled: bool = False
    module: Annotated[str, _or_default("none")] = "none"
    model: Annotated[str, _or_default("None")] = "None"
    weight: Annotated[float, _or_default(1.0)] = Field(1.0, ge=0, le=2)
    image: Any = Field(None, validation_alias=AliasChoices("image", "input_image"))
    mask: Any = None
    mask_image: Any = None
    image_link: Any = None
    resize_mode: Annotated[str, _one_of(RESIZE_MODES, RESIZE_MODES[1], RESIZE_ALIASES)] = (
        RESIZE_MODES[1]
    )
    processor_res: Annotated[float, _or_default(-1)] = -1
    threshold_a: Annotated[float, _or_default(-1)] = -1
    threshold_b: Annotated[float, _or_default(-1)] = -1
    guidance_start: Annotated[float, _or_default(0.0)] = Field(0.0, ge=0, le=1)
    guidance_end: Annotated[float, _or_default(1.0)] = Field(
        1.0, ge=0, le=1, validation_alias=AliasChoices("guidance_end", "guidance")
    )
    pixel_perfect: Annotated[bool, _or_default(False)] = False
    control_mode: Annotated[str, _one_of(CONTROL_MODES, CONTROL_MODES[0])] = CONTROL_MODES[0]
    inpaint_crop_input_image: Annotated[bool, _or_default(True)] = True
    hr_option: Annotated[str, _one_of(HR_OPTIONS, HR_OPTIONS[0])] = HR_OPTIONS[0]
    save_detected_map: Annotated[bool, _or_default(True)] = True
    advanced_weighting: Annotated[list[float], Field(max_length=MOST_RESIDUALS)] | None = None
    effective_region_mask: str | None = None
    ipadapter_input: Any = None
    union_control_type: Annotated[str, _one_of((*CONTROL_TYPES, UNKNOWN), UNKNOWN)] = UNKNOWN


_LIMITS: Mapping[str, tuple[float, float]] = {
    "weight": (0, 2),
    "guidance_start": (0, 1),
    "guidance_end": (0, 1),
}
_WORDS: Mapping[str, Sequence[str]] = {
    "resize_mode": RESIZE_MODES,
    "control_mode": CONTROL_MODES,
    "hr_option": HR_OPTIONS,
    "union_control_type": CONTROL_TYPES,
}
"""What programs are told of a refused field."""


def read_units(
    args: Sequence[object],
    limit: int = DEFAULT_UNIT_COUNT,
    picture: ReadPicture | None = None,
    plugin_modules: Mapping[str, Module] = NO_PLUGIN_MODULES,
) -> tuple[ControlUnit, ...]:
    """The enabled units among the first ``limit`` of ``args``, in order; what is no object is not
    a unit.

    ``picture(field, text)`` checks each picture, fetches or refuses an address (the vendor's
    ``image_link``), and answers base64. ``plugin_modules`` are preprocessors of plugins.
    Raises :class:`BadRequest` naming the unit and the field.
    """
    units = []
    for number, arg in enumerate(args[:limit]):
        if isinstance(arg, Mapping) and _is_enabled(arg, number):
            place = f"{CONTROLNET_FIELD}.args[{number}]"
            units.append(_read_unit(arg, place, picture or _keep_text, plugin_modules))
    return tuple(units)


def _is_enabled(arg: Mapping[str, object], number: int) -> bool:
    """Whether the unit is on; one that is off is not looked at.

    One that does not say is on when it names a model.
    """
    flag = arg.get("enabled")
    if flag is None:
        return arg.get("model") not in OFF
    return _validate_unit({"enabled": flag}, f"{CONTROLNET_FIELD}.args[{number}]").enabled


def unread_units(args: Sequence[object], limit: int = DEFAULT_UNIT_COUNT) -> Iterator[str]:
    """A sentence about each of ``args`` that asks for something and is no unit that is on."""
    for number, arg in enumerate(args):
        if not isinstance(arg, Mapping):
            if arg:
                yield f"{CONTROLNET_FIELD}.args[{number}]: no object, so it is not read."
        elif number >= limit:
            if arg.get("enabled", arg.get("model")) not in (None, False, "", "None"):
                yield (
                    f"{CONTROLNET_FIELD}.args[{number}]: not read; {limit} are "
                    "(control_net_unit_count)."
                )
        elif (
            arg.get("enabled") is None and arg.get("module") not in OFF and not _is_enabled(arg, 0)
        ):
            yield f"{CONTROLNET_FIELD}.args[{number}]: off, as it names no model; send enabled."


def _read_unit(
    arg: Mapping[str, object],
    place: str,
    picture: ReadPicture,
    plugin_modules: Mapping[str, Module],
) -> ControlUnit:
    unit = _validate_unit(arg, place)
    if unit.guidance_start > unit.guidance_end:
        _refuse(
            place,
            "guidance_start",
            f"{unit.guidance_start} is after guidance_end, {unit.guidance_end}",
            "wrong_order",
            value=unit.guidance_start,
            other=unit.guidance_end,
        )
    if unit.ipadapter_input:
        reason = "pickled tensors are not read; send the picture in image"
        _refuse(place, "ipadapter_input", reason, "not_implemented")
    module = known_module(unit.module, f"{place}.module", plugin_modules)
    if module.from_plugin:
        numbers = (unit.processor_res, unit.threshold_a, unit.threshold_b)
        names = (f"{place}.processor_res", f"{place}.threshold_a", f"{place}.threshold_b")
        check_numbers(module, numbers, names)
    image, mask = _read_pictures(unit, place, picture)
    region = unit.effective_region_mask
    return ControlUnit(
        module=unit.module,
        model=unit.model,
        weight=unit.weight,
        image=image,
        mask=mask,
        resize_mode=unit.resize_mode,
        processor_res=_effective_resolution(module, unit.processor_res),
        threshold_a=effective_number(module.a, unit.threshold_a),
        threshold_b=effective_number(module.b, unit.threshold_b),
        guidance_start=unit.guidance_start,
        guidance_end=unit.guidance_end,
        pixel_perfect=unit.pixel_perfect,
        control_mode=unit.control_mode,
        hr_option=unit.hr_option,
        save_detected_map=unit.save_detected_map,
        inpaint_crop_input_image=unit.inpaint_crop_input_image,
        advanced_weighting=tuple(unit.advanced_weighting) if unit.advanced_weighting else None,
        effective_region_mask=picture(f"{place}.effective_region_mask", region) if region else None,
        union_control_type=unit.union_control_type,
    )


def known_module(
    wanted: str, field: str, plugin_modules: Mapping[str, Module] = NO_PLUGIN_MODULES
) -> Module:
    """The preprocessor of that name or label; what a network needs is not looked for.

    Raises :class:`BadRequest` where there is none, or no way to run it.
    """
    module = find_module(wanted, plugin_modules)
    able = ", ".join(each.name for each in (*MODULES, *plugin_modules.values()) if each.runs)
    if module is None:
        raise BadRequest(
            f"{field}: there is no preprocessor {wanted!r}. Known: {able}.",
            CONTROLNET_FIELD,
            "unknown_name",
            value=wanted,
            known=able.split(", "),
        )
    if module.name in FACE_MODULES:
        raise BadRequest(
            f"{field}: {wanted} needs insightface, a network of its own for faces, which is not "
            "here. IP-Adapters that read pictures run with the module ip-adapter-auto.",
            CONTROLNET_FIELD,
            "not_implemented",
        )
    if not module.runs and module.name not in WEIGHTS_BY_MODULE:
        raise BadRequest(
            f"{field}: {wanted} is a network of its own that Easel has no way to run. Send its "
            f"finished map with the module none. Preprocessors that run: {able}; and with weights "
            f"in models/ControlNet-annotators: {', '.join(WEIGHTS_BY_MODULE)}.",
            CONTROLNET_FIELD,
            "not_implemented",
        )
    return module


def check_numbers(module: Module, numbers: Sequence[float], fields: Sequence[str]) -> None:
    """Refuse resolution, A and B of a plugin's preprocessor that are out of their ranges.

    Those of the extension's own fall back to their defaults, as they do there. -1 is the default.
    Raises :class:`BadRequest` naming the field.
    """
    sliders = (module.resolution_slider, module.a, module.b)
    for slider, number, field in zip(sliders, numbers, fields, strict=True):
        if (
            slider is None
            or number == PREPROCESSOR_DEFAULT
            or slider.least <= number <= slider.most
        ):
            continue
        raise BadRequest(
            f"{field}: {number:g} is out of range; {module.name} takes {slider.name} from "
            f"{slider.least:g} to {slider.most:g}.",
            CONTROLNET_FIELD,
            "out_of_range",
            value=number,
            least=slider.least,
            most=slider.most,
        )


def effective_number(slider: Slider | None, wanted: float) -> int | float:
    """The number in force: ``wanted`` where the preprocessor has it and it is in range."""
    return HIDDEN_VALUE if slider is None else slider.settle(wanted)


def _effective_resolution(module: Module, wanted: float) -> int | float:
    whole = int(wanted) if isfinite(wanted) else PREPROCESSOR_DEFAULT
    resolution = effective_number(module.resolution_slider, whole)
    return resolution if resolution == HIDDEN_VALUE else int(resolution)


def _validate_unit(arg: Mapping[str, object], place: str) -> _Unit:
    try:
        return _Unit.model_validate(arg)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        least, most = _LIMITS.get(field, (None, None))
        if first["type"] in ("greater_than_equal", "less_than_equal"):
            value = first["input"]
            _refuse(place, field, reason, "out_of_range", value=value, least=least, most=most)
        words = _WORDS.get(field)
        if first["type"] == "value_error" and words:
            _refuse(place, field, reason, "unknown_name", value=first["input"], known=words)
        _refuse(place, field, reason, "wrong_type", value=first["input"])


def _read_pictures(unit: _Unit, place: str, picture: ReadPicture) -> tuple[str | None, str | None]:
    """Base64 of the picture and of its mask, whichever way they were sent."""
    image, inner = _split_picture_and_mask(unit.image, place)
    masks = [("mask", unit.mask), ("mask_image", unit.mask_image), ("image.mask", inner)]
    given_masks = [(field, mask) for field, mask in masks if mask]
    if len(given_masks) > 1:
        names = " and ".join(field for field, _ in given_masks)
        _refuse(place, "mask", f"{names} are given at once; send one of them")
    for name, text in (("image", image), ("image_link", unit.image_link)):
        if text:
            image = picture(f"{place}.{name}", _require_text(text, place, name))
            break
    field, mask = given_masks[0] if given_masks else ("mask", None)
    if mask:
        mask = picture(f"{place}.{field}", _require_text(mask, place, field))
    return image or None, mask


def _split_picture_and_mask(image: object, place: str) -> tuple[Any, Any]:
    """(picture, mask) of base64, {image, mask}, [image, mask] or [{image, mask}]."""
    if isinstance(image, Mapping):
        return image.get("image"), image.get("mask")
    if not isinstance(image, list):
        return image, None
    if len(image) == 1:
        return _split_picture_and_mask(image[0], place)
    if len(image) == 2 and not any(isinstance(part, Mapping) for part in image):
        return image[0], image[1]
    if image:
        _refuse(place, "image", "one picture a unit; use further units for more")
    return None, None


def _require_text(value: object, place: str, field: str) -> str:
    if not isinstance(value, str):
        reason = f"a picture is sent as base64, not as {type(value).__name__}"
        _refuse(place, field, reason, "bad_picture")
    return value


def _refuse(
    place: str, field: str, reason: str, code: str = "invalid_value", **values: object
) -> NoReturn:
    raise BadRequest(f"{place}.{field}: {reason}.", CONTROLNET_FIELD, code, **values)


def _keep_text(field: str, text: str) -> str:
    return text
