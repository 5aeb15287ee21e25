"""The queue store of one machine, in one SQLite file.

SQLite's log works among processes of one host, not on network file systems.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.queue import QueueDepth
from webapp.queues.errors import AnswerTooLarge, QueueError, QueueFull, QueueLost
from webapp.queues.lease_expiry import LeaseExpiry
from webapp.queues.notifier import WORK_TOPIC, Notifier
from webapp.queues.scheduler import (
    AGE_CAP,
    HALF_LIFE,
    Candidate,
    OwnerUsage,
    choose_next,
    decay,
    is_starving,
)
from webapp.queues.sqlite import counters
from webapp.queues.sqlite.counters import SqliteCounters
from webapp.queues.sqlite.database import QueueDatabase
from webapp.queues.sqlite.heartbeats import SqliteHeartbeats
from webapp.queues.sqlite.plugin_states import SqlitePluginStates
from webapp.queues.sqlite.progress import SqliteProgress
from webapp.queues.sqlite.stop_requests import SqliteStopRequests
from webapp.queues.sqlite.worker_commands import SqliteWorkerCommands
from webapp.queues.worker_id import WorkerId

LEASE_SECONDS = 10.0
MAX_DELIVERY = 5
ANSWER_SECONDS = 3600.0  # how long an answer waits for its reader
MAX_ANSWER_BYTES = 900_000_000  # bytes; a row of SQLite has 1,000,000,000
PURGE_SECONDS = 60.0  # between sweeps of what has expired

FRAME_COLUMNS = 'id, kind, owner, checkpoint, priority, tags, "index", put_at, deliveries'
DEADLY_COUNT = 2  # deaths of workers after which a frame goes behind all others
SELECT_CANDIDATES = f"""
SELECT MIN("index") AS "index", owner, priority, checkpoint, put_at,
    COALESCE(times, 0) >= {DEADLY_COUNT} AS deadly
FROM frames LEFT JOIN deaths USING (id)
WHERE worker IS NULL GROUP BY owner, priority, checkpoint, deadly
"""
SELECT_EXHAUSTED = """
SELECT f."index", f.id, f.owner, f.tags, d.how FROM frames f LEFT JOIN deaths d USING (id)
WHERE f.deliveries >= ? AND (f.worker IS NULL OR f.expires < ?)
"""
UPSERT_DEATHS = """
INSERT INTO deaths (id, times, how) SELECT id, 1, :how FROM frames WHERE {condition}
ON CONFLICT (id) DO UPDATE SET times = times + 1, how = :how
"""
SELECT_ANSWERED = """
SELECT id FROM answered JOIN answers USING (id)
WHERE (:owner IS NULL OR owner = :owner) AND made_at > :since
    AND json_extract(tags, :path) = :value
ORDER BY "index" DESC LIMIT 1
"""
LEASE_RAN_OUT = "was not heard of until its lease ran out"


class SqliteStore(
    SqliteProgress,
    SqliteStopRequests,
    SqliteWorkerCommands,
    SqliteHeartbeats,
    SqliteCounters,
    SqlitePluginStates,
):
    """All parts of ``webapp.queues.contracts``, for any number of threads and processes.

    ``lease_seconds`` is the term of a lease; ``age_cap`` (seconds) see ``scheduler.py``; ``clock``
    tells unix seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        lease_seconds: float = LEASE_SECONDS,
        max_delivery: int = MAX_DELIVERY,
        age_cap: float = AGE_CAP,
        answer_seconds: float = ANSWER_SECONDS,
        clock: Callable[[], float] = time.time,
        log: logging.Logger | None = None,
    ) -> None:
        self.log = log or logging.getLogger("easel.queue")
        super().__init__(QueueDatabase(path, self.log))
        self.notifier = Notifier(path.with_name("bells"))
        self.lease_seconds = lease_seconds
        self.max_delivery = max_delivery
        self.age_cap = age_cap
        self.answer_seconds = answer_seconds
        self.clock = clock
        self._lease_expiry = LeaseExpiry(lease_seconds)
        self._purged_at = 0.0

    def close(self) -> None:
        """Stop listening and close the file."""
        self.notifier.close()
        self.database.close()

    # -- the queue and the sink -------------------------------------------------------------

    def put(self, frame: Frame) -> int:
        """Store a frame; see the contract. Raises ``QueueFull``, ``QueueLost``."""
        if why := self.loss_reason():
            raise QueueLost(f"{why} The request was not stored; send it again in a moment.")
        with self.database.write_transaction() as db:
            index_row = db.execute(
                'SELECT "index" FROM frames WHERE id = :id '
                'UNION ALL SELECT "index" FROM answers WHERE id = :id AND made_at > :since',
                {"id": frame.id, "since": self.clock() - self.answer_seconds},
            ).fetchone()
            if index_row is not None:
                return int(index_row[0])
            index = insert_frame(db, frame, self.clock())
        self.notifier.notify(WORK_TOPIC)
        return index

    def take(self, worker: WorkerId, loaded: Sequence[str], timeout: float) -> Lease | None:
        """Lease the next frame; see the contract."""
        until = time.monotonic() + timeout
        with self.notifier.subscribe(WORK_TOPIC) as subscription:
            while True:
                lease = self._take_best(worker, loaded)
                if lease is not None or not subscription.wait(until):
                    return lease

    def renew(self, lease: Lease) -> bool:
        """Hold the lease for another term from now; False if it was lost."""
        with self.database.write_transaction() as db:
            changed = db.execute(
                "UPDATE frames SET expires = ? WHERE id = ? AND token = ?",
                (self.clock() + self.lease_seconds, lease.frame.id, lease.token),
            ).rowcount
        return changed == 1

    def answer(self, lease: Lease, answer: Answer, gpu_seconds: float, model: str = "") -> bool:
        """Store the answer, remove the frame, count the job; False if the lease was lost.

        On a full disk the ballast makes room for it.
        """
        return self.database.retry_with_ballast(
            lambda: self._commit_answer(lease, answer, gpu_seconds, model)
        )

    def _commit_answer(self, lease: Lease, answer: Answer, gpu_seconds: float, model: str) -> bool:
        if len(answer.body) > MAX_ANSWER_BYTES:
            raise AnswerTooLarge(
                f"The answer has {len(answer.body):,} bytes; at most {MAX_ANSWER_BYTES:,} can "
                "be kept. "
                "Ask for fewer pictures, or with save_images and without send_images: files that "
                "were saved are there."
            )
        now, frame = self.clock(), lease.frame
        with self.database.write_transaction() as db:
            removed = db.execute(
                "DELETE FROM frames WHERE id = ? AND token = ? RETURNING leased_at",
                (frame.id, lease.token),
            ).fetchall()
            if not removed:
                return False
            waited = removed[0]["leased_at"] - frame.put_at
            count_job(db, frame, answer.status, max(waited, 0.0), gpu_seconds, model)
            store_answer(db, frame.id, frame.index, answer, now)
            store_answer_tags(db, frame.id, frame.owner, json.dumps(dict(frame.tags)))
            charge_owner(db, frame.owner, gpu_seconds, now)
            self._purge(db, now)
        self.notifier.notify(frame.id)
        return True

    def release(self, lease: Lease) -> None:
        """Give an unfinished frame back; this delivery does not count."""
        with self.database.write_transaction() as db:
            db.execute(
                "UPDATE frames SET worker = NULL, token = NULL, expires = NULL, leased_at = NULL,"
                " deliveries = deliveries - 1 WHERE id = ? AND token = ?",
                (lease.frame.id, lease.token),
            )
        self.notifier.notify(WORK_TOPIC)

    def release_worker(self, worker: WorkerId, how: str = "") -> int:
        """Take back all that a dead worker held, this delivery counted; how many frames it was."""
        now = self.clock()
        with self.database.write_transaction() as db:
            released = end_leases(db, "worker = :value", str(worker), how)
            db.execute("DELETE FROM workers WHERE worker = ?", (str(worker),))
            failed = fail_exhausted(db, self.max_delivery, float("-inf"), now)
        self._notify_answered(failed)
        self.notifier.notify(WORK_TOPIC)
        return released

    def lease_holders(self) -> Sequence[WorkerId]:
        """The workers that hold leases now, dead ones too."""
        query = "SELECT DISTINCT worker FROM frames WHERE worker IS NOT NULL ORDER BY worker"
        with self.database.read_connection() as db:
            return [WorkerId.parse(row["worker"]) for row in db.execute(query).fetchall()]

    def wait(self, frame_id: str, timeout: float) -> Answer | None:
        """The answer once it is there, or None after ``timeout`` seconds."""
        until = time.monotonic() + timeout
        with self.notifier.subscribe(frame_id) as subscription:
            while True:
                answer = self._find_answer(frame_id)
                if answer is not None or not subscription.wait(until):
                    return answer

    def delete_answer(self, frame_id: str) -> None:
        """Drop an answer that its only reader has got, before it expires."""
        try:
            with self.database.write_transaction() as db:
                db.execute("DELETE FROM answers WHERE id = ?", (frame_id,))
                db.execute("DELETE FROM answered WHERE id = ?", (frame_id,))
        except (QueueError, sqlite3.Error) as error:  # the reader has it: that is no failure of his
            self.log.warning("an answer that was read stays in the queue for now: %s", error)

    def find_answered(self, tag: str, value: str, owner: str | None = None) -> str | None:
        """The newest frame with this tag whose answer is kept; see the contract."""
        with self.database.read_connection() as db:
            row = db.execute(
                SELECT_ANSWERED,
                {
                    "path": f'$."{tag}"',
                    "value": value,
                    "owner": owner,
                    "since": self._oldest_kept_answer(),
                },
            ).fetchone()
        return None if row is None else str(row["id"])

    def cancel(self, frame_id: str) -> bool:
        """Remove a waiting frame; False if it is leased or gone."""
        return self.database.retry_with_ballast(lambda: self._cancel(frame_id))

    def _cancel(self, frame_id: str) -> bool:
        with self.database.write_transaction() as db:
            removed = db.execute(
                "DELETE FROM frames WHERE id = ? AND worker IS NULL", (frame_id,)
            ).rowcount
        return removed == 1

    def read_waiting_frame(self, frame_id: str) -> Frame | None:
        """A frame that waits, its body included; None if it is leased or gone."""
        query = f"SELECT {FRAME_COLUMNS}, body FROM frames WHERE id = ? AND worker IS NULL"
        with self.database.read_connection() as db:
            row = db.execute(query, (frame_id,)).fetchone()
        return frame_of(row, row["body"]) if row is not None else None

    def answer_waiting(self, frame_id: str, answer: Answer) -> bool:
        """Answer a waiting frame in a worker's stead, uncounted; False if it is leased or gone.

        On a full disk the ballast makes room for it.
        """
        return self.database.retry_with_ballast(lambda: self._answer_waiting(frame_id, answer))

    def _answer_waiting(self, frame_id: str, answer: Answer) -> bool:
        with self.database.write_transaction() as db:
            removed = db.execute(
                'DELETE FROM frames WHERE id = ? AND worker IS NULL RETURNING "index", owner, tags',
                (frame_id,),
            ).fetchall()
            if not removed:
                return False
            store_answer(db, frame_id, removed[0]["index"], answer, self.clock())
            store_answer_tags(db, frame_id, removed[0]["owner"], removed[0]["tags"])
        self.notifier.notify(frame_id)
        return True

    def list_frames(self, owner: str | None = None) -> Sequence[Frame]:
        """Waiting and leased frames in order of arrival, without their bodies."""
        query = f"SELECT {FRAME_COLUMNS} FROM frames WHERE :owner IS NULL OR owner = :owner"
        with self.database.read_connection() as db:
            records = db.execute(query + ' ORDER BY "index"', {"owner": owner}).fetchall()
        return [frame_of(row, b"") for row in records]

    def is_queued(self, frame_id: str) -> bool:
        """Whether the frame still waits or is worked on."""
        with self.database.read_connection() as db:
            row = db.execute("SELECT 1 FROM frames WHERE id = ?", (frame_id,)).fetchone()
        return row is not None

    def is_running(self, frame_id: str) -> bool:
        """Whether a worker works on the frame."""
        query = "SELECT 1 FROM frames WHERE id = ? AND worker IS NOT NULL"
        with self.database.read_connection() as db:
            return db.execute(query, (frame_id,)).fetchone() is not None

    def depth(self) -> QueueDepth:
        """How many frames wait and run, of everybody."""
        with self.database.read_connection() as db:
            row = db.execute(
                "SELECT COUNT(*) - COUNT(worker), COUNT(worker),"
                " MIN(CASE WHEN worker IS NULL THEN put_at END) FROM frames"
            ).fetchone()
        return QueueDepth(row[0], row[1], max(self.clock() - row[2], 0.0) if row[2] else 0.0)

    def loss_reason(self) -> str:
        """Why the open file is not the one of that name any more; "" while it is."""
        return self.database.loss_reason()

    # -- inside -----------------------------------------------------------------------------

    def _take_best(self, worker: WorkerId, loaded: Sequence[str]) -> Lease | None:
        """Lease the best frame at this moment, if one waits."""
        now = self.clock()
        cutoff = self._lease_expiry.expiry_cutoff(now)
        with (
            self.database.read_connection() as db
        ):  # no lock on the file while there is nothing to do
            if db.execute(
                "SELECT 1 FROM frames WHERE worker IS NULL OR expires < ? LIMIT 1", (cutoff,)
            ).fetchone() is None:  # fmt: skip
                return None
        try:
            with self.database.write_transaction() as db:
                failed = fail_exhausted(db, self.max_delivery, cutoff, now)
                end_leases(db, "expires < :value", cutoff, LEASE_RAN_OUT)
                lease = self._lease(db, worker, loaded, now)
        except QueueFull:
            self._lease_expiry.reset()  # nobody could renew a lease meanwhile
            raise
        self._notify_answered(failed)
        return lease

    def _lease(
        self, db: sqlite3.Connection, worker: WorkerId, loaded: Sequence[str], now: float
    ) -> Lease | None:
        """Choose, mark and read a frame, inside a transaction."""
        accounts = read_accounts(db, now)
        best = choose_next(
            (Candidate(**row) for row in db.execute(SELECT_CANDIDATES)),
            lambda owner: accounts.get(owner, OwnerUsage()),
            frozenset(loaded),
            now,
            self.age_cap,
        )
        if best is None:
            return None
        if is_starving(best, accounts.get(best.owner, OwnerUsage()), now, self.age_cap):
            charge_owner(db, best.owner, 0.0, now)
            db.execute("UPDATE ledger SET rode_at = ? WHERE owner = ?", (now, best.owner))
        token, expires = uuid4().hex, now + self.lease_seconds
        row = db.execute(
            "UPDATE frames SET worker = ?, token = ?, leased_at = ?, expires = ?,"
            f' deliveries = deliveries + 1 WHERE "index" = ? RETURNING {FRAME_COLUMNS}, body',
            (str(worker), token, now, expires, best.index),
        ).fetchall()[0]
        return Lease(frame_of(row, row["body"]), worker, token, expires)

    def _find_answer(self, frame_id: str) -> Answer | None:
        with self.database.read_connection() as db:
            row = db.execute(
                "SELECT status, body, content_type FROM answers WHERE id = ? AND made_at > ?",
                (frame_id, self._oldest_kept_answer()),
            ).fetchone()
        return None if row is None else Answer(row["status"], row["body"], row["content_type"])

    def _oldest_kept_answer(self) -> float:
        """When the oldest answer was made that is still given out."""
        return self.clock() - self.answer_seconds

    def _purge(self, db: sqlite3.Connection, now: float) -> None:
        """Forget what has expired, once a minute, and give pages back to the file system."""
        if now - self._purged_at < PURGE_SECONDS:
            return
        self._purged_at = now
        db.execute("DELETE FROM answers WHERE made_at < ?", (now - self.answer_seconds,))
        db.execute("DELETE FROM answered WHERE id NOT IN (SELECT id FROM answers)")
        db.execute("DELETE FROM deaths WHERE id NOT IN (SELECT id FROM frames)")
        expired = now - self.answer_seconds
        self.delete_old_stop_requests(db, expired)
        self.delete_old_progress(db, expired)
        self.delete_old_heartbeats(db, expired)
        self.delete_old_commands(db, expired)
        self.delete_lost_plugin_states(db)
        db.execute("PRAGMA incremental_vacuum(256)").fetchall()

    def _notify_answered(self, frame_ids: Sequence[str]) -> None:
        for frame_id in frame_ids:
            self.notifier.notify(frame_id)


def insert_frame(db: sqlite3.Connection, frame: Frame, now: float) -> int:
    """Append a frame; its index."""
    cursor = db.execute(
        "INSERT INTO frames (id, kind, owner, checkpoint, priority, tags, put_at, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            frame.id,
            frame.kind,
            frame.owner,
            frame.checkpoint,
            frame.priority,
            json.dumps(dict(frame.tags)),
            now,
            frame.body,
        ),
    )
    return int(cursor.lastrowid or 0)


def frame_of(row: sqlite3.Row, body: bytes) -> Frame:
    """A frame from a row of COLUMNS."""
    return Frame(
        id=row["id"],
        kind=row["kind"],
        body=body,
        owner=row["owner"],
        checkpoint=row["checkpoint"],
        priority=row["priority"],
        tags=json.loads(row["tags"]),
        index=row["index"],
        put_at=row["put_at"],
        deliveries=row["deliveries"],
    )


def end_leases(db: sqlite3.Connection, condition: str, value: object, cause: str) -> int:
    """End the leases of dead workers and count the deaths; returns the number of leases.

    ``condition`` is SQL with ``:value`` in it. The delivery stays counted.
    """
    db.execute(UPSERT_DEATHS.format(condition=condition), {"value": value, "how": cause})
    return db.execute(
        "UPDATE frames SET worker = NULL, token = NULL, expires = NULL, leased_at = NULL"
        f" WHERE {condition}",
        {"value": value},
    ).rowcount


def fail_exhausted(
    db: sqlite3.Connection, max_delivery: int, cutoff: float, now: float
) -> list[str]:
    """Answer 500 to frames delivered ``max_delivery`` times without an answer; their ids."""
    exhausted = db.execute(SELECT_EXHAUSTED, (max_delivery, cutoff)).fetchall()
    for row in exhausted:
        store_answer(
            db,
            row["id"],
            row["index"],
            worker_lost_answer(max_delivery, row["how"] or LEASE_RAN_OUT),
            now,
        )
        store_answer_tags(db, row["id"], row["owner"], row["tags"])
        db.execute('DELETE FROM frames WHERE "index" = ?', (row["index"],))
    return [row["id"] for row in exhausted]


def worker_lost_answer(max_delivery: int, cause: str) -> Answer:
    """The 500 answer to a frame whose workers all died, in AUTOMATIC1111's error envelope."""
    text = (
        f"The worker was lost {max_delivery} times while it worked on this request, which is not "
        f"tried again. The last one {cause}. The service's log says more; a picture too large for "
        "the machine's memory is the usual cause."
    )
    body = {"error": "WorkerLost", "detail": text, "body": "", "errors": text}
    return Answer(500, json.dumps(body).encode())


def store_answer(
    db: sqlite3.Connection, frame_id: str, index: int, answer: Answer, now: float
) -> None:
    """Keep an answer and forget the job's progress and stop flag."""
    db.execute(
        'INSERT OR REPLACE INTO answers (id, "index", status, content_type, made_at, body)'
        " VALUES (?, ?, ?, ?, ?, ?)",
        (frame_id, index, answer.status, answer.content_type, now, answer.body),
    )
    db.execute("DELETE FROM sightings WHERE job = ?", (frame_id,))
    db.execute("DELETE FROM stops WHERE job = ?", (frame_id,))
    db.execute("DELETE FROM deaths WHERE id = ?", (frame_id,))


def store_answer_tags(db: sqlite3.Connection, frame_id: str, owner: str, tags: str) -> None:
    """Keep whose answer it is, and its frame's tags: a JSON object."""
    db.execute(
        "INSERT OR REPLACE INTO answered (id, owner, tags) VALUES (?, ?, ?)",
        (frame_id, owner, tags),
    )


def count_job(
    db: sqlite3.Connection,
    frame: Frame,
    status: int,
    waited: float,
    gpu_seconds: float,
    model: str,
) -> None:
    """Count an answered job for its owner and model; seconds it waited and was worked on."""
    labels = {"user": frame.owner, "model": model or frame.checkpoint}
    counters.add(db, "jobs", {**labels, "kind": frame.kind, "status": str(status)}, 1.0)
    counters.add(db, "job_wait_seconds", labels, waited)
    counters.add(db, "job_gpu_seconds", labels, gpu_seconds)


def charge_owner(db: sqlite3.Connection, owner: str, gpu_seconds: float, now: float) -> None:
    """Add GPU seconds to an owner's usage, the older part decayed."""
    row = db.execute("SELECT gpu_seconds, as_of FROM ledger WHERE owner = ?", (owner,)).fetchone()
    before = decay(row["gpu_seconds"], now - row["as_of"]) if row else 0.0
    db.execute(
        "INSERT INTO ledger (owner, gpu_seconds, as_of) VALUES (:owner, :used, :now)"
        " ON CONFLICT (owner) DO UPDATE SET gpu_seconds = :used, as_of = :now",
        {"owner": owner, "used": before + gpu_seconds, "now": now},
    )


def read_accounts(db: sqlite3.Connection, now: float) -> Mapping[str, OwnerUsage]:
    """What owners have used, with the time that their running frames have taken so far."""
    running: dict[str, float] = dict(
        db.execute(
            "SELECT owner, SUM(? - leased_at) FROM frames WHERE worker IS NOT NULL GROUP BY owner",
            (now,),
        ).fetchall()
    )
    accounts = {owner: OwnerUsage(seconds) for owner, seconds in running.items()}
    for row in db.execute("SELECT * FROM ledger WHERE as_of > ?", (now - 20 * HALF_LIFE,)):
        owner, used = row["owner"], decay(row["gpu_seconds"], now - row["as_of"])
        accounts[owner] = OwnerUsage(used + running.get(owner, 0.0), row["rode_at"])
    return accounts
