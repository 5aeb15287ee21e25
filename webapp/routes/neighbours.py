"""Routes of gradio, Forge and SD.Next that clients touch to see who is there (1.13, 1.14)."""

import platform as system

from flask import Blueprint, Response, jsonify

from generator.models.kinds import Kind
from webapp.openapi import Note, described
from webapp.routes.context import caller, services
from webapp.version import VERSION

neighbours = Blueprint("neighbours", __name__)
OBJECT = {"type": "object"}


@neighbours.get("/config")
@described(Note("Says that the service is there", answer=OBJECT))
def config() -> Response:
    """The few keys that clients read; Easel's page is none of gradio's."""
    return jsonify(
        {"title": "Easel", "mode": "easel", "version": VERSION, "components": [], "enable_queue": 1}
    )


@neighbours.get("/user")
@described(
    Note("The caller's name, null for the owner", answer={"type": "string", "nullable": True})
)
def user() -> Response:
    """Who is logged in."""
    return jsonify(None if caller().owner else caller().name)


@neighbours.get("/queue/status")
@described(Note("How many jobs wait", answer=OBJECT))
def queue_status() -> Response:
    """gradio's estimation message; nobody's rank is known without a job."""
    waiting = len(services().stream.waiting())
    return jsonify({"msg": "estimation", "rank": None, "queue_size": waiting, "rank_eta": None})


@neighbours.get("/sdapi/v1/sd-modules")
@described(Note("Forge's list of VAEs", answer={"type": "array", "items": OBJECT}))
def sd_modules() -> Response:
    """As ``sd-vae``: Forge's other modules, text encoders, come with a checkpoint here."""
    files = services().registry.index.of(Kind.VAE)
    return jsonify([{"model_name": f.path.name, "filename": str(f.path)} for f in files])


@neighbours.get("/sdapi/v1/version")
@described(Note("SD.Next's question for the version", answer=OBJECT))
def version() -> Response:
    """Easel's own."""
    return jsonify({"app": "easel", "version": VERSION})


@neighbours.get("/sdapi/v1/platform")
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
