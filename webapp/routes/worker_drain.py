"""``POST /api/v1/workers/<id>/drain``: a joined worker finishes its job and leaves."""

from uuid import uuid4

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.errors import UnknownWorker, WorkerStays
from webapp.http.openapi import RouteNote, with_note
from webapp.queues.contracts.heartbeats import Heartbeats, WorkerState
from webapp.queues.contracts.worker_commands import DRAIN, WorkerCommand
from webapp.services import Services


class DrainedWorker(TypedDict):
    """A worker that takes no more jobs; it leaves the list when its job, if any, is answered."""

    id: str
    state: str


def blueprint(services: Services) -> Blueprint:
    """The route."""
    routes = Blueprint("worker_drain", __name__)

    @routes.post("/api/v1/workers/<worker>/drain")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Let a worker finish its job and leave", answer=DrainedWorker))
    def drain(worker: str) -> tuple[Response, int]:
        """Answered at once (202). Again: the same."""
        found = find_worker(services.heartbeats, worker)
        if not found.joined:
            raise WorkerStays(
                f"The worker {worker} is kept alive by the service itself, which would start it "
                "again. Only workers that joined by `webui.sh worker` can be drained."
            )
        services.worker_commands.send_command(found.id, WorkerCommand(uuid4().hex, DRAIN))
        return jsonify({"id": worker, "state": "draining"}), 202

    return routes


def find_worker(heartbeats: Heartbeats, handle: str) -> WorkerState:
    """The living worker of that handle. Raises ``UnknownWorker``."""
    living = {each.id.handle: each for each in heartbeats.workers()}
    if handle not in living:
        known = ", ".join(living) or "none"
        raise UnknownWorker(f"There is no worker {handle!r} now; the workers are: {known}.")
    return living[handle]
