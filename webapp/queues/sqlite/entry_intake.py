"""The service's side of the input: entries that become frames, in the table ``entries``."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence

from webapp.queues.contracts.entries import INPUT, SINK, Entry
from webapp.queues.entry_terms import READING_SECONDS, entry_topic
from webapp.queues.lost_worker import entry_unreadable_body, entry_unreadable_reason
from webapp.queues.notifier import Notifier
from webapp.queues.sqlite.database import QueueDatabase
from webapp.queues.sqlite.entry_rows import (
    ENTRY_COLUMNS,
    copy_to_rear,
    deliver_result,
    entry_of,
)

SELECT_NEXT = f"""
SELECT {ENTRY_COLUMNS}, e.attempts, e.data FROM entries e
WHERE e.queue = '{INPUT}' AND e.admitted = 0 AND e.leased_until <= ? {{passed}}
ORDER BY e.priority DESC, e."index" LIMIT 1
"""
OF_ENTRY = f"WHERE request_id = ? AND queue = '{INPUT}'"


class SqliteEntryIntake:
    """See the contract of ``EntryIntake``."""

    def __init__(
        self,
        database: QueueDatabase,
        notifier: Notifier,
        clock: Callable[[], float],
        max_attempts: int,
    ) -> None:
        self.database, self.notifier, self.clock = database, notifier, clock
        self.max_attempts = max_attempts

    def take_entry(self, passed_over: Sequence[str] = (), timeout: float = 0.0) -> Entry | None:
        """The next entry that no frame was made of; see the contract."""
        until = time.monotonic() + timeout
        with self.notifier.subscribe(entry_topic(INPUT), one_of_many=True) as subscription:
            while True:
                while (row := self._find_next(passed_over)) is not None:
                    entry = self._lease(row)
                    if entry is not None:
                        return entry
                if not subscription.wait(until):
                    return None

    def _find_next(self, passed_over: Sequence[str]) -> sqlite3.Row | None:
        passed = f"AND e.owner NOT IN ({', '.join('?' * len(passed_over))})" if passed_over else ""
        with self.database.read_connection() as db:
            row: sqlite3.Row | None = db.execute(
                SELECT_NEXT.format(passed=passed), (self.clock(), *passed_over)
            ).fetchone()
        return row

    def _lease(self, row: sqlite3.Row) -> Entry | None:
        """Lease what was found; None where another was quicker, or it is a dead letter now."""
        now = self.clock()
        with self.database.write_transaction() as db:
            leased = db.execute(
                f"UPDATE entries SET leased_until = ?, attempts = attempts + 1 {OF_ENTRY}"
                " AND admitted = 0 AND leased_until <= ? RETURNING attempts",
                (now + READING_SECONDS, row["request_id"], now),
            ).fetchall()
            if not leased:
                return None
            exhausted = self.max_attempts and leased[0]["attempts"] > self.max_attempts
            if exhausted:
                why = entry_unreadable_reason(self.max_attempts)
                self._bury(db, row["request_id"], why, now)
        return None if exhausted else entry_of(row, row["data"])

    def _bury(self, db: sqlite3.Connection, request_id: str, why: str, now: float) -> None:
        copy_to_rear(db, request_id, why)
        deliver_result(db, request_id, 500, entry_unreadable_body(why), now)

    def recover(self) -> None:
        """Take entries anew whose frame is gone without an answer, or whose reader is."""
        with self.database.write_transaction() as db:
            db.execute(
                f"UPDATE entries SET admitted = 0, leased_until = 0 WHERE queue = '{INPUT}'"
                " AND (admitted = 0 OR request_id NOT IN (SELECT id FROM frames))"
            )

    def give_back_entry(self, request_id: str, seconds: float) -> None:
        """It cannot become a frame yet: not before so many seconds, uncounted."""
        with self.database.write_transaction() as db:
            db.execute(
                f"UPDATE entries SET leased_until = ?, attempts = attempts - 1 {OF_ENTRY}",
                (self.clock() + seconds, request_id),
            )

    def finish_entry(self, request_id: str, status: int, body: bytes) -> bool:
        """Put a result into the sink and remove the entry; see the contract."""
        with self.database.write_transaction() as db:
            delivered = deliver_result(db, request_id, status, body, self.clock())
        self.notifier.notify(entry_topic(SINK))
        return delivered


def admit_entry(db: sqlite3.Connection, request_id: str, more: Mapping[str, str]) -> None:
    """A frame stands for an entry from now on, with tags where the entry has none of a name."""
    row = db.execute(f"SELECT tags FROM entries {OF_ENTRY}", (request_id,)).fetchone()
    if row is not None:
        tags = json.dumps({**more, **json.loads(row["tags"])})
        db.execute(f"UPDATE entries SET admitted = 1, tags = ? {OF_ENTRY}", (tags, request_id))
