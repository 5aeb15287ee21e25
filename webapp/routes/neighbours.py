"""Routes of gradio that AUTOMATIC1111's clients touch to see who is there (contract 1.13)."""

from flask import Blueprint, Response, jsonify

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
@described(Note("The caller's name, null for the owner", answer={"type": "string"}))
def user() -> Response:
    """Who is logged in."""
    return jsonify(None if caller().owner else caller().name)


@neighbours.get("/queue/status")
@described(Note("How many jobs wait", answer=OBJECT))
def queue_status() -> Response:
    """gradio's estimation message; nobody's rank is known without a job."""
    waiting = len(services().stream.waiting())
    return jsonify({"msg": "estimation", "rank": None, "queue_size": waiting, "rank_eta": None})
