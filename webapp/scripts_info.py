"""What ``GET scripts`` and ``GET script-info`` tell (contract section 1.11)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from generator.sampling.names import DEFAULT_SAMPLER, SAMPLER_NAMES, SCHEDULE_NAMES
from generator.scripts.catalogue import SCRIPTS, Argument, Entry, Kind
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

UNTOLD = "Hypertile"
"""AUTOMATIC1111 lists this one and tells nothing more of it."""

UNIT: Mapping[str, object] = MappingProxyType(
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


FILMS = "controlnet m2m"
"""A script of the ControlNet extension."""


@dataclass(frozen=True, slots=True)
class Brought:
    """Scripts of plugins by route, and the arguments of their panels by plugin."""

    scripts: Callable[[str], Sequence[Entry]] = lambda route: ()
    panels: Mapping[str, Sequence[Argument]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Here:
    """The choices installed at this moment, by the names that requests use."""

    checkpoints: tuple[str, ...]
    upscalers: tuple[str, ...]
    units: int
    brought: "Brought" = field(default_factory=lambda: Brought())


def scripts(brought: Brought | None = None) -> dict[str, list[str]]:
    """Every script's name, by route: the selectable ones first.

    With the name by which clients (webuiapi) tell that ControlNet is there. It makes films, which
    are not made here: a request that chooses it is refused.
    """
    return {route: [*named(route, brought or Brought())] for route in ROUTES}


def named(route: str, brought: Brought) -> Iterator[str]:
    """The names of one route, in AUTOMATIC1111's order; those of plugins after ours."""
    yield from (entry.title for entry in (*SCRIPTS[route], *brought.scripts(route)))
    for name in ALWAYS_ON[route]:
        yield name
        if name == "controlnet":
            yield FILMS
    yield from brought.panels
    if DETAILER in brought.panels:
        yield ADETAILER  # whose arguments the detailer takes


def script_info(here: Here) -> list[dict[str, object]]:
    """Every script with its arguments, those of txt2img first."""
    return [entry for route in ROUTES for entry in _of(route, here)]


def _of(route: str, here: Here) -> Iterator[dict[str, object]]:
    known = (*SCRIPTS[route], *here.brought.scripts(route))
    selectable = [(entry.title, False, entry.arguments) for entry in known]
    told = [name for name in ALWAYS_ON[route] if name != UNTOLD]
    always = [(name, True, _arguments(name, here)) for name in told]
    panels = [(name, True, form) for name, form in here.brought.panels.items()]
    for name, always_on, arguments in (*selectable, *always, *panels):
        yield {
            "name": name,
            "is_alwayson": always_on,
            "is_img2img": route == "img2img",
            "args": [_told(argument, here) for argument in arguments],
        }


def _told(argument: Argument, here: Here) -> dict[str, object]:
    words = here.upscalers if argument.open else argument.words
    return {
        "label": argument.label,
        "value": argument.default,
        "minimum": argument.least,
        "maximum": argument.most,
        "step": argument.step,
        "choices": None if words is None else list(words),
    }


def _arguments(name: str, here: Here) -> Sequence[Argument]:
    """Of an always-on script. Those of refiner, sampler and seed are told and not read."""
    if name == "controlnet":
        return [Argument("", dict(UNIT), Kind.HINT)] * here.units
    if name == "refiner":
        return (
            Argument("Refiner", False, Kind.SWITCH),
            Argument("Checkpoint", "", Kind.WORD, words=here.checkpoints),
            Argument("Switch at", 0.8, Kind.NUMBER, 0.01, 1.0, 0.01),
        )
    return _FIXED.get(name, ())


_FIXED: Mapping[str, tuple[Argument, ...]] = MappingProxyType(
    {
        "soft inpainting": (
            Argument("Soft inpainting", False, Kind.SWITCH),
            Argument("Schedule bias", 1, Kind.NUMBER, 0, 8, 0.1),
            Argument("Preservation strength", 0.5, Kind.NUMBER, 0, 8, 0.05),
            Argument("Transition contrast boost", 4, Kind.NUMBER, 1, 32, 0.5),
            Argument("Mask influence", 0, Kind.NUMBER, 0, 1, 0.05),
            Argument("Difference threshold", 0.5, Kind.NUMBER, 0, 8, 0.25),
            Argument("Difference contrast", 2, Kind.NUMBER, 0, 8, 0.25),
        ),
        "sampler": (
            Argument("Sampling steps", 20, Kind.WHOLE, 1, 150, 1),
            Argument(
                "Sampling method",
                DEFAULT_SAMPLER,
                Kind.WORD,
                words=tuple(sampler.name for sampler in SAMPLER_NAMES),
            ),
            Argument(
                "Schedule type",
                "Automatic",
                Kind.WORD,
                words=tuple(schedule.label for schedule in SCHEDULE_NAMES),
            ),
        ),
        "seed": (
            Argument("Seed", -1, Kind.WHOLE, step=1),
            Argument("Extra", False, Kind.SWITCH),
            Argument("Variation seed", -1, Kind.WHOLE, step=1),
            Argument("Variation strength", 0.0, Kind.NUMBER, 0, 1, 0.01),
            Argument("Resize seed from width", 0, Kind.WHOLE, 0, 2048, 8),
            Argument("Resize seed from height", 0, Kind.WHOLE, 0, 2048, 8),
        ),
    }
)
