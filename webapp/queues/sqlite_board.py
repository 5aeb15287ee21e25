"""The Board half of the SQLite store: progress, stop flags, heartbeats, errands."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from generator.request import Progress, Stop
from webapp.queues import tallies
from webapp.queues.contracts import Errand, Sighting, Tally, WorkerState
from webapp.queues.database import Database

SEEN_SECONDS = 15.0

PUBLISH = """
INSERT INTO sightings (job, progress, started_at, updated_at, preview_id, preview)
SELECT :job, :progress, :now, :now, :preview IS NOT NULL, :preview
WHERE EXISTS (SELECT 1 FROM frames WHERE id = :job)
ON CONFLICT (job) DO UPDATE SET
    progress = :progress,
    updated_at = :now,
    preview_id = preview_id + (:preview IS NOT NULL),
    preview = COALESCE(:preview, preview)
"""
HEARTBEAT = """
INSERT OR REPLACE INTO workers (worker, pid, state, checkpoint, job, memory, seen_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
SHOWN = """
SELECT standings.worker, plugins FROM standings JOIN workers USING (worker)
WHERE seen_at > ? ORDER BY standings.worker
"""
ERRAND = """
INSERT OR REPLACE INTO errands (worker, id, verb, checkpoint, asked_at) VALUES (?, ?, ?, ?, ?)
"""


class SqliteBoard:
    """See the contract of ``Board``."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def publish(self, job: str, progress: Progress, preview: bytes | None) -> None:
        """Show how far a job is; the last preview stays when none is given.

        A job that is no longer in the queue is not shown.
        """
        facts = {"job": job, "progress": json.dumps(asdict(progress)), "now": time.time()}
        with self.database.writing() as rows:
            rows.execute(PUBLISH, facts | {"preview": preview})

    def sighting(self, job: str) -> Sighting | None:
        """A running job's progress; None before its first step and after its answer."""
        with self.database.reading() as rows:
            row = rows.execute("SELECT * FROM sightings WHERE job = ?", (job,)).fetchone()
        if row is None:
            return None
        return Sighting(
            Progress(**json.loads(row["progress"])),
            row["started_at"],
            row["updated_at"],
            row["preview"],
            row["preview_id"],
        )

    def ask_stop(self, job: str, stop: Stop) -> None:
        """Store a stop request for a job; ``Stop.NO`` withdraws it."""
        self.database.with_room(lambda: self._ask_stop(job, stop))

    def _ask_stop(self, job: str, stop: Stop) -> None:
        with self.database.writing() as rows:
            if stop is Stop.NO:
                rows.execute("DELETE FROM stops WHERE job = ?", (job,))
            else:
                rows.execute(
                    "INSERT OR REPLACE INTO stops (job, stop, asked_at) VALUES (?, ?, ?)",
                    (job, stop.value, time.time()),
                )

    def stop_asked(self, job: str) -> Stop:
        """The stop request for this job; SKIP is cleared by reading it, INTERRUPT stays."""
        with self.database.reading() as rows:
            row = rows.execute("SELECT stop FROM stops WHERE job = ?", (job,)).fetchone()
        stop = Stop.NO if row is None else Stop(row["stop"])
        if stop is Stop.SKIP:  # not told where it cannot be taken back: each step would skip
            with self.database.writing() as rows:
                rows.execute("DELETE FROM stops WHERE job = ? AND stop = ?", (job, stop.value))
        return stop

    def heartbeat(self, state: WorkerState) -> None:
        """Say that a worker lives and what it does."""
        facts = (state.worker, state.pid, state.state, state.checkpoint, state.job)
        with self.database.writing() as rows:
            rows.execute(HEARTBEAT, (*facts, json.dumps(dict(state.memory)), state.seen_at))
        self.database.ballast.make()

    def workers(self) -> Sequence[WorkerState]:
        """Workers seen in the last 15 seconds, by name."""
        with self.database.reading() as rows:
            found = rows.execute(
                "SELECT * FROM workers WHERE seen_at > ? ORDER BY worker",
                (time.time() - SEEN_SECONDS,),
            ).fetchall()
        return [WorkerState(**{**row, "memory": json.loads(row["memory"])}) for row in found]

    def count(self, name: str, labels: Mapping[str, str], amount: float = 1.0) -> None:
        """Add to a sum."""
        with self.database.writing() as rows:
            tallies.add(rows, name, labels, amount)

    def tallies(self) -> Sequence[Tally]:
        """Every sum."""
        with self.database.reading() as rows:
            return tallies.read(rows)

    def show_plugins(self, worker: str, plugins: Mapping[str, Sequence[str]]) -> None:
        """Say how a worker's plugins stand: name -> state, fault, last error."""
        told = json.dumps({name: list(facts) for name, facts in plugins.items()})
        with self.database.writing() as rows:
            rows.execute("INSERT OR REPLACE INTO standings VALUES (?, ?)", (worker, told))

    def plugins_shown(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """What each worker that lives has said of its plugins."""
        with self.database.reading() as rows:
            found = rows.execute(SHOWN, (time.time() - SEEN_SECONDS,)).fetchall()
        return {row["worker"]: json.loads(row["plugins"]) for row in found}

    def send(self, worker: str, errand: Errand) -> None:
        """Give a worker an errand; it takes the place of one that it has not done yet."""
        facts = (worker, errand.id, errand.verb, errand.checkpoint, time.time())
        with self.database.writing() as rows:
            rows.execute(ERRAND, facts)

    def errand(self, worker: str) -> Errand | None:
        """The worker's pending command, until it reports completion."""
        with self.database.reading() as rows:
            row = rows.execute(
                "SELECT id, verb, checkpoint FROM errands WHERE worker = ?", (worker,)
            ).fetchone()
        return None if row is None else Errand(**row)

    def done(self, worker: str, errand: Errand) -> None:
        """The worker has done this errand; a later one stays."""
        with self.database.writing() as rows:
            rows.execute("DELETE FROM errands WHERE worker = ? AND id = ?", (worker, errand.id))

    def forget_before(self, rows: sqlite3.Connection, moment: float) -> None:
        """Drop facts older than ``moment`` (unix seconds), in a transaction of the caller's."""
        rows.execute("DELETE FROM stops WHERE asked_at < ?", (moment,))
        rows.execute("DELETE FROM sightings WHERE updated_at < ?", (moment,))
        rows.execute("DELETE FROM workers WHERE seen_at < ?", (moment,))
        rows.execute("DELETE FROM errands WHERE asked_at < ?", (moment,))
        rows.execute("DELETE FROM standings WHERE worker NOT IN (SELECT worker FROM workers)")
