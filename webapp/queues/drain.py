"""Announces by a command that the service ends: running jobs finish, waiting ones stay.

Written by the supervisor, read by the web process; imports neither Flask nor torch.
"""

import os
from collections.abc import Mapping

from webapp.process_tree import SUPERVISOR_VARIABLE
from webapp.queues.contracts.worker_commands import WorkerCommand, WorkerCommands
from webapp.queues.worker_id import WorkerId

DRAIN_RECIPIENT = WorkerId("door")
"""To whom the announcement is addressed; no worker is called so."""

DRAIN = "drain"


def announce_drain(commands: WorkerCommands) -> None:
    """Say that this supervisor's service ends."""
    commands.send_command(DRAIN_RECIPIENT, WorkerCommand(str(os.getpid()), DRAIN))


def withdraw_drain(commands: WorkerCommands) -> None:
    """Say that this supervisor's service goes on, or begins."""
    commands.complete_command(DRAIN_RECIPIENT, WorkerCommand(str(os.getpid()), DRAIN))


def is_draining(commands: WorkerCommands, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the supervisor of this process has said so; what an earlier one said is over."""
    announcement = commands.pending_command(DRAIN_RECIPIENT)
    return (
        announcement is not None
        and announcement.verb == DRAIN
        and announcement.id == environ.get(SUPERVISOR_VARIABLE)
    )
