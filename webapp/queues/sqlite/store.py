"""The queue store of one machine, in one SQLite file.

SQLite's log works among processes of one host, not on network file systems.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from webapp.queues.entry_terms import MAX_ENTRIES, EntryTerms
from webapp.queues.notifier import Notifier
from webapp.queues.scheduler import AGE_CAP, QUANTUM, MatchTerms
from webapp.queues.sqlite.accounts import delete_settled_accounts
from webapp.queues.sqlite.charges import SqliteCharges
from webapp.queues.sqlite.counters import SqliteCounters
from webapp.queues.sqlite.database import QueueDatabase
from webapp.queues.sqlite.entries import SqliteEntryQueues
from webapp.queues.sqlite.heartbeats import SqliteHeartbeats
from webapp.queues.sqlite.plugin_states import SqlitePluginStates
from webapp.queues.sqlite.progress import SqliteProgress
from webapp.queues.sqlite.queue import SqliteQueue
from webapp.queues.sqlite.service_notices import SqliteServiceNotices
from webapp.queues.sqlite.sink import SqliteSink
from webapp.queues.sqlite.stop_requests import SqliteStopRequests
from webapp.queues.sqlite.worker_commands import SqliteWorkerCommands
from webapp.queues.sqlite.workloads import delete_old_paces
from webapp.queues.terms import (
    ANSWER_SECONDS,
    LEASE_SECONDS,
    MAX_DELIVERY,
    PURGE_SECONDS,
    LeaseTerms,
)


class SqliteStore(
    SqliteQueue,
    SqliteSink,
    SqliteProgress,
    SqliteStopRequests,
    SqliteWorkerCommands,
    SqliteHeartbeats,
    SqliteCounters,
    SqlitePluginStates,
    SqliteServiceNotices,
    SqliteCharges,
):
    """All parts of ``webapp.queues.contracts``, for any number of threads and processes.

    ``lease_seconds`` and ``max_delivery``: ``LeaseTerms``; ``age_cap`` and ``quantum``:
    ``MatchTerms``; ``answer_seconds`` and ``clock``: ``FramePart``; ``max_entries``:
    ``EntryTerms``.
    """

    def __init__(
        self,
        path: Path,
        *,
        lease_seconds: float = LEASE_SECONDS,
        max_delivery: int = MAX_DELIVERY,
        age_cap: float = AGE_CAP,
        quantum: float = QUANTUM,
        answer_seconds: float = ANSWER_SECONDS,
        max_entries: int = MAX_ENTRIES,
        clock: Callable[[], float] = time.time,
        log: logging.Logger | None = None,
    ) -> None:
        database = QueueDatabase(path, log or logging.getLogger("easel.queue"))
        notifier = Notifier(path.with_name("bells"))
        terms = LeaseTerms(lease_seconds, max_delivery, MatchTerms(age_cap, quantum))
        super().__init__(database, notifier, clock, answer_seconds, terms)
        self._purged_at = 0.0
        self.entries = SqliteEntryQueues(
            database, notifier, clock, EntryTerms(max_entries, max_delivery)
        )

    def close(self) -> None:
        """Stop listening and close the file."""
        self.notifier.close()
        self.database.close()

    def purge(self, db: sqlite3.Connection, now: float) -> None:
        """Forget what has expired, once a minute, and give pages back to the file system."""
        if now - self._purged_at < PURGE_SECONDS:
            return
        self._purged_at = now
        super().purge(db, now)
        db.execute("DELETE FROM deaths WHERE id NOT IN (SELECT id FROM frames)")
        expired = now - self.answer_seconds
        self.delete_old_stop_requests(db, expired)
        self.delete_old_progress(db, expired)
        self.delete_old_heartbeats(db, expired)
        self.delete_old_commands(db, expired)
        self.delete_old_notice(db, expired)
        delete_settled_accounts(db, self.terms.match, now)
        delete_old_paces(db)
        self.delete_lost_plugin_states(db)
        db.execute("PRAGMA incremental_vacuum(256)").fetchall()
