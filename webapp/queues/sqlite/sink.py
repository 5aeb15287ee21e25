"""Answers, in the tables ``answers`` and ``answered``, until they are read or expire."""

import json
import sqlite3
import time

from webapp.queues.charge_codec import answered_charge
from webapp.queues.contracts.entries import REQUEST_ID_TAG, SINK
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.counter_labels import job_labels
from webapp.queues.entry_terms import entry_topic
from webapp.queues.errors import AnswerTooLarge, QueueError
from webapp.queues.notifier import WORK_TOPIC
from webapp.queues.sqlite import counters
from webapp.queues.sqlite.accounts import correct_charge
from webapp.queues.sqlite.answer_rows import (
    SELECT_ANSWER,
    answer_of,
    store_answer,
    store_answer_tags,
)
from webapp.queues.sqlite.charges import add_charge
from webapp.queues.sqlite.part import FramePart
from webapp.queues.sqlite.workloads import learn_pace
from webapp.queues.terms import DONE

MAX_ANSWER_BYTES = 900_000_000  # bytes; a row of SQLite has 1,000,000,000
SELECT_ANSWERED = """
SELECT id FROM answered JOIN answers USING (id)
WHERE (:owner IS NULL OR owner = :owner) AND made_at > :since
    AND json_extract(tags, :path) = :value
ORDER BY answers."index" DESC LIMIT 1
"""
SELECT_BOUNDED = """
SELECT 1 FROM sharings CROSS JOIN frames ON frames."index" = sharings.frame
WHERE frames.worker IS NULL LIMIT 1
"""
"""Whether a frame waits that a limit of running jobs may have held back until now. CROSS: SQLite
would else look through all that wait, at each answer, for one that has a limit."""


class SqliteSink(FramePart):
    """See the contract of ``Sink``."""

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
            leased_at = removed[0]["leased_at"]
            waited = leased_at - frame.put_at
            count_job(db, frame, answer.status, max(waited, 0.0), gpu_seconds, model)
            correct_charge(db, frame, gpu_seconds)
            charge = answered_charge(lease, answer, gpu_seconds, model, now, leased_at)
            add_charge(db, charge)
            if answer.status == DONE and not is_stopped(db, frame.id):
                learn_pace(db, frame, gpu_seconds, now)
            store_answer(db, frame.id, frame.index, answer, now)
            store_answer_tags(db, frame.id, frame.owner, json.dumps(dict(frame.tags)))
            has_made_room = db.execute(SELECT_BOUNDED).fetchone() is not None
            self.purge(db, now)
        topics = [frame.id, WORK_TOPIC] if has_made_room else [frame.id]
        if REQUEST_ID_TAG in frame.tags:
            topics.insert(0, entry_topic(SINK))
        self.notifier.notify(*topics)
        return True

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
        self.notifier.notify(entry_topic(SINK), frame_id)
        return True

    def wait(self, frame_id: str, timeout: float) -> Answer | None:
        """The answer once it is there, or None after ``timeout`` seconds."""
        until = time.monotonic() + timeout
        with self.notifier.subscribe(frame_id) as subscription:
            while True:
                answer = self._find_answer(frame_id)
                if answer is not None or not subscription.wait(until):
                    return answer

    def _find_answer(self, frame_id: str) -> Answer | None:
        with self.database.read_connection() as db:
            row = db.execute(SELECT_ANSWER, (frame_id, self.oldest_kept_answer())).fetchone()
        return None if row is None else answer_of(row)

    def find_answered(self, tag: str, value: str, owner: str | None = None) -> str | None:
        """The newest frame with this tag whose answer is kept; see the contract."""
        with self.database.read_connection() as db:
            row = db.execute(
                SELECT_ANSWERED,
                {
                    "path": f'$."{tag}"',
                    "value": value,
                    "owner": owner,
                    "since": self.oldest_kept_answer(),
                },
            ).fetchone()
        return None if row is None else str(row["id"])

    def delete_answer(self, frame_id: str) -> None:
        """Drop an answer that its only reader has got, before it expires."""
        try:
            with self.database.write_transaction() as db:
                db.execute("DELETE FROM answers WHERE id = ?", (frame_id,))
                db.execute("DELETE FROM answered WHERE id = ?", (frame_id,))
        except (QueueError, sqlite3.Error) as error:  # the reader has it: that is no failure of his
            self.database.log.warning(
                "an answer that was read stays in the queue for now: %s", error
            )

    def purge(self, db: sqlite3.Connection, now: float) -> None:
        """Delete expired answers, in a transaction of the caller's; ``now``: unix seconds."""
        db.execute("DELETE FROM answers WHERE made_at < ?", (now - self.answer_seconds,))
        db.execute("DELETE FROM answered WHERE id NOT IN (SELECT id FROM answers)")


def is_stopped(db: sqlite3.Connection, frame_id: str) -> bool:
    """Whether somebody asked that a job end before its time, so that it tells no pace."""
    return db.execute("SELECT 1 FROM stops WHERE job = ?", (frame_id,)).fetchone() is not None


def count_job(
    db: sqlite3.Connection,
    frame: Frame,
    status: int,
    waited: float,
    gpu_seconds: float,
    model: str,
) -> None:
    """Count an answered job for its owner and model; seconds it waited and was worked on."""
    labels = job_labels(frame, model)
    counters.add(db, "jobs", {**labels, "kind": frame.kind, "status": str(status)}, 1.0)
    counters.add(db, "job_wait_seconds", labels, waited)
    counters.add(db, "job_gpu_seconds", labels, gpu_seconds)
