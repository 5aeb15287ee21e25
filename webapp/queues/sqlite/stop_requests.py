"""Stop requests of running jobs, in the table ``stops``."""

import sqlite3
import time

from generator.request import Stop
from webapp.queues.sqlite.part import StorePart


class SqliteStopRequests(StorePart):
    """See the contract of ``StopRequests``."""

    def request_stop(self, job: str, stop: Stop) -> None:
        """Store a stop request for a job; ``Stop.NO`` withdraws it."""
        self.database.retry_with_ballast(lambda: self._write_stop_request(job, stop))

    def _write_stop_request(self, job: str, stop: Stop) -> None:
        with self.database.write_transaction() as db:
            if stop is Stop.NO:
                db.execute("DELETE FROM stops WHERE job = ?", (job,))
            else:
                db.execute(
                    "INSERT OR REPLACE INTO stops (job, stop, asked_at) VALUES (?, ?, ?)",
                    (job, stop.value, time.time()),
                )

    def take_stop_request(self, job: str) -> Stop:
        """The stop request for this job; SKIP is cleared by reading it, INTERRUPT stays."""
        with self.database.read_connection() as db:
            row = db.execute("SELECT stop FROM stops WHERE job = ?", (job,)).fetchone()
        stop = Stop.NO if row is None else Stop(row["stop"])
        if stop is Stop.SKIP:  # not told where it cannot be taken back: each step would skip
            with self.database.write_transaction() as db:
                db.execute("DELETE FROM stops WHERE job = ? AND stop = ?", (job, stop.value))
        return stop

    def delete_old_stop_requests(self, db: sqlite3.Connection, moment: float) -> None:
        """Drop what is older than ``moment`` (unix seconds), in a transaction of the caller's."""
        db.execute("DELETE FROM stops WHERE asked_at < ?", (moment,))
