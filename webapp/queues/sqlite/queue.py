"""Requests in, leases out, in the table ``frames``."""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from webapp.queues.contracts.entries import SINK
from webapp.queues.contracts.frame import Frame, Lease
from webapp.queues.contracts.queue import OwnerDepth, QueueDepth
from webapp.queues.errors import QueueFull, QueueLost
from webapp.queues.lease_expiry import LEASE_SECONDS, LeaseExpiry
from webapp.queues.notifier import WORK_TOPIC, Notifier
from webapp.queues.scheduler import AGE_CAP, Candidate, OwnerUsage, choose_next, is_starving
from webapp.queues.sqlite.accounts import charge_owner, read_accounts
from webapp.queues.sqlite.database import QueueDatabase
from webapp.queues.sqlite.dead_workers import LEASE_RAN_OUT, end_leases, fail_exhausted
from webapp.queues.sqlite.entry_rows import entry_topic
from webapp.queues.sqlite.frame_rows import FRAME_COLUMNS, frame_of, insert_frame
from webapp.queues.sqlite.part import FramePart
from webapp.queues.worker_id import WorkerId

MAX_DELIVERY = 5
DEADLY_COUNT = 2  # deaths of workers after which a frame goes behind all others
SELECT_CANDIDATES = f"""
SELECT MIN("index") AS "index", owner, priority, checkpoint, put_at,
    COALESCE(times, 0) >= {DEADLY_COUNT} AS deadly
FROM frames LEFT JOIN deaths USING (id)
WHERE worker IS NULL GROUP BY owner, priority, checkpoint, deadly
"""


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """``seconds`` that a lease lasts, how often a frame is delivered (0: without end), age cap."""

    seconds: float = LEASE_SECONDS
    max_delivery: int = MAX_DELIVERY
    age_cap: float = AGE_CAP


class SqliteQueue(FramePart):
    """See the contract of ``Queue``."""

    def __init__(
        self,
        database: QueueDatabase,
        notifier: Notifier,
        clock: Callable[[], float],
        answer_seconds: float,
        terms: LeaseTerms,
    ) -> None:
        super().__init__(database, notifier, clock, answer_seconds)
        self.terms = terms
        self._lease_expiry = LeaseExpiry(terms.seconds)

    def put(self, frame: Frame) -> int:
        """Store a frame; see the contract. Raises ``QueueFull``, ``QueueLost``."""
        if why := self.loss_reason():
            raise QueueLost(f"{why} The request was not stored; send it again in a moment.")
        with self.database.write_transaction() as db:
            index_row = db.execute(
                'SELECT "index" FROM frames WHERE id = :id '
                'UNION ALL SELECT "index" FROM answers WHERE id = :id AND made_at > :since',
                {"id": frame.id, "since": self.oldest_kept_answer()},
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
                failed = fail_exhausted(db, self.terms.max_delivery, cutoff, now)
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
        best = self._choose(db, accounts, loaded, now)
        if best is None:
            return None
        if is_starving(best, accounts.get(best.owner, OwnerUsage()), now, self.terms.age_cap):
            charge_owner(db, best.owner, 0.0, now)
            db.execute("UPDATE ledger SET rode_at = ? WHERE owner = ?", (now, best.owner))
        token, expires = uuid4().hex, now + self.terms.seconds
        row = db.execute(
            "UPDATE frames SET worker = ?, token = ?, leased_at = ?, expires = ?,"
            f' deliveries = deliveries + 1 WHERE "index" = ? RETURNING {FRAME_COLUMNS}, body',
            (str(worker), token, now, expires, best.index),
        ).fetchall()[0]
        return Lease(frame_of(row, row["body"]), worker, token, expires, self.terms.seconds)

    def _choose(
        self,
        db: sqlite3.Connection,
        accounts: Mapping[str, OwnerUsage],
        loaded: Sequence[str],
        now: float,
    ) -> Candidate | None:
        return choose_next(
            (Candidate(**row) for row in db.execute(SELECT_CANDIDATES)),
            lambda owner: accounts.get(owner, OwnerUsage()),
            frozenset(loaded),
            now,
            self.terms.age_cap,
        )

    def next_checkpoint(self, loaded: Sequence[str]) -> str:
        """The checkpoint of the frame that would be leased now; "" where there is none."""
        now = self.clock()
        with self.database.read_connection() as db:
            best = self._choose(db, read_accounts(db, now), loaded, now)
        return best.checkpoint if best is not None else ""

    def renew(self, lease: Lease) -> bool:
        """Hold the lease for another term from now; False if it was lost."""
        with self.database.write_transaction() as db:
            changed = db.execute(
                "UPDATE frames SET expires = ? WHERE id = ? AND token = ?",
                (self.clock() + self.terms.seconds, lease.frame.id, lease.token),
            ).rowcount
        return changed == 1

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
            failed = fail_exhausted(db, self.terms.max_delivery, float("-inf"), now)
        self._notify_answered(failed)
        self.notifier.notify(WORK_TOPIC)
        return released

    def lease_holders(self) -> Sequence[WorkerId]:
        """The workers that hold leases now, dead ones too."""
        query = "SELECT DISTINCT worker FROM frames WHERE worker IS NOT NULL ORDER BY worker"
        with self.database.read_connection() as db:
            return [WorkerId.parse(row["worker"]) for row in db.execute(query).fetchall()]

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

    def owner_depth(self, owner: str, kind: str) -> OwnerDepth:
        """One owner's frames of a kind, and the bytes of all its bodies; see the contract."""
        with self.database.read_connection() as db:
            row = db.execute(  # LENGTH of a blob reads the row's head, not the blob
                "SELECT COUNT(*) FILTER (WHERE kind = ?), COALESCE(SUM(LENGTH(body)), 0)"
                " FROM frames WHERE owner = ?",
                (kind, owner),
            ).fetchone()
        return OwnerDepth(*row)

    def loss_reason(self) -> str:
        """Why the open file is not the one of that name any more; "" while it is."""
        return self.database.loss_reason()

    def _notify_answered(self, frame_ids: Sequence[str]) -> None:
        for topic in (*frame_ids, *([entry_topic(SINK)] if frame_ids else ())):
            self.notifier.notify(topic)
