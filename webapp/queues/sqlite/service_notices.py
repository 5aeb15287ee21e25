"""Whose queue it is, in the table ``service_notice`` of one row."""

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

    def delete_old_notice(self, db: sqlite3.Connection, moment: float) -> None:
        """Drop it where it is older than ``moment`` (unix seconds), in a caller's transaction."""
        db.execute("DELETE FROM service_notice WHERE said_at < ?", (moment,))
