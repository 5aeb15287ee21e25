"""The queue store of one machine: Stream and Board in one SQLite file.

SQLite's log works among processes of one host, not on network file systems.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from webapp.queues import tallies
from webapp.queues.contracts import Answer, Depth, Frame, Lease
from webapp.queues.database import Database
from webapp.queues.errors import AnswerTooLarge, QueueError, QueueFull, QueueLost
from webapp.queues.lapses import Lapses
from webapp.queues.matching import (
    AGE_CAP,
    HALF_LIFE,
    Account,
    Candidate,
    choose,
    decayed,
    starves,
)
from webapp.queues.sqlite_board import SqliteBoard
from webapp.queues.wake import WORK, Bell

LEASE_SECONDS = 10.0
MAX_DELIVERY = 5
ANSWER_SECONDS = 3600.0  # how long an answer waits for its reader
MOST_ANSWER = 900_000_000  # bytes; a row of SQLite has 1,000,000,000
PURGE_SECONDS = 60.0  # between sweeps of what has expired

COLUMNS = 'id, kind, owner, checkpoint, priority, tags, "index", put_at, deliveries'
DEADLY = 2  # deaths of workers after which a frame goes behind all others
CANDIDATES = f"""
SELECT MIN("index") AS "index", owner, priority, checkpoint, put_at,
    COALESCE(times, 0) >= {DEADLY} AS deadly
FROM frames LEFT JOIN deaths USING (id)
WHERE worker IS NULL GROUP BY owner, priority, checkpoint, deadly
"""
SPENT = """
SELECT f."index", f.id, f.owner, f.tags, d.how FROM frames f LEFT JOIN deaths d USING (id)
WHERE f.deliveries >= ? AND (f.worker IS NULL OR f.expires < ?)
"""
DIED = """
INSERT INTO deaths (id, times, how) SELECT id, 1, :how FROM frames WHERE {condition}
ON CONFLICT (id) DO UPDATE SET times = times + 1, how = :how
"""
ANSWERED = """
SELECT id FROM answered JOIN answers USING (id)
WHERE (:owner IS NULL OR owner = :owner) AND made_at > :since
    AND json_extract(tags, :path) = :value
ORDER BY "index" DESC LIMIT 1
"""
UNHEARD = "was not heard of until its lease ran out"


class SqliteStore(SqliteBoard):
    """Stream and Board (see ``contracts.py``), for any number of threads and processes.

    ``lease_seconds`` is the term of a lease; ``age_cap`` (seconds) see ``matching.py``; ``clock``
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
        super().__init__(Database(path, self.log))
        self.bell = Bell(path.with_name("bells"))
        self.lease_seconds = lease_seconds
        self.max_delivery = max_delivery
        self.age_cap = age_cap
        self.answer_seconds = answer_seconds
        self.clock = clock
        self._lapses = Lapses(lease_seconds)
        self._purged_at = 0.0

    def close(self) -> None:
        """Stop listening and close the file."""
        self.bell.close()
        self.database.close()

    # -- the Stream -------------------------------------------------------------------------

    def put(self, frame: Frame) -> int:
        """Store a frame; see the contract. Raises ``QueueFull``, ``QueueLost``."""
        if why := self.lost():
            raise QueueLost(f"{why} The request was not stored; send it again in a moment.")
        with self.database.writing() as rows:
            known = rows.execute(
                'SELECT "index" FROM frames WHERE id = :id '
                'UNION ALL SELECT "index" FROM answers WHERE id = :id AND made_at > :since',
                {"id": frame.id, "since": self.clock() - self.answer_seconds},
            ).fetchone()
            if known is not None:
                return int(known[0])
            index = insert(rows, frame, self.clock())
        self.bell.ring(WORK)
        return index

    def take(self, worker: str, loaded: Sequence[str], timeout: float) -> Lease | None:
        """Lease the next frame; see the contract."""
        until = time.monotonic() + timeout
        with self.bell.listening(WORK) as ear:
            while True:
                lease = self._take_now(worker, loaded)
                if lease is not None or not ear.wait(until):
                    return lease

    def renew(self, lease: Lease) -> bool:
        """Hold the lease for another term from now; False if it was lost."""
        with self.database.writing() as rows:
            changed = rows.execute(
                "UPDATE frames SET expires = ? WHERE id = ? AND token = ?",
                (self.clock() + self.lease_seconds, lease.frame.id, lease.token),
            ).rowcount
        return changed == 1

    def answer(self, lease: Lease, answer: Answer, gpu_seconds: float, model: str = "") -> bool:
        """Store the answer, remove the frame, count the job; False if the lease was lost.

        On a full disk the ballast makes room for it.
        """
        return self.database.with_room(lambda: self._answer(lease, answer, gpu_seconds, model))

    def _answer(self, lease: Lease, answer: Answer, gpu_seconds: float, model: str) -> bool:
        if len(answer.body) > MOST_ANSWER:
            raise AnswerTooLarge(
                f"The answer has {len(answer.body):,} bytes; at most {MOST_ANSWER:,} can be kept. "
                "Ask for fewer pictures, or with save_images and without send_images: files that "
                "were saved are there."
            )
        now, frame = self.clock(), lease.frame
        with self.database.writing() as rows:
            removed = rows.execute(
                "DELETE FROM frames WHERE id = ? AND token = ? RETURNING leased_at",
                (frame.id, lease.token),
            ).fetchall()
            if not removed:
                return False
            waited = removed[0]["leased_at"] - frame.put_at
            count_job(rows, frame, answer.status, max(waited, 0.0), gpu_seconds, model)
            store_answer(rows, frame.id, frame.index, answer, now)
            name_answer(rows, frame.id, frame.owner, json.dumps(dict(frame.tags)))
            charge(rows, frame.owner, gpu_seconds, now)
            self._purge(rows, now)
        self.bell.ring(frame.id)
        return True

    def release(self, lease: Lease) -> None:
        """Give an unfinished frame back; this delivery does not count."""
        with self.database.writing() as rows:
            rows.execute(
                "UPDATE frames SET worker = NULL, token = NULL, expires = NULL, leased_at = NULL,"
                " deliveries = deliveries - 1 WHERE id = ? AND token = ?",
                (lease.frame.id, lease.token),
            )
        self.bell.ring(WORK)

    def release_worker(self, worker: str, how: str = "") -> int:
        """Take back all that a dead worker held, this delivery counted; how many frames it was."""
        now = self.clock()
        with self.database.writing() as rows:
            released = free(rows, "worker = :value", worker, how)
            rows.execute("DELETE FROM workers WHERE worker = ?", (worker,))
            buried = bury(rows, self.max_delivery, float("-inf"), now)
        self._announce(buried)
        self.bell.ring(WORK)
        return released

    def holders(self) -> Sequence[str]:
        """The workers that hold leases now, dead ones too."""
        query = "SELECT DISTINCT worker FROM frames WHERE worker IS NOT NULL ORDER BY worker"
        with self.database.reading() as rows:
            return [row["worker"] for row in rows.execute(query).fetchall()]

    def wait(self, frame_id: str, timeout: float) -> Answer | None:
        """The answer once it is there, or None after ``timeout`` seconds."""
        until = time.monotonic() + timeout
        with self.bell.listening(frame_id) as ear:
            while True:
                answer = self._find_answer(frame_id)
                if answer is not None or not ear.wait(until):
                    return answer

    def forget(self, frame_id: str) -> None:
        """Drop an answer that its only reader has got, before it expires."""
        try:
            with self.database.writing() as rows:
                rows.execute("DELETE FROM answers WHERE id = ?", (frame_id,))
                rows.execute("DELETE FROM answered WHERE id = ?", (frame_id,))
        except (QueueError, sqlite3.Error) as error:  # the reader has it: that is no failure of his
            self.log.warning("an answer that was read stays in the queue for now: %s", error)

    def answered(self, tag: str, value: str, owner: str | None = None) -> str | None:
        """The newest frame with this tag whose answer is kept; see the contract."""
        with self.database.reading() as rows:
            row = rows.execute(
                ANSWERED,
                {"path": f'$."{tag}"', "value": value, "owner": owner, "since": self._kept_since()},
            ).fetchone()
        return None if row is None else str(row["id"])

    def cancel(self, frame_id: str) -> bool:
        """Remove a waiting frame; False if it is leased or gone."""
        return self.database.with_room(lambda: self._cancel(frame_id))

    def _cancel(self, frame_id: str) -> bool:
        with self.database.writing() as rows:
            removed = rows.execute(
                "DELETE FROM frames WHERE id = ? AND worker IS NULL", (frame_id,)
            ).rowcount
        return removed == 1

    def waiting_frame(self, frame_id: str) -> Frame | None:
        """A frame that waits, its body included; None if it is leased or gone."""
        query = f"SELECT {COLUMNS}, body FROM frames WHERE id = ? AND worker IS NULL"
        with self.database.reading() as rows:
            row = rows.execute(query, (frame_id,)).fetchone()
        return frame_of(row, row["body"]) if row is not None else None

    def settle(self, frame_id: str, answer: Answer) -> bool:
        """Answer a waiting frame in a worker's stead, uncounted; False if it is leased or gone.

        On a full disk the ballast makes room for it.
        """
        return self.database.with_room(lambda: self._settle(frame_id, answer))

    def _settle(self, frame_id: str, answer: Answer) -> bool:
        with self.database.writing() as rows:
            removed = rows.execute(
                'DELETE FROM frames WHERE id = ? AND worker IS NULL RETURNING "index", owner, tags',
                (frame_id,),
            ).fetchall()
            if not removed:
                return False
            store_answer(rows, frame_id, removed[0]["index"], answer, self.clock())
            name_answer(rows, frame_id, removed[0]["owner"], removed[0]["tags"])
        self.bell.ring(frame_id)
        return True

    def waiting(self, owner: str | None = None) -> Sequence[Frame]:
        """Waiting and leased frames in order of arrival, without their bodies."""
        query = f"SELECT {COLUMNS} FROM frames WHERE :owner IS NULL OR owner = :owner"
        with self.database.reading() as rows:
            found = rows.execute(query + ' ORDER BY "index"', {"owner": owner}).fetchall()
        return [frame_of(row, b"") for row in found]

    def holds(self, frame_id: str) -> bool:
        """Whether the frame still waits or is worked on."""
        with self.database.reading() as rows:
            found = rows.execute("SELECT 1 FROM frames WHERE id = ?", (frame_id,)).fetchone()
        return found is not None

    def runs(self, frame_id: str) -> bool:
        """Whether a worker works on the frame."""
        query = "SELECT 1 FROM frames WHERE id = ? AND worker IS NOT NULL"
        with self.database.reading() as rows:
            return rows.execute(query, (frame_id,)).fetchone() is not None

    def depth(self) -> Depth:
        """How many frames wait and run, of everybody."""
        with self.database.reading() as rows:
            row = rows.execute(
                "SELECT COUNT(*) - COUNT(worker), COUNT(worker),"
                " MIN(CASE WHEN worker IS NULL THEN put_at END) FROM frames"
            ).fetchone()
        return Depth(row[0], row[1], max(self.clock() - row[2], 0.0) if row[2] else 0.0)

    def lost(self) -> str:
        """Why the open file is not the one of that name any more; "" while it is."""
        return self.database.lost()

    # -- inside -----------------------------------------------------------------------------

    def _take_now(self, worker: str, loaded: Sequence[str]) -> Lease | None:
        """Lease the best frame at this moment, if one waits."""
        now = self.clock()
        given_up = self._lapses.given_up(now)
        with self.database.reading() as rows:  # no lock on the file while there is nothing to do
            if rows.execute(
                "SELECT 1 FROM frames WHERE worker IS NULL OR expires < ? LIMIT 1", (given_up,)
            ).fetchone() is None:  # fmt: skip
                return None
        try:
            with self.database.writing() as rows:
                buried = bury(rows, self.max_delivery, given_up, now)
                free(rows, "expires < :value", given_up, UNHEARD)
                lease = self._lease(rows, worker, loaded, now)
        except QueueFull:
            self._lapses.begin_anew()  # nobody could renew a lease meanwhile
            raise
        self._announce(buried)
        return lease

    def _lease(
        self, rows: sqlite3.Connection, worker: str, loaded: Sequence[str], now: float
    ) -> Lease | None:
        """Choose, mark and read a frame, inside a transaction."""
        accounts = read_accounts(rows, now)
        best = choose(
            (Candidate(**row) for row in rows.execute(CANDIDATES)),
            lambda owner: accounts.get(owner, Account()),
            frozenset(loaded),
            now,
            self.age_cap,
        )
        if best is None:
            return None
        if starves(best, accounts.get(best.owner, Account()), now, self.age_cap):
            charge(rows, best.owner, 0.0, now)
            rows.execute("UPDATE ledger SET rode_at = ? WHERE owner = ?", (now, best.owner))
        token, expires = uuid4().hex, now + self.lease_seconds
        row = rows.execute(
            "UPDATE frames SET worker = ?, token = ?, leased_at = ?, expires = ?,"
            f' deliveries = deliveries + 1 WHERE "index" = ? RETURNING {COLUMNS}, body',
            (worker, token, now, expires, best.index),
        ).fetchall()[0]
        return Lease(frame_of(row, row["body"]), worker, token, expires)

    def _find_answer(self, frame_id: str) -> Answer | None:
        with self.database.reading() as rows:
            row = rows.execute(
                "SELECT status, body, content_type FROM answers WHERE id = ? AND made_at > ?",
                (frame_id, self._kept_since()),
            ).fetchone()
        return None if row is None else Answer(row["status"], row["body"], row["content_type"])

    def _kept_since(self) -> float:
        """When the oldest answer was made that is still given out."""
        return self.clock() - self.answer_seconds

    def _purge(self, rows: sqlite3.Connection, now: float) -> None:
        """Forget what has expired, once a minute, and give pages back to the file system."""
        if now - self._purged_at < PURGE_SECONDS:
            return
        self._purged_at = now
        rows.execute("DELETE FROM answers WHERE made_at < ?", (now - self.answer_seconds,))
        rows.execute("DELETE FROM answered WHERE id NOT IN (SELECT id FROM answers)")
        rows.execute("DELETE FROM deaths WHERE id NOT IN (SELECT id FROM frames)")
        self.forget_before(rows, now - self.answer_seconds)
        rows.execute("PRAGMA incremental_vacuum(256)").fetchall()

    def _announce(self, frame_ids: Sequence[str]) -> None:
        for frame_id in frame_ids:
            self.bell.ring(frame_id)


def insert(rows: sqlite3.Connection, frame: Frame, now: float) -> int:
    """Append a frame; its index."""
    cursor = rows.execute(
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


def free(rows: sqlite3.Connection, condition: str, value: object, how: str) -> int:
    """End the leases of dead workers and count the deaths; returns the number of leases.

    ``condition`` is SQL with ``:value`` in it. The delivery stays counted.
    """
    rows.execute(DIED.format(condition=condition), {"value": value, "how": how})
    return rows.execute(
        "UPDATE frames SET worker = NULL, token = NULL, expires = NULL, leased_at = NULL"
        f" WHERE {condition}",
        {"value": value},
    ).rowcount


def bury(rows: sqlite3.Connection, max_delivery: int, given_up: float, now: float) -> list[str]:
    """Answer 500 to frames delivered ``max_delivery`` times without an answer; their ids."""
    spent = rows.execute(SPENT, (max_delivery, given_up)).fetchall()
    for row in spent:
        store_answer(
            rows, row["id"], row["index"], gave_up(max_delivery, row["how"] or UNHEARD), now
        )
        name_answer(rows, row["id"], row["owner"], row["tags"])
        rows.execute('DELETE FROM frames WHERE "index" = ?', (row["index"],))
    return [row["id"] for row in spent]


def gave_up(max_delivery: int, how: str) -> Answer:
    """The 500 answer to a frame whose workers all died, in AUTOMATIC1111's error envelope."""
    text = (
        f"The worker was lost {max_delivery} times while it worked on this request, which is not "
        f"tried again. The last one {how}. The service's log says more; a picture too large for "
        "the machine's memory is the usual cause."
    )
    body = {"error": "WorkerLost", "detail": text, "body": "", "errors": text}
    return Answer(500, json.dumps(body).encode())


def store_answer(
    rows: sqlite3.Connection, frame_id: str, index: int, answer: Answer, now: float
) -> None:
    """Keep an answer and forget the job's progress and stop flag."""
    rows.execute(
        'INSERT OR REPLACE INTO answers (id, "index", status, content_type, made_at, body)'
        " VALUES (?, ?, ?, ?, ?, ?)",
        (frame_id, index, answer.status, answer.content_type, now, answer.body),
    )
    rows.execute("DELETE FROM sightings WHERE job = ?", (frame_id,))
    rows.execute("DELETE FROM stops WHERE job = ?", (frame_id,))
    rows.execute("DELETE FROM deaths WHERE id = ?", (frame_id,))


def name_answer(rows: sqlite3.Connection, frame_id: str, owner: str, tags: str) -> None:
    """Keep whose answer it is, and its frame's tags: a JSON object."""
    rows.execute(
        "INSERT OR REPLACE INTO answered (id, owner, tags) VALUES (?, ?, ?)",
        (frame_id, owner, tags),
    )


def count_job(
    rows: sqlite3.Connection,
    frame: Frame,
    status: int,
    waited: float,
    gpu_seconds: float,
    model: str,
) -> None:
    """Count an answered job for its owner and model; seconds it waited and was worked on."""
    whose = {"user": frame.owner, "model": model or frame.checkpoint}
    tallies.add(rows, "jobs", {**whose, "kind": frame.kind, "status": str(status)}, 1.0)
    tallies.add(rows, "job_wait_seconds", whose, waited)
    tallies.add(rows, "job_gpu_seconds", whose, gpu_seconds)


def charge(rows: sqlite3.Connection, owner: str, gpu_seconds: float, now: float) -> None:
    """Add GPU seconds to an owner's usage, the older part decayed."""
    row = rows.execute("SELECT gpu_seconds, as_of FROM ledger WHERE owner = ?", (owner,)).fetchone()
    before = decayed(row["gpu_seconds"], now - row["as_of"]) if row else 0.0
    rows.execute(
        "INSERT INTO ledger (owner, gpu_seconds, as_of) VALUES (:owner, :used, :now)"
        " ON CONFLICT (owner) DO UPDATE SET gpu_seconds = :used, as_of = :now",
        {"owner": owner, "used": before + gpu_seconds, "now": now},
    )


def read_accounts(rows: sqlite3.Connection, now: float) -> Mapping[str, Account]:
    """What owners have used, with the time that their running frames have taken so far."""
    running: dict[str, float] = dict(
        rows.execute(
            "SELECT owner, SUM(? - leased_at) FROM frames WHERE worker IS NOT NULL GROUP BY owner",
            (now,),
        ).fetchall()
    )
    accounts = {owner: Account(seconds) for owner, seconds in running.items()}
    for row in rows.execute("SELECT * FROM ledger WHERE as_of > ?", (now - 20 * HALF_LIFE,)):
        owner, used = row["owner"], decayed(row["gpu_seconds"], now - row["as_of"])
        accounts[owner] = Account(used + running.get(owner, 0.0), row["rode_at"])
    return accounts
