"""Records of the job API's jobs, and webhooks that wait to be posted: ``.easel/jobs.db``.

A record is made before its frame enters the queue, under the same id. Whoever dies in between
leaves a record that is not confirmed; the caller, who has heard nothing, asks again.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from generator.database import CacheDatabase, CacheSchema

JOBS_FILE = "jobs.db"
KEEP_SECONDS = 24 * 3600.0  # for which an ended job, and its idempotency key, are remembered
MAX_ENDED = 10_000  # ended jobs of one caller that are remembered
ABANDONED_SECONDS = 60.0  # after which a record whose frame never came is dropped

SCHEMA = CacheSchema(
    """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,            -- of the frame, too
    owner TEXT NOT NULL,
    path TEXT NOT NULL,             -- of the route that it stands for
    created_at REAL NOT NULL,       -- unix seconds, here and below
    digest TEXT NOT NULL,           -- of the request's body
    key TEXT,                       -- the caller's idempotency key
    webhook TEXT NOT NULL,          -- address, '' for none
    confirmed INTEGER NOT NULL,     -- 1: its frame has entered the queue
    cancelled INTEGER NOT NULL,     -- 1: the caller asked for it
    outcome TEXT NOT NULL,          -- '' until it has ended
    status INTEGER NOT NULL,        -- of its answer; 0: none
    error TEXT NOT NULL,            -- a sentence for a failed one
    ended_at REAL NOT NULL          -- 0 until then
);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_by_key ON jobs (owner, key);
CREATE INDEX IF NOT EXISTS jobs_by_end ON jobs (ended_at);
CREATE TABLE IF NOT EXISTS deliveries (
    job TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    url TEXT NOT NULL,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    due_at REAL NOT NULL,
    state TEXT NOT NULL,
    error TEXT NOT NULL             -- why the last attempt failed
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, due_at);
""",
    durable=True,
)


class Outcome(StrEnum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    """How far a webhook is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job; the fields are the table's columns, in their order."""

    id: str
    owner: str
    path: str
    created_at: float
    digest: str
    key: str | None = None
    webhook: str = ""
    confirmed: bool = False
    cancelled: bool = False
    outcome: str = ""
    status: int = 0
    error: str = ""
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook; likewise."""

    job: str
    owner: str
    url: str
    body: bytes
    attempts: int = 0
    due_at: float = 0.0
    state: str = DeliveryState.WAITING
    error: str = ""


JOB_COLUMNS = ", ".join(each.name for each in fields(JobRecord))
DELIVERY_COLUMNS = ", ".join(each.name for each in fields(Delivery))
INSERT_JOB = (
    f"INSERT OR IGNORE INTO jobs ({JOB_COLUMNS}) VALUES"
    f" ({', '.join('?' for _ in fields(JobRecord))})"
)
SELECT_DUE = f"""
SELECT {DELIVERY_COLUMNS} FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY owner ORDER BY attempts, due_at) AS place
    FROM deliveries WHERE state = 'waiting' AND due_at <= ?
) WHERE place <= ? ORDER BY attempts, due_at
"""
DELETE_OLD = """
DELETE FROM jobs WHERE ended_at > 0 AND ended_at < ?
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE job = jobs.id AND state = 'waiting')
"""
DELETE_EXCESS = """
DELETE FROM jobs WHERE id IN (
    SELECT id FROM (
        SELECT id, ROW_NUMBER() OVER (PARTITION BY owner ORDER BY ended_at DESC) AS place
        FROM jobs WHERE ended_at > 0
    ) WHERE place > ?
)
"""


class JobBook:
    """The records, for all threads of the web process. Raises ``OSError``, ``sqlite3.Error``."""

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.time, shared: bool = False
    ) -> None:
        self.database = CacheDatabase(path, replace(SCHEMA, shared=shared))
        self.clock = clock

    def prepare(self) -> None:
        """Open the file, or make it: who removes its folder later finds nothing made meanwhile."""
        self.database.call(lambda _: None)

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()

    def add(self, record: JobRecord) -> JobRecord:
        """Keep a new record; the earlier one where its owner used the same key before."""

        def act(db: sqlite3.Connection) -> JobRecord:
            if db.execute(INSERT_JOB, astuple(record)).rowcount:
                return record
            row = db.execute(
                f"SELECT {JOB_COLUMNS} FROM jobs WHERE owner = ? AND key = ?",
                (record.owner, record.key),
            ).fetchone()
            return _record_of(row)

        return self.database.call(act)

    def find(self, job: str) -> JobRecord | None:
        """A job by its id."""
        return self._one(f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?", job)

    def find_key(self, owner: str, key: str) -> JobRecord | None:
        """The job for which its owner used a key."""
        return self._one(f"SELECT {JOB_COLUMNS} FROM jobs WHERE owner = ? AND key = ?", owner, key)

    def list_open(self) -> Sequence[JobRecord]:
        """All that have not ended, the oldest first."""
        query = f"SELECT {JOB_COLUMNS} FROM jobs WHERE ended_at = 0 ORDER BY created_at"
        return [_record_of(row) for row in self.database.call(lambda db: list(db.execute(query)))]

    def confirm(self, job: str) -> None:
        """The job's frame is in the queue."""
        self._write("UPDATE jobs SET confirmed = 1 WHERE id = ?", job)

    def remove(self, job: str) -> None:
        """Forget a job whose frame did not enter the queue."""
        self._write("DELETE FROM jobs WHERE id = ? AND confirmed = 0", job)

    def cancel(self, record: JobRecord) -> None:
        """The caller wants the job no longer; one that came as an entry is recorded from now on."""

        def act(db: sqlite3.Connection) -> None:
            db.execute(INSERT_JOB, astuple(record))
            db.execute("UPDATE jobs SET cancelled = 1 WHERE id = ? AND ended_at = 0", (record.id,))

        self.database.call(act)

    def end(self, record: JobRecord, webhook_body: bytes) -> None:
        """Keep how a job ended, and its webhook where it has one, as one act; the first counts."""

        def act(db: sqlite3.Connection) -> None:
            changed = db.execute(
                "UPDATE jobs SET outcome = ?, status = ?, error = ?, ended_at = ?, confirmed = 1"
                " WHERE id = ? AND ended_at = 0",
                (record.outcome, record.status, record.error, record.ended_at, record.id),
            )
            if changed.rowcount and record.webhook:
                delivery = Delivery(
                    record.id, record.owner, record.webhook, webhook_body, due_at=record.ended_at
                )
                marks = ", ".join("?" for _ in fields(Delivery))
                db.execute(
                    f"INSERT OR IGNORE INTO deliveries ({DELIVERY_COLUMNS}) VALUES ({marks})",
                    astuple(delivery),
                )

        self.database.call(act)

    def find_delivery(self, job: str) -> Delivery | None:
        """A job's webhook, once the job has ended."""
        query = f"SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE job = ?"
        row = self.database.call(lambda db: db.execute(query, (job,)).fetchone())
        return None if row is None else Delivery(*row)

    def list_due(self, most_each: int) -> Sequence[Delivery]:
        """Webhooks whose time has come, so many of each owner at most; the fresh ones first."""
        rows = self.database.call(
            lambda db: list(db.execute(SELECT_DUE, (self.clock(), most_each)))
        )
        return [Delivery(*row) for row in rows]

    def note_attempt(self, delivery: Delivery) -> None:
        """Keep what an attempt came to: attempts, when it is due again, state, error."""
        self._write(
            "UPDATE deliveries SET attempts = ?, due_at = ?, state = ?, error = ? WHERE job = ?",
            delivery.attempts,
            delivery.due_at,
            delivery.state,
            delivery.error,
            delivery.job,
        )

    def purge(self) -> None:
        """Forget what ended long ago, and a caller's oldest where there are too many."""

        def act(db: sqlite3.Connection) -> None:
            db.execute(DELETE_OLD, (self.clock() - KEEP_SECONDS,))
            db.execute(DELETE_EXCESS, (MAX_ENDED,))
            db.execute("DELETE FROM deliveries WHERE job NOT IN (SELECT id FROM jobs)")

        self.database.call(act)

    def _one(self, query: str, *values: Any) -> JobRecord | None:
        row = self.database.call(lambda db: db.execute(query, values).fetchone())
        return None if row is None else _record_of(row)

    def _write(self, query: str, *values: Any) -> None:
        self.database.call(lambda db: db.execute(query, values))


def _record_of(row: Any) -> JobRecord:
    record = JobRecord(*row)
    return replace(record, confirmed=bool(record.confirmed), cancelled=bool(record.cancelled))
