"""The small facts of the SQLite store: progress, stop requests, heartbeats, commands, counters."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from generator.request import Progress, Stop
from webapp.queues.contracts.counters import CounterValue
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.contracts.progress import JobProgress
from webapp.queues.contracts.worker_commands import WorkerCommand
from webapp.queues.sqlite import counters
from webapp.queues.sqlite.database import QueueDatabase
from webapp.queues.worker_id import WorkerId

WORKER_TTL_SECONDS = 15.0

UPSERT_PROGRESS = """
INSERT INTO sightings (job, progress, started_at, updated_at, preview_id, preview)
SELECT :job, :progress, :now, :now, :preview IS NOT NULL, :preview
WHERE EXISTS (SELECT 1 FROM frames WHERE id = :job)
ON CONFLICT (job) DO UPDATE SET
    progress = :progress,
    updated_at = :now,
    preview_id = preview_id + (:preview IS NOT NULL),
    preview = COALESCE(:preview, preview)
"""
UPSERT_HEARTBEAT = """
INSERT OR REPLACE INTO workers (worker, pid, state, checkpoint, job, memory, seen_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
SELECT_PLUGIN_STATES = """
SELECT standings.worker, plugins FROM standings JOIN workers USING (worker)
WHERE seen_at > ? ORDER BY standings.worker
"""
UPSERT_COMMAND = """
INSERT OR REPLACE INTO errands (worker, id, verb, checkpoint, asked_at) VALUES (?, ?, ?, ?, ?)
"""


class SqliteBoard:
    """See ``webapp.queues.contracts``: all but the queue and the sink."""

    def __init__(self, database: QueueDatabase) -> None:
        self.database = database

    def publish_progress(self, job: str, progress: Progress, preview: bytes | None) -> None:
        """Show how far a job is; the last preview stays when none is given.

        A job that is no longer in the queue is not shown.
        """
        facts = {"job": job, "progress": json.dumps(asdict(progress)), "now": time.time()}
        with self.database.write_transaction() as db:
            db.execute(UPSERT_PROGRESS, facts | {"preview": preview})

    def read_progress(self, job: str) -> JobProgress | None:
        """A running job's progress; None before its first step and after its answer."""
        with self.database.read_connection() as db:
            row = db.execute("SELECT * FROM sightings WHERE job = ?", (job,)).fetchone()
        if row is None:
            return None
        return JobProgress(
            Progress(**json.loads(row["progress"])),
            row["started_at"],
            row["updated_at"],
            row["preview"],
            row["preview_id"],
        )

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

    def add_to_counter(self, name: str, labels: Mapping[str, str], amount: float = 1.0) -> None:
        """Add to a sum."""
        with self.database.write_transaction() as db:
            counters.add(db, name, labels, amount)

    def counters(self) -> Sequence[CounterValue]:
        """Every sum."""
        with self.database.read_connection() as db:
            return counters.read_all(db)

    def publish_plugin_states(self, worker: WorkerId, plugins: Mapping[str, Sequence[str]]) -> None:
        """Say how a worker's plugins stand: name -> state, fault, last error."""
        states = json.dumps({name: list(facts) for name, facts in plugins.items()})
        with self.database.write_transaction() as db:
            db.execute("INSERT OR REPLACE INTO standings VALUES (?, ?)", (str(worker), states))

    def plugin_states(self) -> Mapping[WorkerId, Mapping[str, Sequence[str]]]:
        """What each worker that lives has said of its plugins."""
        with self.database.read_connection() as db:
            records = db.execute(
                SELECT_PLUGIN_STATES, (time.time() - WORKER_TTL_SECONDS,)
            ).fetchall()
        return {WorkerId.parse(row["worker"]): json.loads(row["plugins"]) for row in records}

    def send_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """Give a worker a command; it takes the place of one that it has not done yet."""
        facts = (str(worker), command.id, command.verb, command.checkpoint, time.time())
        with self.database.write_transaction() as db:
            db.execute(UPSERT_COMMAND, facts)

    def pending_command(self, worker: WorkerId) -> WorkerCommand | None:
        """The worker's pending command, until it reports completion."""
        with self.database.read_connection() as db:
            row = db.execute(
                "SELECT id, verb, checkpoint FROM errands WHERE worker = ?", (str(worker),)
            ).fetchone()
        return None if row is None else WorkerCommand(**row)

    def complete_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """The worker has done this command; a later one stays."""
        with self.database.write_transaction() as db:
            db.execute("DELETE FROM errands WHERE worker = ? AND id = ?", (str(worker), command.id))

    def delete_before(self, db: sqlite3.Connection, moment: float) -> None:
        """Drop facts older than ``moment`` (unix seconds), in a transaction of the caller's."""
        db.execute("DELETE FROM stops WHERE asked_at < ?", (moment,))
        db.execute("DELETE FROM sightings WHERE updated_at < ?", (moment,))
        db.execute("DELETE FROM workers WHERE seen_at < ?", (moment,))
        db.execute("DELETE FROM errands WHERE asked_at < ?", (moment,))
        db.execute("DELETE FROM standings WHERE worker NOT IN (SELECT worker FROM workers)")


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
