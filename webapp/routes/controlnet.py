"""ControlNet's own routes (contract section 1.15): what there is, and maps by themselves."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict

from generator.control.catalogue import listed
from generator.control.modules import MODULES, Module, Slider, find_module
from generator.control.units import UNITS, check_numbers, known_module, settle
from generator.request import ControlUnit
from generator.workload import check_workload, map_megapixels
from webapp.coercion import TRUE_WORDS, Bool, Float, Int, Str, Strings
from webapp.control_types import TAGS, control_type
from webapp.errors import Refused
from webapp.openapi import Note, described
from webapp.queues.contracts import Frame
from webapp.queues.frames import DETECT, DETECTIONS, DetectionJob
from webapp.requests.fields import read
from webapp.routes import road
from webapp.routes.context import caller, json_body, response, services
from webapp.routes.drawing import reader, user_name
from webapp.routes.tasks import ROUTE_TAG
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.services import Services

controlnet = Blueprint("controlnet", __name__, url_prefix="/controlnet")

API_VERSION = 3  # of the extension's routes
MOST_PICTURES = 64  # of one request
NOT_FOR_MAPS = frozenset(
    {"clip_vision", "revision_clipvision", "revision_ignore_prompt", "ip-adapter-auto"}
)
NUMBERS = ("controlnet_processor_res", "controlnet_threshold_a", "controlnet_threshold_b")
STRINGS = {"type": "array", "items": {"type": "string"}}
OBJECT = {"type": "object"}


class Detection(BaseModel):
    """Pictures, and the preprocessor to draw their maps with."""

    model_config = ConfigDict(extra="ignore")

    controlnet_module: Str = "none"
    controlnet_input_images: Strings = []
    controlnet_images: Strings = []  # what webuiapi 0.9.17 calls them
    controlnet_processor_res: Int = -1
    controlnet_threshold_a: Float = -1
    controlnet_threshold_b: Float = -1
    controlnet_masks: Strings = []
    low_vram: Bool = False


class Maps(BaseModel):
    """The maps, PNG in base64, in the order of the pictures."""

    info: str
    images: list[str]


def flag(name: str, default: bool) -> bool:
    """A boolean of the address's query."""
    given = request.args.get(name)
    return default if given is None else given.lower() in TRUE_WORDS


@controlnet.get("/version")
@allowed(Scope.READ)
@described(Note("Version of these routes", answer=OBJECT))
def version() -> Response:
    """The extension's number, which its clients compare."""
    return jsonify({"version": API_VERSION})


@controlnet.get("/model_list")
@allowed(Scope.READ)
@described(
    Note(
        "ControlNets",
        answer={"type": "object", "properties": {"model_list": STRINGS}},
        query={"update": {"type": "boolean", "default": True}},
    )
)
def model_list() -> Response:
    """Every ControlNet as ``stem [hash]``; ``update`` looks at the folders first."""
    return jsonify({"model_list": models(services(), fresh=flag("update", True))})


@controlnet.get("/module_list")
@allowed(Scope.READ)
@described(
    Note(
        "Preprocessors; those that are networks of their own are refused when used",
        answer={"type": "object", "properties": {"module_list": STRINGS, "module_detail": OBJECT}},
        query={"alias_names": {"type": "boolean", "default": False}},
    )
)
def module_list() -> Response:
    """Every preprocessor of the extension, by name or by label, with its sliders."""
    by_label = flag("alias_names", False)
    every = (*MODULES, *services().plugins.modules().values())
    named = {module.label if by_label else module.name: module for module in every}
    details = {name: detail(module) for name, module in named.items()}
    return jsonify({"module_list": list(named), "module_detail": details})


@controlnet.get("/control_types")
@allowed(Scope.READ)
@described(Note("Preprocessors and ControlNets by what they control", answer=OBJECT))
def control_types() -> Response:
    """Each kind of control with its preprocessors' labels, its ControlNets and its defaults."""
    here = models(services(), fresh=False)
    every = (*MODULES, *services().plugins.modules().values())
    return jsonify({"control_types": {tag: control_type(tag, here, every) for tag in TAGS}})


@controlnet.get("/settings")
@allowed(Scope.READ)
@described(Note("How many units a request may have", answer=OBJECT))
def settings() -> Response:
    """The option of that name."""
    count = services().options.get().get("control_net_unit_count", UNITS)
    return jsonify({"control_net_unit_count": count})


@controlnet.post("/detect")
@allowed(Scope.GENERATE)
@described(Note("Draw the maps of pictures", body=Detection, answer=Maps))
def detect() -> Response:
    """Through the queue, as every work is."""
    return response(road.draw(services(), to_frame(read(Detection, json_body()))))


def to_frame(body: Detection) -> Frame:
    """Check a body; the frame that asks a worker for it."""
    wanted = units(body)
    asked = sum(map(map_megapixels, wanted))
    check_workload(asked, services().config.max_job_megapixel_steps, "The preprocessor")
    return Frame(
        id=uuid4().hex,
        kind=DETECT,
        body=DETECTIONS.dump_json(DetectionJob(wanted, user_name())),
        owner=caller().name,
        tags={ROUTE_TAG: "detect"},
    )


def units(body: Detection) -> tuple[ControlUnit, ...]:
    """A unit for each picture. Raises ``Refused`` and ``BadRequest`` naming the field."""
    module = available(body)
    images = body.controlnet_input_images or body.controlnet_images
    if not images:
        raise Refused("No image selected")
    if len(images) > MOST_PICTURES:
        raise Refused(f"controlnet_input_images: {len(images)}; at most {MOST_PICTURES}.")
    masks = pictures("controlnet_masks", body.controlnet_masks)
    if module.inpaints and len(masks) != len(images):
        raise Refused(f"Preprocessor {body.controlnet_module} requires `controlnet_masks` param.")
    resolution = settle(module.resolution_slider, body.controlnet_processor_res)
    return tuple(
        ControlUnit(
            module=module.name,
            image=image,
            mask=masks[place] if module.inpaints else None,
            processor_res=resolution,
            threshold_a=settle(module.a, body.controlnet_threshold_a),
            threshold_b=settle(module.b, body.controlnet_threshold_b),
        )
        for place, image in enumerate(pictures("controlnet_input_images", images))
    )


def available(body: Detection) -> Module:
    """The preprocessor that a body names, where it can draw a map here."""
    brought = services().plugins.modules()
    module = find_module(body.controlnet_module, brought)
    if module is None:
        why = services().plugins.away("preprocessors", body.controlnet_module)
        raise Refused(f"controlnet_module: {why}" if why else "Module not available")
    if module.name in NOT_FOR_MAPS:
        raise Refused("Module not supported")
    found = known_module(body.controlnet_module, "controlnet_module", brought)
    if found.brought:
        numbers = [float(getattr(body, name)) for name in NUMBERS]
        check_numbers(found, numbers, NUMBERS)
    return found


def pictures(field: str, texts: Iterable[str]) -> list[str]:
    """Base64 of pictures that were opened once."""
    return [reader()(f"{field}[{place}]", text) for place, text in enumerate(texts)]


def models(here: "Services", *, fresh: bool) -> list[str]:
    """The names of the ControlNets."""
    return list(listed(here.registry.refresh_still() if fresh else here.registry.index))


def detail(module: Module) -> dict[str, object]:
    """What the lists tell of one preprocessor."""
    sliders = [described_slider(slider) for slider in module.sliders]
    return {"model_free": module.model_free, "sliders": sliders}


def described_slider(slider: Slider) -> dict[str, object]:
    """One number that a preprocessor takes."""
    return {
        "name": slider.name,
        "value": slider.value,
        "min": slider.least,
        "max": slider.most,
        "step": slider.step,
    }
