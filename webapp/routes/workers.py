"""``GET /api/v1/workers``: the workers that live."""

import time
from collections.abc import Collection

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from generator.models.kinds import ModelKind
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.routes.context import caller
from webapp.routes.tasks import frames_of
from webapp.services import Services


class WorkerEntry(TypedDict):
    """A worker. ``state``: starting, loading, idle, working or draining.

    ``models``: titles of the checkpoints in its memory, the last used first, of those that the
    caller may use. ``job``: the caller's
    own, null for another's. ``host``, ``pid`` and ``models_folder``: for the owner alone.
    ``version``: of its Easel. ``joined``: started by itself, on this machine or another; it can be
    drained. ``heartbeat``: unix seconds of its last one; ``age``: seconds since. ``memory`` in
    bytes.
    """

    id: str
    device: str
    host: str | None
    pid: int | None
    state: str
    models: list[str]
    job: str | None
    version: str
    models_folder: str | None
    joined: bool
    heartbeat: float
    age: float
    memory: dict[str, int]


class WorkerList(TypedDict):
    """The workers seen in the last 15 seconds."""

    workers: list[WorkerEntry]


def blueprint(services: Services) -> Blueprint:
    """The route."""
    routes = Blueprint("workers", __name__)

    @routes.get("/api/v1/workers")
    @requires(AccessScope.READ)
    @with_note(RouteNote("The workers that live", answer=WorkerList))
    def workers() -> Response:
        """By name; one that has said nothing for 15 seconds is left out."""
        living = services.heartbeats.workers()
        own, known = own_jobs(services), known_titles(services)
        return jsonify({"workers": [worker_entry(each, own, known) for each in living]})

    return routes


def own_jobs(services: Services) -> Collection[str] | None:
    """The jobs that the caller may know of; None for all."""
    return None if caller().is_owner else {f.id for f in frames_of(services, caller())}


def known_titles(services: Services) -> Collection[str] | None:
    """The checkpoints that the caller may know of; None for all."""
    if not services.trees.current().name:
        return None
    return {file.title for file in services.registry.index.files_of(ModelKind.CHECKPOINT)}


def worker_entry(
    worker: WorkerState, own: Collection[str] | None, known: Collection[str] | None
) -> WorkerEntry:
    """What is told of a worker to who may know of ``own`` jobs and ``known`` checkpoints."""
    models = filter(None, (worker.checkpoint, *worker.also_loaded))
    is_owner = own is None
    return {
        "id": worker.id.handle,
        "device": worker.id.device,
        "host": worker.id.host if is_owner else None,
        "pid": worker.id.pid if is_owner else None,
        "state": worker.state,
        "models": [each for each in models if known is None or each in known],
        "job": (worker.job or None) if own is None or worker.job in own else None,
        "version": worker.version,
        "models_folder": worker.models_folder if is_owner else None,
        "joined": worker.joined,
        "heartbeat": worker.seen_at,
        "age": max(time.time() - worker.seen_at, 0.0),
        "memory": dict(worker.memory),
    }
