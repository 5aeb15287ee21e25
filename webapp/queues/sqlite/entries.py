"""Entry queues in the tables ``entries`` and ``entry_queues``; watches: ``entry_watch.py``."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace

from webapp.queues.contracts.entries import (
    INPUT,
    SINK,
    ConsumerName,
    Entry,
    EntryFilter,
    EntryPosition,
    EntryQuery,
    EntryQueueClosed,
    EntryQueueFull,
    EntryQueueStatus,
    EntryShareFull,
    Watch,
    WatchTerms,
)
from webapp.queues.entry_terms import (
    MAX_GET_BYTES,
    NEWEST,
    PATIENCE_SECONDS,
    RESCAN_SECONDS,
    EntryTerms,
    entry_topic,
)
from webapp.queues.errors import QueueLost
from webapp.queues.notifier import Notifier
from webapp.queues.sqlite import entry_groups
from webapp.queues.sqlite.database import QueueDatabase
from webapp.queues.sqlite.entry_intake import SqliteEntryIntake
from webapp.queues.sqlite.entry_rows import (
    ENTRY_COLUMNS,
    entry_of,
    filter_condition,
    insert_entry,
    remove_entries,
)
from webapp.queues.sqlite.entry_watch import SqliteWatch

SELECT_LENGTHS = "SELECT queue, length, closed FROM entry_queues WHERE queue IN (?, ?)"
SELECT_SHARES = (
    "SELECT queue, length FROM entry_owners WHERE queue IN (?, ?) AND owner = ? AND length >= ?"
)


class SqliteEntryQueues:
    """See the contract of ``EntryQueues``."""

    def __init__(
        self,
        database: QueueDatabase,
        notifier: Notifier,
        clock: Callable[[], float],
        terms: EntryTerms,
    ) -> None:
        self.database, self.notifier, self.clock, self.terms = database, notifier, clock, terms
        self.intake = SqliteEntryIntake(database, notifier, clock, terms.max_delivery)

    def queue(self, name: str) -> "SqliteEntryQueue":
        """A queue by name."""
        return SqliteEntryQueue(name, self.database, self.notifier, self.clock, self.terms)


class SqliteEntryQueue:
    """See the contract of ``EntryQueue``."""

    def __init__(
        self,
        name: str,
        database: QueueDatabase,
        notifier: Notifier,
        clock: Callable[[], float],
        terms: EntryTerms,
    ) -> None:
        self.name, self.database, self.notifier = name, database, notifier
        self.clock, self.terms = clock, terms

    def _write(self) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction for a client that waits: done before it gives up, or not at all."""
        return self.database.write_transaction(PATIENCE_SECONDS)

    def put(self, entry: Entry, most_own: int | None = None) -> int:
        """Store an entry; see the contract. A full sink closes the input, too.

        Raises ``QueueLost`` where the file was removed or replaced, as the frames' queue does.
        """
        if why := self.database.loss_reason():
            raise QueueLost(f"{why} The entry was not stored; send it again in a moment.")
        with self._write() as db:
            behind = SINK if self.name == INPUT else self.name
            for queue, length, closed in db.execute(SELECT_LENGTHS, (self.name, behind)).fetchall():
                if closed and queue == self.name:
                    raise EntryQueueClosed
                if length >= self.terms.max_entries:
                    raise EntryQueueFull(queue)
            if most_own is not None:
                check_share(db, (self.name, behind), entry.owner, most_own)
            index = insert_entry(db, self.name, entry, self.clock())
        self.notifier.notify(entry_topic(self.name))
        return index

    def get(
        self,
        query: EntryQuery,
        timeout: float = 0.0,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Sequence[Entry]:
        """Entries in order of their indexes; see the contract."""
        until, rescan_at, rest = time.monotonic() + timeout, 0.0, query
        with self.notifier.subscribe(entry_topic(self.name)) as subscription:
            while True:
                if time.monotonic() >= rescan_at:  # what was held may have been let go
                    rescan_at, rest = time.monotonic() + RESCAN_SECONDS, query
                with self.database.read_connection() as db:
                    newest = last_index(db)
                    entries = self._read(db, rest)
                if entries and query.hold:
                    entries = self._hold(rest)
                if entries or timeout <= 0:
                    return entries
                on_wait()
                if not subscription.wait(until):
                    return entries
                if query.index != NEWEST:  # the others do not fit: they are not read at each put
                    rest = replace(query, index=max(query.index, newest + 1))

    def _read(self, db: sqlite3.Connection, query: EntryQuery) -> Sequence[Entry]:
        condition, values = filter_condition(query.filter)
        if query.index == NEWEST:
            order, length, start = "DESC", 1, 0
        else:
            order, length, start = "ASC", query.length, query.index
        sql = (
            f"SELECT {ENTRY_COLUMNS}, e.data FROM entries e WHERE e.queue = ?"
            f' AND e."index" >= ? AND e.held_until <= ?{condition}'
            f' ORDER BY e."index" {order} LIMIT ?'
        )
        parameters = (self.name, start, self.clock(), *values, length)
        entries: list[Entry] = []
        with closing(db.execute(sql, parameters)) as rows:
            for row in rows:
                entries.append(entry_of(row, row["data"]))
                if sum(len(each.data) for each in entries) >= MAX_GET_BYTES:
                    break
        return entries

    def _hold(self, query: EntryQuery) -> Sequence[Entry]:
        """Read once more and hold, so that no two get the same."""
        with self._write() as db:
            entries = self._read(db, query)
            db.executemany(
                'UPDATE entries SET held_until = ? WHERE "index" = ?',
                [(self.clock() + query.hold, entry.index) for entry in entries],
            )
        return entries

    def let_go(self, indexes: Sequence[int]) -> None:
        """End the hold of a get."""
        with self._write() as db:
            db.executemany(
                'UPDATE entries SET held_until = 0 WHERE "index" = ?', [(n,) for n in indexes]
            )
        self.notifier.notify(entry_topic(self.name))

    def delete(self, indexes: Sequence[int], owner: str | None = None) -> Sequence[str]:
        """Remove entries for all groups; request ids of those that were there."""
        condition, values = filter_condition(EntryFilter(owner))
        with self._write() as db:
            return [
                request_id
                for index in indexes
                for request_id in remove_entries(
                    db,
                    f'e.queue = ? AND e."index" = ?{condition}',
                    (self.name, index, *values),
                )
            ]

    def truncate(self, before: int, owner: str | None = None) -> Sequence[str]:
        """Remove entries whose index is less than ``before``; their request ids."""
        condition, values = filter_condition(EntryFilter(owner))
        with self._write() as db:
            return remove_entries(
                db, f'e.queue = ? AND e."index" < ?{condition}', (self.name, before, *values)
            )

    def watch(self, consumer: ConsumerName, terms: WatchTerms) -> Watch:
        """Begin to watch; see the contract."""
        with self._write() as db:
            start = last_index(db) + 1 if terms.index == NEWEST else terms.index
            session = entry_groups.join(db, self.name, consumer, terms, start, self.clock())
        return SqliteWatch(self, consumer, terms, start, session)

    def commit(self, group: str, indexes: Sequence[int], owner: str | None = None) -> Sequence[str]:
        """The group has consumed these; request ids of those removed since every group has."""
        with self._write() as db:
            removed = entry_groups.commit(db, self.name, group, indexes, owner)
        self.notifier.notify(entry_topic(self.name))  # windows have room again
        return removed

    def reject(
        self, consumer: ConsumerName, indexes: Sequence[int], code: str, reason: str
    ) -> None:
        """The consumer has not consumed these; see the contract."""
        with self._write() as db:
            entry_groups.reject(db, self.name, consumer, indexes, code, reason)
        self.notifier.notify(entry_topic(self.name))

    def search(self, index: int, owner: str | None = None) -> EntryPosition | None:
        """Where an entry stands; None where there is none of that index."""
        condition, values = filter_condition(EntryFilter(owner))
        with self.database.read_connection() as db:
            row = db.execute(
                f'SELECT priority FROM entries e WHERE queue = ? AND "index" = ?{condition}',
                (self.name, index, *values),
            ).fetchone()
            if row is None:
                return None
            pending = db.execute(
                "SELECT 1 FROM entry_deliveries WHERE \"index\" = ? AND name != ''", (index,)
            ).fetchone()
            ahead = db.execute(
                "SELECT COUNT(*) FROM entries WHERE queue = :queue AND (priority > :priority OR"
                ' (priority = :priority AND "index" < :index)) AND NOT EXISTS (SELECT 1'
                ' FROM entry_deliveries d WHERE d."index" = entries."index" AND d.name != \'\')',
                {"queue": self.name, "priority": row["priority"], "index": index},
            ).fetchone()[0]
        return EntryPosition(pending is not None, 0 if pending else ahead)

    def count(self, wanted: EntryFilter, priority: int | None = None) -> int:
        """How many entries fit, of all priorities or of one; those that a get holds do not."""
        condition, values = filter_condition(wanted)
        if priority is not None:
            condition, values = condition + " AND e.priority = ?", [*values, priority]
        with self.database.read_connection() as db:
            held = db.execute(
                f"SELECT COUNT(*) FROM entries e WHERE queue = ? AND held_until > ?{condition}",
                (self.name, self.clock(), *values),
            ).fetchone()[0]
            sql = f"SELECT COUNT(*) FROM entries e WHERE queue = ?{condition}"
            if not condition:  # the same, without counting
                sql = "SELECT COALESCE(SUM(length), 0) FROM entry_queues WHERE queue = ?"
            return int(db.execute(sql, (self.name, *values)).fetchone()[0]) - int(held)

    def set_closed(self, closed: bool) -> None:
        """End the stream, or open it again."""
        with self._write() as db:
            db.execute(
                "INSERT INTO entry_queues (queue, closed) VALUES (:queue, :closed)"
                " ON CONFLICT (queue) DO UPDATE SET closed = :closed",
                {"queue": self.name, "closed": int(closed)},
            )
        self.notifier.notify(entry_topic(self.name))

    def status(self, owner: str | None = None) -> EntryQueueStatus:
        """Figures for the attributes."""
        condition, values = filter_condition(EntryFilter(owner))
        with self.database.read_connection() as db:
            first, last = db.execute(
                'SELECT COALESCE(MIN("index"), 0), COALESCE(MAX("index"), 0) FROM entries e'
                f" WHERE queue = ?{condition}",
                (self.name, *values),
            ).fetchone()
            closed = db.execute(
                "SELECT closed FROM entry_queues WHERE queue = ?", (self.name,)
            ).fetchone()
            consumers = entry_groups.list_consumers(db, self.name, owner, self.clock())
        length = self.count(EntryFilter(owner))
        return EntryQueueStatus(length, first, last, bool(closed and closed[0]), consumers)


def check_share(db: sqlite3.Connection, queues: Sequence[str], owner: str, most_own: int) -> None:
    """Raise ``EntryShareFull`` where an owner has so many entries in one of the queues."""
    rows = db.execute(SELECT_SHARES, (*queues, owner, most_own)).fetchall()
    for queue, length in rows:
        raise EntryShareFull(queue, length)


def last_index(db: sqlite3.Connection) -> int:
    """The index that was given last, of any queue; 0 before the first."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    return int(row[0]) if row else 0
