"""Announces by a command that the service ends: running jobs finish, waiting ones stay.

Written by the supervisor, read by the web process; imports neither Flask nor torch.
"""

import os
from collections.abc import Mapping

from webapp.process_tree import SUPERVISOR_VARIABLE
from webapp.queues.contracts.worker_commands import WorkerCommand, WorkerCommands
from webapp.queues.worker_id import WorkerId

DOOR = "door"
"""To whom the announcement is addressed, a supervisor's each; no worker is called so."""

DRAIN = "drain"


def recipient_of(supervisor: int) -> WorkerId:
    """The web process of a supervisor of this machine: others' services go on."""
    return WorkerId.of_process(DOOR, supervisor)


def announce_drain(commands: WorkerCommands) -> None:
    """Say that this supervisor's service ends."""
    own = os.getpid()
    commands.send_command(recipient_of(own), WorkerCommand(str(own), DRAIN))


def withdraw_drain(commands: WorkerCommands) -> None:
    """Say that this supervisor's service goes on, or begins."""
    own = os.getpid()
    commands.complete_command(recipient_of(own), WorkerCommand(str(own), DRAIN))


def is_draining(commands: WorkerCommands, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the supervisor of this process has said so; what an earlier one said is over."""
    supervisor = environ.get(SUPERVISOR_VARIABLE, "")
    if not supervisor.isdigit():
        return False
    announcement = commands.pending_command(recipient_of(int(supervisor)))
    return announcement is not None and announcement.verb == DRAIN
