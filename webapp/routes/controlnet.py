"""ControlNet routes (contract section 1.15): lists and preprocessing."""

from collections.abc import Iterable
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from generator.control.catalogue import models_by_title
from generator.control.modules import MODULES, Module, Slider, find_module
from generator.control.network_files import find_network_files
from generator.control.units import (
    DEFAULT_UNIT_COUNT,
    check_numbers,
    effective_number,
    known_module,
)
from generator.request import ControlUnit
from generator.workload import check_workload, map_megapixels
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Refused
from webapp.http.openapi import RouteNote, with_note
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import DETECT, DETECTIONS, QueuedDetection
from webapp.requests.coercion import TRUE_WORDS, Bool, Float, Int, Str, Strings
from webapp.requests.fields import read_body
from webapp.routes import submission
from webapp.routes.context import caller, read_json_body, to_response
from webapp.routes.control_types import TAGS, ControlType, control_type
from webapp.routes.generation import picture_reader, user_name
from webapp.routes.tasks import ROUTE_TAG
from webapp.services import Services

API_VERSION = 3  # of the extension's routes
MAX_PICTURES = 64  # of one request
NOT_FOR_MAPS = frozenset({"clip_vision", "revision_clipvision", "revision_ignore_prompt"})
NUMBERS = ("controlnet_processor_res", "controlnet_threshold_a", "controlnet_threshold_b")


class DetectBody(BaseModel):
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


class DetectedMaps(BaseModel):
    """The maps, PNG in base64, in the order of the pictures."""

    info: str
    images: list[str]


def query_flag(name: str, default: bool) -> bool:
    """A boolean of the address's query."""
    text = request.args.get(name)
    return default if text is None else text.lower() in TRUE_WORDS


class ApiVersion(TypedDict):
    """The number of the extension's routes."""

    version: int


class ControlNetNames(TypedDict):
    """ControlNets as ``stem [hash]``."""

    model_list: list[str]


class SliderFacts(TypedDict):
    """One number that a preprocessor takes."""

    name: str
    value: float
    min: float
    max: float
    step: float


class ModuleFacts(TypedDict):
    """What the lists tell of one preprocessor."""

    model_free: bool
    sliders: list[SliderFacts]


class ModuleNames(TypedDict):
    """Preprocessors, with the facts of each by the name that is listed."""

    module_list: list[str]
    module_detail: dict[str, ModuleFacts]


class ControlTypes(TypedDict):
    """Preprocessors, models and defaults by what they control."""

    control_types: dict[str, ControlType]


class UnitCount(TypedDict):
    """How many units a request may have."""

    control_net_unit_count: int


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("controlnet", __name__, url_prefix="/controlnet")
    add_lists(routes, services)
    add_settings(routes, services)
    add_detection(routes, services)
    return routes


def add_lists(routes: Blueprint, services: Services) -> None:
    """ControlNets and preprocessors."""

    @routes.get("/version")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Version of these routes", answer=ApiVersion))
    def version() -> Response:
        """The extension's number, which its clients compare."""
        return jsonify({"version": API_VERSION})

    @routes.get("/model_list")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "ControlNets",
            answer=ControlNetNames,
            query={"update": {"type": "boolean", "default": True}},
        )
    )
    def model_list() -> Response:
        """Every ControlNet as ``stem [hash]``; ``update`` looks at the folders first."""
        return jsonify({"model_list": controlnet_names(services, fresh=query_flag("update", True))})

    @routes.get("/module_list")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "Preprocessors; a network of its own needs weights in models/ControlNet-annotators",
            answer=ModuleNames,
            query={"alias_names": {"type": "boolean", "default": False}},
        )
    )
    def module_list() -> Response:
        """Every preprocessor of the extension, by name or by label, with its sliders."""
        by_label = query_flag("alias_names", False)
        all_modules = (*MODULES, *services.plugins.preprocessors().values())
        modules = {module.label if by_label else module.name: module for module in all_modules}
        details = {name: module_json(module) for name, module in modules.items()}
        return jsonify({"module_list": list(modules), "module_detail": details})


def add_settings(routes: Blueprint, services: Services) -> None:
    """Kinds of control, and how many units there may be."""

    @routes.get("/control_types")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Preprocessors and ControlNets by what they control", answer=ControlTypes))
    def control_types() -> Response:
        """Each kind of control with its preprocessors' labels, ControlNets and defaults."""
        names = controlnet_names(services, fresh=False)
        all_modules = (*MODULES, *services.plugins.preprocessors().values())
        return jsonify(
            {"control_types": {tag: control_type(tag, names, all_modules) for tag in TAGS}}
        )

    @routes.get("/settings")
    @requires(AccessScope.READ)
    @with_note(RouteNote("How many units a request may have", answer=UnitCount))
    def settings() -> Response:
        """The option of that name."""
        count = services.options.get().get("control_net_unit_count", DEFAULT_UNIT_COUNT)
        return jsonify({"control_net_unit_count": count})


def add_detection(routes: Blueprint, services: Services) -> None:
    """The maps of pictures."""

    @routes.post("/detect")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Draw the maps of pictures", body=DetectBody, answer=DetectedMaps))
    def detect() -> Response:
        """Through the queue, as every work is."""
        return to_response(
            submission.submit_and_wait(
                services, to_frame(services, read_body(DetectBody, read_json_body()))
            )
        )


def to_frame(services: Services, body: DetectBody) -> Frame:
    """Check a body; the frame that asks a worker for it."""
    control_units = read_units(services, body)
    megapixels = sum(map(map_megapixels, control_units))
    check_workload(megapixels, services.config.max_job_megapixel_steps, "The preprocessor")
    return Frame(
        id=uuid4().hex,
        kind=DETECT,
        body=DETECTIONS.dump_json(QueuedDetection(control_units, user_name())),
        owner=caller().name,
        tags={ROUTE_TAG: "detect"},
        work=megapixels,
    )


def read_units(services: Services, body: DetectBody) -> tuple[ControlUnit, ...]:
    """A unit for each picture. Raises ``Refused`` and ``BadRequest`` naming the field."""
    module = find_preprocessor(services, body)
    images = body.controlnet_input_images or body.controlnet_images
    if not images:
        raise Refused("No image selected", "no_picture", "controlnet_input_images")
    if len(images) > MAX_PICTURES:
        text = f"controlnet_input_images: {len(images)}; at most {MAX_PICTURES}."
        raise Refused(text, "too_many", count=len(images), most=MAX_PICTURES, what="pictures")
    masks = read_pictures(services, "controlnet_masks", body.controlnet_masks)
    if module.reads_mask and len(masks) != len(images):
        text = f"Preprocessor {body.controlnet_module} requires `controlnet_masks` param."
        raise Refused(text, "missing", "controlnet_masks")
    resolution = effective_number(module.resolution_slider, body.controlnet_processor_res)
    return tuple(
        ControlUnit(
            module=module.name,
            image=image,
            mask=masks[place] if module.reads_mask else None,
            processor_res=resolution,
            threshold_a=effective_number(module.a, body.controlnet_threshold_a),
            threshold_b=effective_number(module.b, body.controlnet_threshold_b),
        )
        for place, image in enumerate(read_pictures(services, "controlnet_input_images", images))
    )


def find_preprocessor(services: Services, body: DetectBody) -> Module:
    """The preprocessor that a body names, where it can draw a map here."""
    plugin_modules = services.plugins.preprocessors()
    module = find_module(body.controlnet_module, plugin_modules)
    if module is None:
        why = services.plugins.absent_plugin("preprocessors", body.controlnet_module)
        text = f"controlnet_module: {why}" if why else "Module not available"
        code = "plugin_off" if why else "unknown_name"
        raise Refused(text, code, "controlnet_module", value=body.controlnet_module)
    if module.name in NOT_FOR_MAPS or module.is_image_prompt:
        raise Refused("Module not supported", "not_implemented", "controlnet_module")
    preprocessor = known_module(body.controlnet_module, "controlnet_module", plugin_modules)
    find_network_files(preprocessor, services.registry, "controlnet_module")
    if preprocessor.from_plugin:
        numbers = [float(getattr(body, name)) for name in NUMBERS]
        check_numbers(preprocessor, numbers, NUMBERS)
    return preprocessor


def read_pictures(services: Services, field: str, texts: Iterable[str]) -> list[str]:
    """Base64 of pictures that were opened once."""
    return [picture_reader(services)(f"{field}[{place}]", text) for place, text in enumerate(texts)]


def controlnet_names(services: Services, *, fresh: bool) -> list[str]:
    """The names of the ControlNets."""
    return list(
        models_by_title(services.registry.refresh_still() if fresh else services.registry.index)
    )


def module_json(module: Module) -> ModuleFacts:
    """What the lists tell of one preprocessor."""
    sliders = [slider_json(slider) for slider in module.sliders]
    return {"model_free": module.model_free, "sliders": sliders}


def slider_json(slider: Slider) -> SliderFacts:
    """One number that a preprocessor takes."""
    return {
        "name": slider.name,
        "value": slider.value,
        "min": slider.least,
        "max": slider.most,
        "step": slider.step,
    }
