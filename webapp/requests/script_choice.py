"""The scripts that a body names (contract sections 1.8, 5.5 and 9.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from generator.control.catalogue import check_units
from generator.control.units import CONTROLNET_FIELD, DEFAULT_UNIT_COUNT, read_units, unread_units
from generator.pictures.upscaler_names import LATENT_UPSCALERS
from generator.request import ControlUnit, ScriptCall, SoftInpainting
from generator.scripts import catalogue, values
from webapp.errors import Refused
from webapp.requests import eas
from webapp.requests.adetailer import ADETAILER
from webapp.requests.context import RequestContext
from webapp.requests.fields import GenerationBody, Route
from webapp.requests.model_choice import resolve_upscaler
from webapp.value_rules import is_in_range, is_number

SELECTABLE: Mapping[str, frozenset[str]] = MappingProxyType(
    {route: frozenset(catalogue.script_titles(route)) for route in ("txt2img", "img2img")}
)
IGNORED = frozenset({"extra options", "hypertile", "refiner", "sampler", "seed", "comments"})
"""AUTOMATIC1111's always-on scripts whose arguments its API ignores too (contract 1.8)."""

CONTROLNET = "controlnet"
HIRES_UPSCALER = "Hires upscaler"
SOFT_INPAINTING = "soft inpainting"
ALWAYS_ON: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "txt2img": IGNORED | {CONTROLNET},
        "img2img": IGNORED | {CONTROLNET, SOFT_INPAINTING},
    }
)
SOFT_RANGES = (
    ("schedule_bias", 0.0, 8.0),
    ("preservation", 0.0, 8.0),
    ("contrast_boost", 1.0, 32.0),
    ("mask_influence", 0.0, 1.0),
    ("difference_threshold", 0.0, 8.0),
    ("difference_contrast", 0.0, 8.0),
)


def read_script(body: GenerationBody, context: RequestContext) -> ScriptCall | None:
    """The selectable script, ours or a plugin's.

    Raises ``Refused`` for one that the route does not have, ``BadRequest`` for its arguments.
    """
    name = body.script_name
    if not name:
        return None
    plugin_scripts = context.scripts(body.route)
    if name.lower() not in SELECTABLE[body.route] | {entry.title for entry in plugin_scripts}:
        raise script_not_found(name, context.absent_plugin("scripts", name))
    if not isinstance(body.script_args, list):
        raise Refused(
            "script_args: a list is expected, the arguments by position.",
            "wrong_type",
            expected="list",
        )
    wanted = catalogue.read_script(name, body.script_args, body.route, plugin_scripts)
    if wanted.title == catalogue.XYZ_PLOT:
        return with_hires_upscalers(wanted, context)
    return with_upscaler(wanted, context) if wanted.title == catalogue.SD_UPSCALE else wanted


def with_upscaler(wanted: ScriptCall, context: RequestContext) -> ScriptCall:
    """SD upscale with an upscaler that is here; a number is one of the list."""
    hint, overlap, name, factor = wanted.arguments
    if isinstance(name, str):
        name = resolve_upscaler("script_args[2], 'Upscaler'", name, context)
    return replace(wanted, arguments=(hint, overlap, name, factor))


def with_hires_upscalers(wanted: ScriptCall, context: RequestContext) -> ScriptCall:
    """A plot whose axes "Hires upscaler" name upscalers that are here. Raises ``Refused``."""
    arguments = list(wanted.arguments)
    is_text = arguments[-1]
    for start in (0, 3, 6):
        if arguments[start] != HIRES_UPSCALER:
            continue
        at = start + 1 if is_text else start + 2
        names = values.split_values(arguments[at]) if is_text else list(arguments[at])
        field = f"script_args[{at}], '{HIRES_UPSCALER}'"
        resolved = [
            name
            if name in LATENT_UPSCALERS
            else resolve_upscaler(field, name, context, LATENT_UPSCALERS)
            for name in names
        ]
        if resolved != names:
            arguments[at] = values.join(resolved) if is_text else tuple(resolved)
    return replace(wanted, arguments=tuple(arguments))


def check_script_names(
    route: Route, always_on: Mapping[str, object], context: RequestContext
) -> None:
    """Refuse what is no always-on script of the route, no plugin, no extra of the vendor's."""
    selectable = SELECTABLE[route] | {entry.title for entry in context.scripts(route)}
    for name in always_on:
        linked = name == eas.IMAGE_LINK and route == "img2img"
        ours = name in context.panels or name in eas.NAMES or name == eas.DETERMINISTIC
        if ours or linked or name.lower() == ADETAILER:
            continue
        if name.lower() in selectable:
            raise Refused(
                "Cannot have a selectable script in the always on scripts params",
                "unknown_script",
                "alwayson_scripts",
                value=name,
            )
        if name.lower() not in ALWAYS_ON[route]:
            raise script_not_found(name, field="alwayson_scripts")


def script_arguments(name: str, always_on: Mapping[str, object]) -> Sequence[object] | None:
    """What stands under ``args`` of an always-on script; None where it is not mentioned."""
    for key, value in always_on.items():
        if key.lower() == name:
            args = value.get("args", []) if isinstance(value, dict) else None
            if not isinstance(args, list):
                raise Refused(
                    f'alwayson_scripts.{key}: expected {{"args": [...]}}.',
                    "wrong_type",
                    f"alwayson_scripts.{key}",
                    expected="args",
                )
            return args
    return None


def read_controls(body: GenerationBody, context: RequestContext) -> tuple[ControlUnit, ...]:
    """The enabled ControlNet units. Raises ``BadRequest`` naming the unit and what is wrong."""
    args = script_arguments(CONTROLNET, body.alwayson_scripts) or ()
    limit = int(str(context.options.get("control_net_unit_count", DEFAULT_UNIT_COUNT)))
    for number, arg in enumerate(args[:limit]):
        name = arg.get("module") if isinstance(arg, dict) and arg.get("enabled") else None
        why = context.absent_plugin("preprocessors", str(name)) if name else ""
        if why:
            raise Refused(
                f"{CONTROLNET_FIELD}.args[{number}].module: {why}", "plugin_off", value=str(name)
            )
    for sentence in unread_units(args, limit):
        context.add_remark(sentence)
    units = read_units(args, limit, context.picture_reader, context.preprocessors)
    check_units(units, context.models, has_picture=body.route == "img2img")
    return units


def read_soft_inpainting(always_on: Mapping[str, object]) -> SoftInpainting | None:
    """The six numbers of soft inpainting where its first argument turns it on."""
    args = script_arguments(SOFT_INPAINTING, always_on)
    if not args or args[0] in (False, None, 0):
        return None
    named = zip(SOFT_RANGES, args[1:], strict=False)
    numbers = {
        row[0]: check_number(row, value, place) for place, (row, value) in enumerate(named, 1)
    }
    return SoftInpainting(**numbers)


def check_number(row: tuple[str, float, float], value: object, place: int) -> float:
    """One argument of soft inpainting, within its range."""
    name, least, most = row
    field = f"alwayson_scripts.{SOFT_INPAINTING}.args.{place}"
    if not is_number(value):
        raise Refused(
            f"alwayson_scripts.{SOFT_INPAINTING}: {name} is a number, not {value!r}.",
            "wrong_type",
            field,
            expected="number",
        )
    if not is_in_range(value, least, most):
        raise Refused(
            f"alwayson_scripts.{SOFT_INPAINTING}: {name} is from {least:g} to {most:g}, "
            f"not {value}.",
            "out_of_range",
            field,
            value=value,
            least=least,
            most=most,
        )
    return value


def script_not_found(name: str, why: str = "", field: str = "script_name") -> Refused:
    """AUTOMATIC1111's refusal of a script that it does not know, and ``why``."""
    text = f"Script '{name}' not found. {why}" if why else f"Script '{name}' not found"
    return Refused(text, "plugin_off" if why else "unknown_script", field, value=name)
