"""One consumer's session at an entry queue."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from webapp.queues.contracts.entries import ConsumerName, Entry, WatchEnded, WatchTerms
from webapp.queues.sqlite import entry_groups
from webapp.queues.sqlite.entry_rows import entry_of, entry_topic, filter_condition

if TYPE_CHECKING:
    import sqlite3

    from webapp.queues.sqlite.entries import SqliteEntryQueue

MAX_BATCH = 8  # entries taken at once: they are in memory until they are sent
BEAT_SECONDS = 2.0  # between two signs of life
SESSION = "queue = ? AND consumers = ? AND name = ? AND session = ?"


class SqliteWatch:
    """See the contract of ``Watch``; for one thread."""

    def __init__(
        self,
        queue: "SqliteEntryQueue",
        consumer: ConsumerName,
        terms: WatchTerms,
        start: int,
        session: str,
    ) -> None:
        self.queue, self.consumer, self.terms = queue, consumer, terms
        self._key = (queue.name, consumer.group, consumer.name, session)
        condition, values = filter_condition(terms.filter)
        self._condition = f' AND e."index" >= ? AND e.held_until <= ?{condition}'
        self._start, self._values = start, values
        self._beat_at = time.monotonic()
        self._unsent: set[int] = set()

    def take(self, timeout: float) -> Sequence[Entry]:
        """The next entries; see the contract. Raises ``WatchEnded``."""
        until = time.monotonic() + timeout
        with self.queue.notifier.subscribe(entry_topic(self.queue.name)) as subscription:
            while True:
                entries = self._claim() if self._is_due() else ()
                if entries or not subscription.wait(until):
                    return entries

    def _parameters(self, now: float) -> tuple[object, ...]:
        return (self._start, now, *self._values)

    def _is_due(self) -> bool:
        """Whether there is something to write; no lock on the file while there is not."""
        now, group = self.queue.clock(), self.consumer.group
        with self.queue.database.read_connection() as db:
            row = db.execute(
                f"SELECT stopping FROM entry_consumers WHERE {SESSION}", self._key
            ).fetchone()
            if row is None:
                raise WatchEnded
            available = (
                not row["stopping"]
                and db.execute(
                    f"SELECT 1 {entry_groups.select_available(self._condition)} LIMIT 1",
                    (group, self.queue.name, *self._parameters(now)),
                ).fetchone()
            )
            if not available and self._is_stream_over(db):
                raise WatchEnded
            stale = db.execute(
                f"SELECT 1 FROM entry_deliveries WHERE {entry_groups.STALE} LIMIT 1",
                entry_groups.moments(self.queue.name, group, now),
            ).fetchone()
            room = bool(available) and self._room(db) > 0
        return room or bool(stale) or time.monotonic() - self._beat_at >= BEAT_SECONDS

    def _is_stream_over(self, db: "sqlite3.Connection") -> bool:
        """Whether the queue was closed and holds nothing more."""
        row = db.execute(
            "SELECT closed AND length = 0 FROM entry_queues WHERE queue = ?", (self.queue.name,)
        ).fetchone()
        return bool(row and row[0])

    def _room(self, db: "sqlite3.Connection") -> int:
        if self.terms.auto_commit:
            return MAX_BATCH
        pending = entry_groups.count_pending(db, self.queue.name, self.consumer)
        return min(self.terms.window - pending, MAX_BATCH)

    def _claim(self) -> Sequence[Entry]:
        """Say that this consumer lives, and take what there is room for."""
        name, now = self.queue.name, self.queue.clock()
        with self.queue.database.write_transaction() as db:
            row = db.execute(
                f"UPDATE entry_consumers SET seen_at = ? WHERE {SESSION} RETURNING stopping",
                (now, *self._key),
            ).fetchall()
            if not row:
                raise WatchEnded
            entry_groups.release_stale(
                db, name, self.consumer.group, self.queue.terms.max_delivery, now
            )
            room = 0 if row[0]["stopping"] else max(self._room(db), 0)
            rows = entry_groups.claim(
                db, name, self.consumer, self._condition, self._parameters(now), room
            )
        self._beat_at = time.monotonic()
        self._unsent.update(each["index"] for each in rows)
        only = self.terms.index_only
        return [entry_of(each, b"" if only else each["data"]) for each in rows]

    def confirm(self, indexes: Sequence[int]) -> None:
        """These were sent; with ``auto_commit`` they are consumed now."""
        self._unsent.difference_update(indexes)
        if self.terms.auto_commit:
            with self.queue.database.write_transaction() as db:
                entry_groups.commit(db, self.queue.name, self.consumer.group, indexes, None)

    def leave(self) -> None:
        """The connection is gone; see the contract."""
        with self.queue.database.write_transaction() as db:
            left = db.execute(
                f"UPDATE entry_consumers SET left_at = ? WHERE {SESSION}",
                (self.queue.clock(), *self._key),
            ).rowcount
            if left:
                db.executemany(
                    "UPDATE entry_deliveries SET name = '', times = times - 1"
                    ' WHERE queue = ? AND consumers = ? AND name = ? AND "index" = ?',
                    [(*self._key[:3], index) for index in self._unsent],
                )
        self.queue.notifier.notify(entry_topic(self.queue.name))
