"""Announces on the queue's board that the service ends: running jobs finish, waiting ones stay.

Written by the supervisor, read by the web process; imports neither Flask nor torch.
"""

import os
from collections.abc import Mapping

from webapp.family import SUPERVISOR
from webapp.queues.contracts import Board, Errand

DOOR = "door"
"""The name under which the board keeps the announcement; no worker is called so."""

DRAIN = "drain"


def announce(board: Board) -> None:
    """Say that this supervisor's service ends."""
    board.send(DOOR, Errand(str(os.getpid()), DRAIN))


def withdraw(board: Board) -> None:
    """Say that this supervisor's service goes on, or begins."""
    board.done(DOOR, Errand(str(os.getpid()), DRAIN))


def drains(board: Board, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the supervisor of this process has said so; what an earlier one said is over."""
    said = board.errand(DOOR)
    return said is not None and said.verb == DRAIN and said.id == environ.get(SUPERVISOR)
