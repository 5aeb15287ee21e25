"""Commands for workers, in the table ``errands``."""

import sqlite3
import time

from webapp.queues.contracts.worker_commands import WorkerCommand
from webapp.queues.sqlite.part import StorePart
from webapp.queues.worker_id import WorkerId

UPSERT_COMMAND = """
INSERT OR REPLACE INTO errands (worker, id, verb, checkpoint, asked_at) VALUES (?, ?, ?, ?, ?)
"""


class SqliteWorkerCommands(StorePart):
    """See the contract of ``WorkerCommands``."""

    def send_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """Give a worker a command; it takes the place of one that it has not done yet."""
        facts = (str(worker), command.id, command.verb, command.checkpoint, time.time())
        with self.database.write_transaction() as db:
            db.execute(UPSERT_COMMAND, facts)

    def pending_command(self, worker: WorkerId) -> WorkerCommand | None:
        """The worker's pending command, until it reports completion."""
        with self.database.read_connection() as db:
            row = db.execute(
                "SELECT id, verb, checkpoint FROM errands WHERE worker = ?", (str(worker),)
            ).fetchone()
        return None if row is None else WorkerCommand(**row)

    def complete_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """The worker has done this command; a later one stays."""
        with self.database.write_transaction() as db:
            db.execute("DELETE FROM errands WHERE worker = ? AND id = ?", (str(worker), command.id))

    def delete_old_commands(self, db: sqlite3.Connection, moment: float) -> None:
        """Drop what is older than ``moment`` (unix seconds), in a transaction of the caller's."""
        db.execute("DELETE FROM errands WHERE asked_at < ?", (moment,))
