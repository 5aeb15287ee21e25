"""Liveness and readiness probes, open to everybody."""

from typing import NotRequired

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.queues.drain import is_draining
from webapp.queues.errors import QueueError
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
            "200 once a worker can draw, or a job would start one; else 503",
            answer=ProbeState,
            public=True,
            also={"503": ProbeState},
        )
    )
    def readyz() -> tuple[Response, int]:
        """Whether a request would be drawn now."""
        try:
            return find_readiness(services)
        except QueueError as error:
            return jsonify({"status": "no queue", "reason": str(error)}), 503

    return routes


def find_readiness(services: Services) -> tuple[Response, int]:
    """Whether a request would be drawn now. Raises ``QueueError`` where the store is not there."""
    if why := services.queue.loss_reason():
        return jsonify({"status": "no queue", "reason": why}), 503
    if is_draining(services.service_notices):
        answer = jsonify({"status": "draining"})
        answer.headers["Retry-After"] = "30"
        return answer, 503
    states = {worker.state for worker in services.heartbeats.workers()}
    if not states.isdisjoint(READY_STATES):
        return jsonify({"status": "ready"}), 200
    if services.overview.wakes_workers:
        return jsonify({"status": "asleep"}), 200
    return jsonify({"status": "no worker"}), 503
