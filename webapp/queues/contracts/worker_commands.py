"""Commands for workers, carried out between two jobs."""

from dataclasses import dataclass
from typing import Protocol

from webapp.queues.worker_id import WorkerId

UNLOAD, LOAD, PLUGINS, DRAIN = "unload", "load", "plugins", "drain"
"""Verbs of commands: drop all weights; have a checkpoint in memory; load the plugins anew; end
after the running job.
"""


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """A command for one worker, carried out between two jobs."""

    id: str
    verb: str
    checkpoint: str = ""  # title of what to load


class WorkerCommands(Protocol):
    """One pending command for each worker."""

    def send_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """Give a worker a command; it takes the place of one that it has not done yet."""
        ...

    def pending_command(self, worker: WorkerId) -> WorkerCommand | None:
        """What the worker shall do, until it says that it is done."""
        ...

    def complete_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """The worker has done this command; a later one stays."""
        ...
