"""Liveness and readiness probes, open to everybody."""

from typing import NotRequired

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.queues.drain import is_draining
from webapp.services import Services

READY_STATES = ("idle", "loading", "working")


class ProbeState(TypedDict):
    """How the service is, and why it cannot serve."""

    status: str
    reason: NotRequired[str]


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("probes", __name__)

    @routes.get("/internal/ping")
    @requires(AccessScope.PUBLIC)
    @with_note(RouteNote("Answers when the web process does", answer=EMPTY_SCHEMA, public=True))
    def ping() -> Response:
        """Nothing but an answer."""
        return jsonify({})

    @routes.get("/healthz")
    @requires(AccessScope.PUBLIC)
    @with_note(RouteNote("200 while the web process lives", answer=ProbeState, public=True))
    def healthz() -> Response:
        """The web process is alive."""
        return jsonify({"status": "ok"})

    @routes.get("/readyz")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "200 once a worker can draw, else 503",
            answer=ProbeState,
            public=True,
            also={"503": ProbeState},
        )
    )
    def readyz() -> tuple[Response, int]:
        """Whether a request would be drawn now."""
        if why := services.queue.loss_reason():
            return jsonify({"status": "no queue", "reason": why}), 503
        if is_draining(services.worker_commands):
            answer = jsonify({"status": "draining"})
            answer.headers["Retry-After"] = "30"
            return answer, 503
        states = {worker.state for worker in services.heartbeats.workers()}
        ready = not states.isdisjoint(READY_STATES)
        return jsonify({"status": "ready" if ready else "no worker"}), 200 if ready else 503

    return routes
