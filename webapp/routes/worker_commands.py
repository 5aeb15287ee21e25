"""Commands for every worker (drop or load weights), answered when all have carried them out."""

import time
from collections.abc import Sequence
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request

from webapp.access.scopes import AccessScope, requires
from webapp.errors import Draining, Forbidden
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.queues.contracts.heartbeats import Heartbeats
from webapp.queues.contracts.worker_commands import LOAD, UNLOAD, WorkerCommand, WorkerCommands
from webapp.queues.drain import is_draining
from webapp.queues.worker_id import WorkerId
from webapp.routes.context import caller
from webapp.routes.submission import CallerLeft, has_caller_left
from webapp.services import Services

CHECK_SECONDS = 0.05  # seconds between two looks at whether it is done


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("errands", __name__, url_prefix="/sdapi/v1")

    @routes.post("/unload-checkpoint")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote(
            "Drop the weights of every worker; the next picture loads them", answer=EMPTY_SCHEMA
        )
    )
    def unload() -> Response:
        """Between two jobs; answered when it is done."""
        check_may_command(services)
        return run_everywhere(services, WorkerCommand(uuid4().hex, UNLOAD))

    @routes.post("/reload-checkpoint")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("Have the chosen checkpoint in every worker's memory", answer=EMPTY_SCHEMA)
    )
    def reload() -> Response:
        """Between two jobs; answered when it is done."""
        check_may_command(services)
        return run_everywhere(
            services, WorkerCommand(uuid4().hex, LOAD, selected_checkpoint(services))
        )

    return routes


def check_may_command(services: Services) -> None:
    """Raise ``Forbidden`` for a user among others: what workers hold, they hold for all."""
    if services.trees.current().name:
        raise Forbidden("The weights in memory are those of all users: only an admin may ask this.")


def selected_checkpoint(services: Services) -> str:
    """The title of the checkpoint that the options name. Raises ``ModelNotFound``."""
    name = str(services.options.get().get("sd_model_checkpoint") or "")
    return services.registry.find_chosen(name).title


def run_everywhere(services: Services, command: WorkerCommand) -> Response:
    """Send a command to each live worker, and wait until all have run it."""
    send_to_all(services, command)
    return jsonify({})


def send_to_all(services: Services, command: WorkerCommand) -> None:
    """As :func:`run_everywhere`, without an answer. Raises ``CallerLeft``."""
    commands, heartbeats = services.worker_commands, services.heartbeats
    if is_draining(commands):
        raise Draining("The service is being stopped.")
    with services.waiting_limit.hold(caller()):
        workers = [worker.id for worker in heartbeats.workers()]
        for worker in workers:
            commands.send_command(worker, command)
        while is_pending(commands, heartbeats, workers, command):
            if has_caller_left(request.environ):
                raise CallerLeft
            time.sleep(CHECK_SECONDS)


def is_pending(
    commands: WorkerCommands,
    heartbeats: Heartbeats,
    workers: Sequence[WorkerId],
    command: WorkerCommand,
) -> bool:
    """Whether a live worker has this command pending."""
    pending = [worker for worker in workers if commands.pending_command(worker) == command]
    return bool(pending) and not {worker.id for worker in heartbeats.workers()}.isdisjoint(pending)
