"""Routes of gradio, Forge and SD.Next that clients probe (contract 1.13, 1.14)."""

import platform as system
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.pictures.upscaler_names import LATENT_UPSCALERS, known_upscalers
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.context import caller
from webapp.routes.model_entries import NamedEntry, VaeEntry
from webapp.services import Services
from webapp.version import VERSION

PAGES = MappingProxyType(
    {
        "model": ModelKind.CHECKPOINT,
        "lora": ModelKind.LORA,
        "embedding": ModelKind.EMBEDDING,
        "hypernetwork": ModelKind.HYPERNETWORK,
        "vae": ModelKind.VAE,
    }
)
"""SD.Next's pages of models."""


class GradioConfig(TypedDict):
    """What clients read of gradio's configuration."""

    title: str
    mode: str
    version: str
    components: list[dict[str, Any]]
    dependencies: list[object]
    enable_queue: int


class QueueStatus(TypedDict):
    """gradio's estimation message."""

    msg: str
    rank: int | None
    queue_size: int
    rank_eta: float | None


class AppVersion(TypedDict):
    """The program and its version."""

    app: str
    version: str


class PlatformFacts(TypedDict):
    """The system, Python, and the devices of the workers."""

    arch: str
    system: str
    python: str
    device: str


class DeviceEntry(TypedDict):
    """A worker; ``data`` is in MiB."""

    name: str
    data: dict[str, int]
    chart: list[int]


class NetworkEntry(TypedDict):
    """A model of any kind, in SD.Next's words."""

    name: str
    type: str
    title: str
    fullname: str
    filename: str
    hash: str | None
    preview: str | None


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("neighbours", __name__)
    add_gradio_config(routes, services)
    add_gradio_state(routes, services)
    add_forge_lists(routes, services)
    add_system_facts(routes, services)
    add_network_lists(routes, services)
    return routes


def add_gradio_config(routes: Blueprint, services: Services) -> None:
    """gradio's configuration."""

    @routes.get("/config")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote("What gradio's page tells, as far as clients read it", answer=GradioConfig)
    )
    def config() -> Response:
        """The keys and lists that clients read; Easel's page is none of gradio's."""
        index = services.registry.index
        upscalers = (
            *known_upscalers(services.registry),
            *services.plugins.choices("upscalers"),
        )
        lists = (
            ("txt2img_hr_upscaler", "Upscaler", [*LATENT_UPSCALERS, *upscalers], "Latent"),
            (
                "setting_sd_lora",
                "Add network to prompt",
                ["", *stems_of(index.files_of(ModelKind.LORA))],
                "",
            ),
            (
                "setting_sd_hypernetwork",
                "Add hypernetwork to prompt",
                ["None", *stems_of(index.files_of(ModelKind.HYPERNETWORK))],
                "None",
            ),
        )
        return jsonify(
            {
                "title": "Easel",
                "mode": "easel",
                "version": VERSION,
                "components": [
                    dropdown_json(number, *each) for number, each in enumerate(lists, 1)
                ],
                "dependencies": [],
                "enable_queue": 1,
            }
        )


def add_gradio_state(routes: Blueprint, services: Services) -> None:
    """Who asks, and how long the queue is."""

    @routes.get("/user")
    @requires(AccessScope.READ)
    @with_note(RouteNote("The caller's name, null for the owner", answer=str | None))
    def user() -> Response:
        """Who is logged in."""
        return jsonify(None if caller().is_owner else caller().name)

    @routes.get("/queue/status")
    @requires(AccessScope.READ)
    @with_note(RouteNote("How many jobs wait", answer=QueueStatus))
    def queue_status() -> Response:
        """gradio's estimation message; nobody's rank is known without a job."""
        depth = services.queue.depth()
        waiting = depth.waiting + depth.running
        return jsonify({"msg": "estimation", "rank": None, "queue_size": waiting, "rank_eta": None})


def add_forge_lists(routes: Blueprint, services: Services) -> None:
    """Forge's list of VAEs."""

    @routes.get("/sdapi/v1/sd-modules")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Forge's list of VAEs", answer=list[VaeEntry]))
    def sd_modules() -> Response:
        """As ``sd-vae``: Forge's other modules, text encoders, come with a checkpoint here."""
        files = services.registry.index.files_of(ModelKind.VAE)
        return jsonify([{"model_name": f.vae_name, "filename": str(f.path)} for f in files])


def add_system_facts(routes: Blueprint, services: Services) -> None:
    """SD.Next's questions for version, system and devices."""

    @routes.get("/sdapi/v1/version")
    @requires(AccessScope.READ)
    @with_note(RouteNote("SD.Next's question for the version", answer=AppVersion))
    def version() -> Response:
        """Easel's own."""
        return jsonify({"app": "easel", "version": VERSION})

    @routes.get("/sdapi/v1/platform")
    @requires(AccessScope.READ)
    @with_note(RouteNote("SD.Next's question for the system", answer=PlatformFacts))
    def platform() -> Response:
        """The system, Python, and the devices of the workers."""
        devices = [worker.id.device for worker in services.heartbeats.workers()]
        return jsonify(
            {
                "arch": system.machine(),
                "system": system.system(),
                "python": system.python_version(),
                "device": ", ".join(devices),
            }
        )

    @routes.get("/sdapi/v1/gpu")
    @requires(AccessScope.READ)
    @with_note(RouteNote("SD.Next's question for the devices", answer=list[DeviceEntry]))
    def gpu() -> Response:
        """One entry a worker; what it holds is in MiB."""
        return jsonify(
            [
                {
                    "name": worker.id.device,
                    "data": {name: count >> 20 for name, count in worker.memory.items()},
                    "chart": [0, 0],
                }
                for worker in services.heartbeats.workers()
            ]
        )


def add_network_lists(routes: Blueprint, services: Services) -> None:
    """SD.Next's lists of models, detectors and networks."""

    @routes.get("/sdapi/v1/extra-networks")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "SD.Next's list of models of every kind",
            answer=list[NetworkEntry],
            query={name: {"type": "string"} for name in ("page", "name")},
        )
    )
    def extra_networks() -> Response:
        """All of them, or those of one ``page`` or ``name``."""
        page, name = request.args.get("page"), request.args.get("name")
        index = services.registry.index
        kinds = {word: kind for word, kind in PAGES.items() if page in (None, "", word)}
        entries = [
            network_json(word, file)
            for word, kind in kinds.items()
            for file in index.files_of(kind)
        ]
        return jsonify([entry for entry in entries if name in (None, "", entry["name"])])

    @routes.get("/sdapi/v1/detailers")
    @requires(AccessScope.READ)
    @with_note(RouteNote("SD.Next's list of detectors: none", answer=list[NamedEntry]))
    def detailers() -> Response:
        """Easel has none of its own."""
        return jsonify([])

    @routes.get("/sdapi/v1/unets")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote("SD.Next's list of networks without a text model: none", answer=list[NamedEntry])
    )
    def unets() -> Response:
        """Easel draws with whole checkpoints."""
        return jsonify([])


def stems_of(files: Sequence[ModelFile]) -> list[str]:
    """What prompts call them."""
    return [file.stem for file in files]


def dropdown_json(
    number: int, name: str, label: str, choices: list[str], value: str
) -> dict[str, Any]:
    """One of gradio's components, as far as clients read it: they look for ``elem_id``."""
    props = {"elem_id": name, "label": label, "choices": choices, "value": value}
    return {"id": number, "type": "dropdown", "props": {**props, "name": "dropdown"}}


def network_json(page: str, file: ModelFile) -> NetworkEntry:
    """One entry, its keys as SD.Next has them."""
    return {
        "name": file.stem,
        "type": page,
        "title": file.title,
        "fullname": str(file.path),
        "filename": str(file.path),
        "hash": file.shorthash,
        "preview": None,
    }
