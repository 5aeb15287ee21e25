"""What the web process says of itself in its queue, for workers that join from elsewhere.

A worker that finds another data directory's id there has the wrong queue, or the wrong folder. Said
again every ``NOTICE_SECONDS``, for as long as the web process lives. No Flask, no torch.
"""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from webapp.queues.contracts.worker_commands import WorkerCommand, WorkerCommands
from webapp.queues.errors import QueueError
from webapp.queues.worker_id import WorkerId

NOTICE_RECIPIENT = WorkerId("service")
"""To whom the notice is addressed; no worker is called so."""

NOTICE = "service"
NOTICE_SECONDS = 30.0  # seconds between two notices

log = logging.getLogger("easel.queue")


@dataclass(frozen=True, slots=True)
class ServiceNotice:
    """Which data directory is served, by which Easel; ``at``: unix seconds of the web's clock."""

    data_id: str
    version: str
    at: float


def publish_notice(commands: WorkerCommands, notice: ServiceNotice) -> None:
    """Say it, in place of what was said before. Raises as the store."""
    text = json.dumps(asdict(notice))
    commands.send_command(NOTICE_RECIPIENT, WorkerCommand(notice.data_id, NOTICE, text))


def read_notice(commands: WorkerCommands) -> ServiceNotice | None:
    """What was said last; None where nobody has lately. Raises as the store."""
    command = commands.pending_command(NOTICE_RECIPIENT)
    if command is None or command.verb != NOTICE:
        return None
    try:
        facts = json.loads(command.checkpoint)
        return ServiceNotice(str(facts["data_id"]), str(facts["version"]), float(facts["at"]))
    except (ValueError, TypeError, KeyError):  # of a later Easel
        return ServiceNotice(command.id, "", 0.0)


class NoticeThread(threading.Thread):
    """Publishes a service's notice until it is stopped; a daemon."""

    def __init__(
        self,
        commands: WorkerCommands,
        data_id: str,
        version: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name="service-notice", daemon=True)
        self.commands = commands
        self.data_id = data_id
        self.version = version
        self.clock = clock
        self._stopped = threading.Event()
        self._was_told = True

    def run(self) -> None:
        """Say it now and again."""
        while True:
            self._publish()
            if self._stopped.wait(NOTICE_SECONDS):
                return

    def stop(self) -> None:
        """End the thread at its next look."""
        self._stopped.set()

    def _publish(self) -> None:
        try:
            publish_notice(self.commands, ServiceNotice(self.data_id, self.version, self.clock()))
            self._was_told = True
        except (QueueError, sqlite3.Error) as error:
            if self._was_told:  # once, not every half a minute
                log.warning("The queue does not say whose it is: %s", error)
            self._was_told = False
