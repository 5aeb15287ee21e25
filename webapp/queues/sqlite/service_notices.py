"""Whose queue it is, in the table ``service_notice`` of one row; who ends, in ``service_ends``."""

import sqlite3
import time

from webapp.queues.contracts.service_notices import ServiceNotice
from webapp.queues.sqlite.part import StorePart


class SqliteServiceNotices(StorePart):
    """See the contract of ``ServiceNotices``."""

    def publish_notice(self, notice: ServiceNotice) -> None:
        """Say it, in place of what was said before."""
        facts = (notice.data_id, notice.version, notice.at, time.time())
        with self.database.write_transaction() as db:
            db.execute("INSERT OR REPLACE INTO service_notice VALUES (1, ?, ?, ?, ?)", facts)

    def read_notice(self) -> ServiceNotice | None:
        """What was said last; None where nobody has lately."""
        with self.database.read_connection() as db:
            row = db.execute("SELECT data_id, version, at FROM service_notice").fetchone()
        return None if row is None else ServiceNotice(**row)

    def announce_end(self, service: str) -> None:
        """Say that a service is ending."""
        with self.database.write_transaction() as db:
            db.execute("INSERT OR REPLACE INTO service_ends VALUES (?, ?)", (service, time.time()))

    def withdraw_end(self, service: str) -> None:
        """Say that it goes on, or begins."""
        with self.database.write_transaction() as db:
            db.execute("DELETE FROM service_ends WHERE service = ?", (service,))

    def is_ending(self, service: str) -> bool:
        """Whether it said so last."""
        query = "SELECT 1 FROM service_ends WHERE service = ?"
        with self.database.read_connection() as db:
            return db.execute(query, (service,)).fetchone() is not None

    def delete_old_notices(self, db: sqlite3.Connection, moment: float) -> None:
        """Drop what is older than ``moment`` (unix seconds), in a caller's transaction."""
        for table in ("service_notice", "service_ends"):
            db.execute(f"DELETE FROM {table} WHERE said_at < ?", (moment,))
