"""Requests in, leases out, in the table ``frames``."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from uuid import uuid4

from webapp.queues.contracts.entries import SINK
from webapp.queues.contracts.frame import Frame, Lease
from webapp.queues.contracts.queue import OwnerCheck, OwnerDepth, QueueDepth
from webapp.queues.entry_terms import entry_topic
from webapp.queues.errors import QueueFull, QueueLost
from webapp.queues.joint_jobs import Head, may_join
from webapp.queues.lease_expiry import LeaseExpiry
from webapp.queues.lost_worker import LEASE_RAN_OUT
from webapp.queues.notifier import WORK_TOPIC, Notifier
from webapp.queues.scheduler import Account, AccountKey, Match, choose_next
from webapp.queues.sqlite.accounts import (
    correct_charge,
    read_accounts,
    store_accounts,
    turns_of,
)
from webapp.queues.sqlite.candidates import read_candidates, read_running
from webapp.queues.sqlite.charges import charge_lost, charge_returned, keep_share
from webapp.queues.sqlite.database import QueueDatabase
from webapp.queues.sqlite.dead_workers import end_leases, fail_exhausted
from webapp.queues.sqlite.entry_intake import admit_entry
from webapp.queues.sqlite.frame_rows import FRAME_COLUMNS, frame_of, insert_frame
from webapp.queues.sqlite.part import FramePart
from webapp.queues.sqlite.workloads import insert_workload, predict
from webapp.queues.terms import LeaseTerms
from webapp.queues.worker_id import WorkerId

SELECT_DEPTH = """
SELECT (SELECT COUNT(*) FROM frames) AS stored,
    (SELECT COUNT(*) FROM frames WHERE worker IS NOT NULL) AS running,
    (SELECT put_at FROM frames WHERE +worker IS NULL ORDER BY "index" LIMIT 1) AS oldest
"""


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

    def put(
        self,
        frame: Frame,
        entry_tags: Mapping[str, str] | None = None,
        check: OwnerCheck | None = None,
    ) -> int:
        """Store a frame; see the contract. Raises ``QueueFull``, ``QueueLost``."""
        if why := self.loss_reason():
            raise QueueLost(f"{why} The request was not stored; send it again in a moment.")
        if check is not None:
            check(self.owner_depth(frame.owner, frame.kind))
        with self.database.write_transaction() as db:
            if entry_tags is not None:
                admit_entry(db, frame.id, entry_tags)
            index_row = db.execute(
                'SELECT "index" FROM frames WHERE id = :id '
                'UNION ALL SELECT "index" FROM answers WHERE id = :id AND made_at > :since',
                {"id": frame.id, "since": self.oldest_kept_answer()},
            ).fetchone()
            if index_row is not None:
                return int(index_row[0])
            index = insert_frame(db, frame, self.clock())
            insert_workload(db, index, frame)
        self.notifier.notify(WORK_TOPIC)
        return index

    def take(
        self,
        worker: WorkerId,
        loaded: Sequence[str],
        timeout: float,
        running: str | None = None,
    ) -> Lease | None:
        """Lease the next frame; see the contract."""
        until = time.monotonic() + timeout
        with self.notifier.subscribe(WORK_TOPIC) as subscription:
            while True:
                lease = self._take_best(worker, loaded, running)
                if lease is Head.CANNOT_JOIN:
                    return None
                if lease is not None or not subscription.wait(until):
                    return lease

    def _take_best(
        self, worker: WorkerId, loaded: Sequence[str], running: str | None
    ) -> Lease | Head | None:
        """Lease the best frame at this moment, if one waits."""
        now = self.clock()
        cutoff = self._lease_expiry.expiry_cutoff(now)
        with (
            self.database.read_connection() as db
        ):  # no lock on the file while there is nothing to do
            if not self._has_work(db, loaded, cutoff, now):
                return None
        try:
            with self.database.write_transaction() as db:
                charge_lost(db, "expires < :value", cutoff, self.terms.seconds)
                failed = fail_exhausted(db, self.terms.max_delivery, cutoff, now)
                end_leases(db, "expires < :value", cutoff, LEASE_RAN_OUT)
                lease = self._lease(db, worker, loaded, now, running)
        except QueueFull:
            self._lease_expiry.reset()  # nobody could renew a lease meanwhile
            raise
        self._notify_answered(failed)
        return lease

    def _lease(
        self,
        db: sqlite3.Connection,
        worker: WorkerId,
        loaded: Sequence[str],
        now: float,
        running: str | None,
    ) -> Lease | Head | None:
        """Choose, mark and read a frame, inside a transaction."""
        match = self._match(db, loaded, now)
        if match is None:
            return None
        if running is not None and not self._may_join(db, match, running):
            return Head.CANNOT_JOIN
        store_accounts(db, match.accounts)
        token, expires = uuid4().hex, now + self.terms.seconds
        row = db.execute(
            "UPDATE frames SET worker = ?, token = ?, leased_at = ?, expires = ?,"
            f' deliveries = deliveries + 1 WHERE "index" = ? RETURNING {FRAME_COLUMNS}, body',
            (str(worker), token, now, expires, match.frame.index),
        ).fetchall()[0]
        return Lease(frame_of(row, row["body"]), worker, token, expires)

    def _may_join(self, db: sqlite3.Connection, match: Match, running: str) -> bool:
        query = 'SELECT tags, deliveries FROM frames WHERE "index" = ?'
        tags, deliveries = db.execute(query, (match.frame.index,)).fetchone()
        return may_join(json.loads(tags), deliveries, running)

    def _has_work(
        self, db: sqlite3.Connection, loaded: Sequence[str], cutoff: float, now: float
    ) -> bool:
        """Whether a lease has run out or a frame waits, unless limits hold back all that do."""
        if db.execute("SELECT 1 FROM frames WHERE expires < ? LIMIT 1", (cutoff,)).fetchone():
            return True
        if db.execute("SELECT 1 FROM frames WHERE worker IS NULL LIMIT 1").fetchone() is None:
            return False
        has_limits = db.execute("SELECT 1 FROM sharings LIMIT 1").fetchone() is not None
        return not has_limits or self._match(db, loaded, now) is not None

    def _match(self, db: sqlite3.Connection, loaded: Sequence[str], now: float) -> Match | None:
        turns, terms = turns_of(db), self.terms.match
        candidates, running = read_candidates(db), read_running(db)
        return choose_next(candidates, turns, frozenset(loaded), now, terms, running)

    def next_checkpoint(self, loaded: Sequence[str]) -> str:
        """The checkpoint of the frame that would be leased now; "" where there is none."""
        now = self.clock()
        with self.database.read_connection() as db:
            match = self._match(db, loaded, now)
        return match.frame.checkpoint if match is not None else ""

    def may_take(self) -> bool:
        """Whether a frame waits that may run now."""
        now = self.clock()
        with self.database.read_connection() as db:
            return self._match(db, (), now) is not None

    def renew(self, lease: Lease, gpu_seconds: float | None = None) -> bool:
        """Hold the lease for another term from now; False if it was lost."""
        with self.database.write_transaction() as db:
            changed = db.execute(
                "UPDATE frames SET expires = ? WHERE id = ? AND token = ?",
                (self.clock() + self.terms.seconds, lease.frame.id, lease.token),
            ).rowcount
            if gpu_seconds is not None:
                keep_share(db, lease.frame.id, lease.token, gpu_seconds)
        return changed == 1

    def release(self, lease: Lease, gpu_seconds: float | None = None) -> None:
        """Give an unfinished frame back; this delivery does not count."""
        with self.database.write_transaction() as db:
            charge_returned(db, lease.frame.id, lease.token, self.clock(), gpu_seconds)
            released = db.execute(
                "UPDATE frames SET worker = NULL, token = NULL, expires = NULL, leased_at = NULL,"
                " deliveries = deliveries - 1 WHERE id = ? AND token = ?",
                (lease.frame.id, lease.token),
            ).rowcount
            if released:
                correct_charge(db, lease.frame, 0.0)
        self.notifier.notify(WORK_TOPIC)

    def release_worker(self, worker: WorkerId, how: str = "") -> int:
        """Take back all that a dead worker held, this delivery counted; how many frames it was."""
        now = self.clock()
        with self.database.write_transaction() as db:
            charge_lost(db, "worker = :value", str(worker), self.terms.seconds)
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
        own, values = ("", ()) if owner is None else ("WHERE owner = ?", (owner,))
        query = f'SELECT {FRAME_COLUMNS} FROM frames {own} ORDER BY "index"'
        with self.database.read_connection() as db:
            records = db.execute(query, values).fetchall()
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
            row = db.execute(SELECT_DEPTH).fetchone()
        oldest = max(self.clock() - row["oldest"], 0.0) if row["oldest"] else 0.0
        return QueueDepth(row["stored"] - row["running"], row["running"], oldest)

    def owner_depth(self, owner: str, kind: str) -> OwnerDepth:
        """One owner's frames of a kind, and the bytes of all its bodies; see the contract."""
        with self.database.read_connection() as db:
            row = db.execute(
                "SELECT COALESCE(SUM(frames) FILTER (WHERE kind = ?), 0),"
                " COALESCE(SUM(body_bytes), 0) FROM holdings WHERE owner = ?",
                (kind, owner),
            ).fetchone()
        return OwnerDepth(*row)

    def predict_seconds(self, kind: str, checkpoint: str, work: float) -> float:
        """GPU seconds that such a job will take, by jobs that have ended."""
        with self.database.read_connection() as db:
            return predict(db, kind, checkpoint, work)

    def accounts(self) -> Mapping[AccountKey, Account]:
        """Every account in the file; see the contract."""
        with self.database.read_connection() as db:
            return read_accounts(db)

    def loss_reason(self) -> str:
        """Why the open file is not the one of that name any more; "" while it is."""
        return self.database.loss_reason()

    def _notify_answered(self, frame_ids: Sequence[str]) -> None:
        for topic in (*frame_ids, *([entry_topic(SINK)] if frame_ids else ())):
            self.notifier.notify(topic)
