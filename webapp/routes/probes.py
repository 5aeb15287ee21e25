"""Liveness and readiness probes, open to everybody."""

from flask import Blueprint, Response, jsonify

from webapp.draining import drains
from webapp.openapi import EMPTY, Note, described
from webapp.routes.context import services
from webapp.scopes import Scope, allowed

probes = Blueprint("probes", __name__)
STATE = {
    "type": "object",
    "properties": {"status": {"type": "string"}, "reason": {"type": "string"}},
}
ABLE = ("idle", "loading", "working")


@probes.get("/internal/ping")
@allowed(Scope.PUBLIC)
@described(Note("Answers when the web process does", answer=EMPTY, public=True))
def ping() -> Response:
    """Nothing but an answer."""
    return jsonify({})


@probes.get("/healthz")
@allowed(Scope.PUBLIC)
@described(Note("200 while the web process lives", answer=STATE, public=True))
def healthz() -> Response:
    """The web process is alive."""
    return jsonify({"status": "ok"})


@probes.get("/readyz")
@allowed(Scope.PUBLIC)
@described(
    Note("200 once a worker can draw, else 503", answer=STATE, public=True, also={"503": STATE})
)
def readyz() -> tuple[Response, int]:
    """Whether a request would be drawn now."""
    board = services().board
    if why := services().stream.lost():
        return jsonify({"status": "no queue", "reason": why}), 503
    if drains(board):
        answer = jsonify({"status": "draining"})
        answer.headers["Retry-After"] = "30"
        return answer, 503
    states = {worker.state for worker in board.workers()}
    ready = not states.isdisjoint(ABLE)
    return jsonify({"status": "ready" if ready else "no worker"}), 200 if ready else 503
