"""Frames whose worker died: their leases end, and at last they are answered 500."""

import json
import sqlite3

from webapp.queues.contracts.frame import Answer
from webapp.queues.sqlite.answer_rows import store_answer, store_answer_tags
from webapp.queues.sqlite.entry_rows import copy_to_rear

SELECT_EXHAUSTED = """
SELECT f."index", f.id, f.owner, f.tags, d.how FROM frames f LEFT JOIN deaths d USING (id)
WHERE f.deliveries > 0 AND f.deliveries >= ? AND (f.worker IS NULL OR f.expires < ?)
"""
UPSERT_DEATHS = """
INSERT INTO deaths (id, times, how) SELECT id, 1, :how FROM frames WHERE {condition}
ON CONFLICT (id) DO UPDATE SET times = times + 1, how = :how
"""
LEASE_RAN_OUT = "was not heard of until its lease ran out"


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
    """Answer 500 to frames delivered ``max_delivery`` times without an answer; their ids.

    0: frames are delivered without end.
    """
    if not max_delivery:
        return []
    exhausted = db.execute(SELECT_EXHAUSTED, (max_delivery, cutoff)).fetchall()
    for row in exhausted:
        cause = row["how"] or LEASE_RAN_OUT
        copy_to_rear(db, row["id"], f"The worker was lost {max_delivery} times; the last {cause}.")
        answer = worker_lost_answer(max_delivery, cause)
        store_answer(db, row["id"], row["index"], answer, now)
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
