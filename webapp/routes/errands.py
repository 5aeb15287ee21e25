"""Commands for every worker (drop or load weights), answered when all have carried them out."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request

from webapp.draining import drains
from webapp.errors import Draining
from webapp.openapi import EMPTY, Note, described
from webapp.queues.contracts import LOAD, UNLOAD, Board, Errand
from webapp.routes.context import caller, services, waiting_limit
from webapp.routes.road import CallerLeft, left
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.services import Services

errands = Blueprint("errands", __name__, url_prefix="/sdapi/v1")
PAUSE = 0.05  # seconds between two looks at whether it is done


@errands.post("/unload-checkpoint")
@allowed(Scope.USER)
@described(Note("Drop the weights of every worker; the next picture loads them", answer=EMPTY))
def unload() -> Response:
    """Between two jobs; answered when it is done."""
    return everywhere(Errand(uuid4().hex, UNLOAD))


@errands.post("/reload-checkpoint")
@allowed(Scope.USER)
@described(Note("Have the chosen checkpoint in every worker's memory", answer=EMPTY))
def reload() -> Response:
    """Between two jobs; answered when it is done."""
    return everywhere(Errand(uuid4().hex, LOAD, chosen(services())))


def chosen(here: "Services") -> str:
    """The title of the checkpoint that the options name. Raises ``ModelNotFound``."""
    name = str(here.options.get().get("sd_model_checkpoint") or "")
    return here.registry.find_chosen(name).title


def everywhere(errand: Errand) -> Response:
    """Send an errand to each worker that lives, and wait until all have done it."""
    send(errand)
    return jsonify({})


def send(errand: Errand) -> None:
    """As :func:`everywhere`, without an answer. Raises ``CallerLeft``."""
    board = services().board
    if drains(board):
        raise Draining("The service is being stopped.")
    with waiting_limit().place(caller()):
        names = [worker.worker for worker in board.workers()]
        for name in names:
            board.send(name, errand)
        while waits(board, names, errand):
            if left(request.environ):
                raise CallerLeft
            time.sleep(PAUSE)


def waits(board: Board, names: Sequence[str], errand: Errand) -> bool:
    """Whether a worker that lives has this errand still to do."""
    todo = [name for name in names if board.errand(name) == errand]
    return bool(todo) and not {worker.worker for worker in board.workers()}.isdisjoint(todo)
