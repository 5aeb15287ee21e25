"""Announces on the queue's board that the service ends: running jobs finish, waiting ones stay.

Written by the supervisor, read by the web process; imports neither Flask nor torch.
"""

import os
from collections.abc import Mapping

from webapp.process_tree import SUPERVISOR_VARIABLE
from webapp.queues.contracts import Board, WorkerCommand
from webapp.queues.worker_id import WorkerId

DRAIN_RECIPIENT = WorkerId("door")
"""To whom the announcement is addressed; no worker is called so."""

DRAIN = "drain"


def announce_drain(board: Board) -> None:
    """Say that this supervisor's service ends."""
    board.send_command(DRAIN_RECIPIENT, WorkerCommand(str(os.getpid()), DRAIN))


def withdraw_drain(board: Board) -> None:
    """Say that this supervisor's service goes on, or begins."""
    board.complete_command(DRAIN_RECIPIENT, WorkerCommand(str(os.getpid()), DRAIN))


def is_draining(board: Board, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the supervisor of this process has said so; what an earlier one said is over."""
    announcement = board.pending_command(DRAIN_RECIPIENT)
    return (
        announcement is not None
        and announcement.verb == DRAIN
        and announcement.id == environ.get(SUPERVISOR_VARIABLE)
    )
