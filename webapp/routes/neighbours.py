"""Routes of gradio, Forge and SD.Next that clients probe (contract 1.13, 1.14)."""

import platform as system
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from flask import Blueprint, Response, jsonify, request

from generator.models.index import ModelFile
from generator.models.kinds import Kind
from generator.pictures.upscaler_names import LATENT_UPSCALERS, known_upscalers
from webapp.openapi import Note, described
from webapp.routes.context import caller, services
from webapp.scopes import Scope, allowed
from webapp.version import VERSION

neighbours = Blueprint("neighbours", __name__)
OBJECT = {"type": "object"}
LIST = {"type": "array", "items": OBJECT}
PAGES = MappingProxyType(
    {
        "model": Kind.CHECKPOINT,
        "lora": Kind.LORA,
        "embedding": Kind.EMBEDDING,
        "hypernetwork": Kind.HYPERNETWORK,
        "vae": Kind.VAE,
    }
)
"""SD.Next's pages of models."""


@neighbours.get("/config")
@allowed(Scope.READ)
@described(Note("What gradio's page tells, as far as clients read it", answer=OBJECT))
def config() -> Response:
    """The keys and lists that clients read; Easel's page is none of gradio's."""
    here = services()
    index = here.registry.index
    upscalers = (*known_upscalers(here.registry), *here.plugins.choices("upscalers"))
    lists = (
        ("txt2img_hr_upscaler", "Upscaler", [*LATENT_UPSCALERS, *upscalers], "Latent"),
        ("setting_sd_lora", "Add network to prompt", ["", *stems(index.of(Kind.LORA))], ""),
        (
            "setting_sd_hypernetwork",
            "Add hypernetwork to prompt",
            ["None", *stems(index.of(Kind.HYPERNETWORK))],
            "None",
        ),
    )
    return jsonify(
        {
            "title": "Easel",
            "mode": "easel",
            "version": VERSION,
            "components": [dropdown(number, *each) for number, each in enumerate(lists, 1)],
            "dependencies": [],
            "enable_queue": 1,
        }
    )


def stems(files: Sequence[ModelFile]) -> list[str]:
    """What prompts call them."""
    return [file.stem for file in files]


def dropdown(number: int, name: str, label: str, choices: list[str], value: str) -> dict[str, Any]:
    """One of gradio's components, as far as clients read it: they look for ``elem_id``."""
    props = {"elem_id": name, "label": label, "choices": choices, "value": value}
    return {"id": number, "type": "dropdown", "props": {**props, "name": "dropdown"}}


@neighbours.get("/user")
@allowed(Scope.READ)
@described(
    Note("The caller's name, null for the owner", answer={"type": "string", "nullable": True})
)
def user() -> Response:
    """Who is logged in."""
    return jsonify(None if caller().owner else caller().name)


@neighbours.get("/queue/status")
@allowed(Scope.READ)
@described(Note("How many jobs wait", answer=OBJECT))
def queue_status() -> Response:
    """gradio's estimation message; nobody's rank is known without a job."""
    waiting = len(services().stream.waiting())
    return jsonify({"msg": "estimation", "rank": None, "queue_size": waiting, "rank_eta": None})


@neighbours.get("/sdapi/v1/sd-modules")
@allowed(Scope.READ)
@described(Note("Forge's list of VAEs", answer=LIST))
def sd_modules() -> Response:
    """As ``sd-vae``: Forge's other modules, text encoders, come with a checkpoint here."""
    files = services().registry.index.of(Kind.VAE)
    return jsonify([{"model_name": f.vae_name, "filename": str(f.path)} for f in files])


@neighbours.get("/sdapi/v1/version")
@allowed(Scope.READ)
@described(Note("SD.Next's question for the version", answer=OBJECT))
def version() -> Response:
    """Easel's own."""
    return jsonify({"app": "easel", "version": VERSION})


@neighbours.get("/sdapi/v1/platform")
@allowed(Scope.READ)
@described(Note("SD.Next's question for the system", answer=OBJECT))
def platform() -> Response:
    """The system, Python, and the devices of the workers."""
    devices = [worker.worker.partition("@")[0] for worker in services().board.workers()]
    return jsonify(
        {
            "arch": system.machine(),
            "system": system.system(),
            "python": system.python_version(),
            "device": ", ".join(devices),
        }
    )


@neighbours.get("/sdapi/v1/gpu")
@allowed(Scope.READ)
@described(Note("SD.Next's question for the devices", answer=LIST))
def gpu() -> Response:
    """One entry a worker; what it holds is in MiB."""
    return jsonify(
        [
            {
                "name": worker.worker.partition("@")[0],
                "data": {name: count >> 20 for name, count in worker.memory.items()},
                "chart": [0, 0],
            }
            for worker in services().board.workers()
        ]
    )


@neighbours.get("/sdapi/v1/extra-networks")
@allowed(Scope.READ)
@described(
    Note(
        "SD.Next's list of models of every kind",
        answer=LIST,
        query={name: {"type": "string"} for name in ("page", "name")},
    )
)
def extra_networks() -> Response:
    """All of them, or those of one ``page`` or ``name``."""
    page, name = request.args.get("page"), request.args.get("name")
    index = services().registry.index
    kinds = {word: kind for word, kind in PAGES.items() if page in (None, "", word)}
    entries = [network(word, file) for word, kind in kinds.items() for file in index.of(kind)]
    return jsonify([entry for entry in entries if name in (None, "", entry["name"])])


def network(page: str, file: ModelFile) -> dict[str, object]:
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


@neighbours.get("/sdapi/v1/detailers")
@allowed(Scope.READ)
@described(Note("SD.Next's list of detectors: none", answer=LIST))
def detailers() -> Response:
    """Easel has none of its own."""
    return jsonify([])


@neighbours.get("/sdapi/v1/unets")
@allowed(Scope.READ)
@described(Note("SD.Next's list of networks without a text model: none", answer=LIST))
def unets() -> Response:
    """Easel draws with whole checkpoints."""
    return jsonify([])
