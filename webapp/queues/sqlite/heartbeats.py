"""Heartbeats, in the table ``workers``."""

import json
import sqlite3
import time
from collections.abc import Sequence

from webapp.queues.contracts.heartbeats import WORKER_TTL_SECONDS, WorkerState
from webapp.queues.sqlite.part import StorePart
from webapp.queues.worker_id import WorkerId

UPSERT_HEARTBEAT = """
INSERT OR REPLACE INTO workers (worker, pid, state, checkpoint, job, memory, seen_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
SELECT_WORKERS = """
SELECT workers.*, facts FROM workers LEFT JOIN worker_facts USING (worker)
WHERE seen_at > ? ORDER BY worker
"""
UPSERT_FACTS = """
INSERT INTO worker_facts (worker, facts) VALUES (:worker, :facts)
ON CONFLICT (worker) DO UPDATE SET facts = :facts WHERE facts <> :facts
"""


class SqliteHeartbeats(StorePart):
    """See the contract of ``Heartbeats``."""

    def record_heartbeat(self, state: WorkerState) -> None:
        """Say that a worker lives and what it does."""
        titles = "\n".join((state.checkpoint, *state.also_loaded))  # a title has no line break
        facts = (str(state.id), state.id.pid, state.state, titles, state.job)
        with self.database.write_transaction() as db:
            db.execute(UPSERT_HEARTBEAT, (*facts, json.dumps(dict(state.memory)), state.seen_at))
            db.execute(UPSERT_FACTS, {"worker": str(state.id), "facts": lasting_facts_of(state)})
        self.database.ballast.allocate()

    def workers(self) -> Sequence[WorkerState]:
        """Workers seen in the last 15 seconds, by name."""
        with self.database.read_connection() as db:
            records = db.execute(SELECT_WORKERS, (time.time() - WORKER_TTL_SECONDS,)).fetchall()
        return [worker_state_of(row) for row in records]

    def delete_old_heartbeats(self, db: sqlite3.Connection, moment: float) -> None:
        """Drop what is older than ``moment`` (unix seconds), in a transaction of the caller's."""
        db.execute("DELETE FROM workers WHERE seen_at < ?", (moment,))
        db.execute("DELETE FROM worker_facts WHERE worker NOT IN (SELECT worker FROM workers)")


def lasting_facts_of(state: WorkerState) -> str:
    """What of a heartbeat stays the same for as long as the worker lives, as JSON."""
    lasting = ("version", "models_folder", "joined")
    return json.dumps({name: getattr(state, name) for name in lasting})


def worker_state_of(row: sqlite3.Row) -> WorkerState:
    """A heartbeat from a row of ``workers``."""
    checkpoint, *also_loaded = row["checkpoint"].split("\n")
    return WorkerState(
        id=WorkerId.parse(row["worker"]),
        state=row["state"],
        checkpoint=checkpoint,
        also_loaded=tuple(also_loaded),
        job=row["job"],
        seen_at=row["seen_at"],
        memory=json.loads(row["memory"]),
        **json.loads(row["facts"] or "{}"),
    )
