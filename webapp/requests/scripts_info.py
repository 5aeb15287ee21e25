"""Answers of ``GET scripts`` and ``GET script-info`` (contract section 1.11)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from typing_extensions import TypedDict

from generator.sampling.sampler_names import DEFAULT_SAMPLER, SAMPLER_NAMES, SCHEDULE_NAMES
from generator.scripts.catalogue import SCRIPTS, Argument, ArgumentKind, ScriptEntry
from webapp.requests.adetailer import ADETAILER
from webapp.requests.adetailer import NAME as DETAILER

ROUTES = ("txt2img", "img2img")
ALWAYS_ON: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "txt2img": ("extra options", "Hypertile", "controlnet", "refiner", "sampler", "seed"),
        "img2img": (
            "extra options",
            "Hypertile",
            "soft inpainting",
            "controlnet",
            "refiner",
            "sampler",
            "seed",
        ),
    }
)
"""By the names that AUTOMATIC1111 tells, in its order."""

NAME_ONLY = "Hypertile"
"""AUTOMATIC1111 lists this one and tells nothing more of it."""

EMPTY_UNIT: Mapping[str, object] = MappingProxyType(
    {
        "is_ui": False,
        "input_mode": "simple",
        "batch_images": None,
        "output_dir": "",
        "loopback": False,
        "enabled": False,
        "module": "none",
        "model": "None",
        "weight": 1.0,
        "image": None,
        "resize_mode": "Crop and Resize",
        "low_vram": False,
        "processor_res": -1,
        "threshold_a": -1,
        "threshold_b": -1,
        "guidance_start": 0.0,
        "guidance_end": 1.0,
        "pixel_perfect": False,
        "control_mode": "Balanced",
        "inpaint_crop_input_image": True,
        "hr_option": "Both",
        "save_detected_map": True,
        "advanced_weighting": None,
        "effective_region_mask": None,
        "pulid_mode": "Fidelity",
        "union_control_type": "Unknown",
        "ipadapter_input": None,
        "mask": None,
        "batch_mask_dir": None,
        "animatediff_batch": False,
        "batch_modifiers": [],
        "batch_image_files": [],
        "batch_keyframe_idx": None,
    }
)
"""A ControlNet unit that does nothing."""


CONTROLNET_M2M = "controlnet m2m"
"""A script of the ControlNet extension."""


@dataclass(frozen=True, slots=True)
class PluginScripts:
    """Scripts of plugins by route, and the arguments of their panels by plugin."""

    scripts: Callable[[str], Sequence[ScriptEntry]] = lambda route: ()
    panels: Mapping[str, Sequence[Argument]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstalledChoices:
    """The choices installed at this moment, by the names that requests use."""

    checkpoints: tuple[str, ...]
    upscalers: tuple[str, ...]
    units: int
    plugin_scripts: "PluginScripts" = field(default_factory=lambda: PluginScripts())


class ScriptArgument(TypedDict):
    """One argument of a script; numbers have bounds, words have choices."""

    label: str
    value: object
    minimum: float | None
    maximum: float | None
    step: float | None
    choices: list[str] | None


class ScriptInfo(TypedDict):
    """A script with its arguments by position."""

    name: str
    is_alwayson: bool
    is_img2img: bool
    args: list[ScriptArgument]


def scripts_by_route(plugin_scripts: PluginScripts | None = None) -> dict[str, list[str]]:
    """Every script's name, by route: the selectable ones first.

    With the name by which clients (webuiapi) tell that ControlNet is there. It makes films, which
    are not made here: a request that chooses it is refused.
    """
    return {route: [*script_names(route, plugin_scripts or PluginScripts())] for route in ROUTES}


def script_names(route: str, plugin_scripts: PluginScripts) -> Iterator[str]:
    """The names of one route, in AUTOMATIC1111's order; those of plugins after ours."""
    yield from (entry.title for entry in (*SCRIPTS[route], *plugin_scripts.scripts(route)))
    for name in ALWAYS_ON[route]:
        yield name
        if name == "controlnet":
            yield CONTROLNET_M2M
    yield from plugin_scripts.panels
    if DETAILER in plugin_scripts.panels:
        yield ADETAILER  # whose arguments the detailer takes


def script_info(installed: InstalledChoices) -> list[ScriptInfo]:
    """Every script with its arguments, those of txt2img first."""
    return [entry for route in ROUTES for entry in _entries_of(route, installed)]


def _entries_of(route: str, installed: InstalledChoices) -> Iterator[ScriptInfo]:
    selectable_entries = (*SCRIPTS[route], *installed.plugin_scripts.scripts(route))
    selectable = [(entry.title, False, entry.arguments) for entry in selectable_entries]
    always_on_names = [name for name in ALWAYS_ON[route] if name != NAME_ONLY]
    always = [(name, True, _always_on_arguments(name, installed)) for name in always_on_names]
    panels = [(name, True, form) for name, form in installed.plugin_scripts.panels.items()]
    for name, always_on, arguments in (*selectable, *always, *panels):
        yield {
            "name": name,
            "is_alwayson": always_on,
            "is_img2img": route == "img2img",
            "args": [_argument_json(argument, installed) for argument in arguments],
        }


def _argument_json(argument: Argument, installed: InstalledChoices) -> ScriptArgument:
    words = installed.upscalers if argument.open else argument.words
    return {
        "label": argument.label,
        "value": argument.default,
        "minimum": argument.least,
        "maximum": argument.most,
        "step": argument.step,
        "choices": None if words is None else list(words),
    }


def _always_on_arguments(name: str, installed: InstalledChoices) -> Sequence[Argument]:
    """Of an always-on script. Those of refiner, sampler and seed are told and not read."""
    if name == "controlnet":
        return [Argument("", dict(EMPTY_UNIT), ArgumentKind.HINT)] * installed.units
    if name == "refiner":
        return (
            Argument("Refiner", False, ArgumentKind.SWITCH),
            Argument("Checkpoint", "", ArgumentKind.WORD, words=installed.checkpoints),
            Argument("Switch at", 0.8, ArgumentKind.NUMBER, 0.01, 1.0, 0.01),
        )
    return FIXED_ARGUMENTS.get(name, ())


FIXED_ARGUMENTS: Mapping[str, tuple[Argument, ...]] = MappingProxyType(
    {
        "soft inpainting": (
            Argument("Soft inpainting", False, ArgumentKind.SWITCH),
            Argument("Schedule bias", 1, ArgumentKind.NUMBER, 0, 8, 0.1),
            Argument("Preservation strength", 0.5, ArgumentKind.NUMBER, 0, 8, 0.05),
            Argument("Transition contrast boost", 4, ArgumentKind.NUMBER, 1, 32, 0.5),
            Argument("Mask influence", 0, ArgumentKind.NUMBER, 0, 1, 0.05),
            Argument("Difference threshold", 0.5, ArgumentKind.NUMBER, 0, 8, 0.25),
            Argument("Difference contrast", 2, ArgumentKind.NUMBER, 0, 8, 0.25),
        ),
        "sampler": (
            Argument("Sampling steps", 20, ArgumentKind.WHOLE, 1, 150, 1),
            Argument(
                "Sampling method",
                DEFAULT_SAMPLER,
                ArgumentKind.WORD,
                words=tuple(sampler.name for sampler in SAMPLER_NAMES),
            ),
            Argument(
                "Schedule type",
                "Automatic",
                ArgumentKind.WORD,
                words=tuple(schedule.label for schedule in SCHEDULE_NAMES),
            ),
        ),
        "seed": (
            Argument("Seed", -1, ArgumentKind.WHOLE, step=1),
            Argument("Extra", False, ArgumentKind.SWITCH),
            Argument("Variation seed", -1, ArgumentKind.WHOLE, step=1),
            Argument("Variation strength", 0.0, ArgumentKind.NUMBER, 0, 1, 0.01),
            Argument("Resize seed from width", 0, ArgumentKind.WHOLE, 0, 2048, 8),
            Argument("Resize seed from height", 0, ArgumentKind.WHOLE, 0, 2048, 8),
        ),
    }
)
