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


class SqliteHeartbeats(StorePart):
    """See the contract of ``Heartbeats``."""

    def record_heartbeat(self, state: WorkerState) -> None:
        """Say that a worker lives and what it does."""
        facts = (str(state.id), state.id.pid, state.state, state.checkpoint, state.job)
        with self.database.write_transaction() as db:
            db.execute(UPSERT_HEARTBEAT, (*facts, json.dumps(dict(state.memory)), state.seen_at))
        self.database.ballast.allocate()

    def workers(self) -> Sequence[WorkerState]:
        """Workers seen in the last 15 seconds, by name."""
        with self.database.read_connection() as db:
            records = db.execute(
                "SELECT * FROM workers WHERE seen_at > ? ORDER BY worker",
                (time.time() - WORKER_TTL_SECONDS,),
            ).fetchall()
        return [worker_state_of(row) for row in records]

    def delete_old_heartbeats(self, db: sqlite3.Connection, moment: float) -> None:
        """Drop what is older than ``moment`` (unix seconds), in a transaction of the caller's."""
        db.execute("DELETE FROM workers WHERE seen_at < ?", (moment,))


def worker_state_of(row: sqlite3.Row) -> WorkerState:
    """A heartbeat from a row of ``workers``."""
    return WorkerState(
        id=WorkerId.parse(row["worker"]),
        state=row["state"],
        checkpoint=row["checkpoint"],
        job=row["job"],
        seen_at=row["seen_at"],
        memory=json.loads(row["memory"]),
    )
