"""What frames cost and hold, in the tables ``workloads``, ``holdings`` and ``paces``."""

import sqlite3

from webapp.queues.contracts.frame import Frame
from webapp.queues.cost_model import predict_seconds, update_pace
from webapp.queues.terms import ANY_CHECKPOINT as ANY
from webapp.queues.terms import MAX_PACES

INSERT_WORKLOAD = """
INSERT INTO workloads (frame, work, predicted_seconds, weight, body_bytes) VALUES (?, ?, ?, ?, ?)
"""
UPSERT_HOLDING = """
INSERT INTO holdings (owner, kind, frames, body_bytes) VALUES (?, ?, 1, ?)
ON CONFLICT (owner, kind) DO UPDATE
SET frames = frames + 1, body_bytes = body_bytes + excluded.body_bytes
"""
UPSERT_PACE = """
INSERT INTO paces (kind, checkpoint, seconds, learned_at) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, checkpoint) DO UPDATE
SET seconds = excluded.seconds, learned_at = excluded.learned_at
"""
DELETE_OLD_PACES = """
DELETE FROM paces WHERE (kind, checkpoint) IN
    (SELECT kind, checkpoint FROM paces ORDER BY learned_at DESC LIMIT -1 OFFSET ?)
"""


def insert_workload(db: sqlite3.Connection, index: int, frame: Frame) -> None:
    """Note what a frame that was just stored will cost, that its owner holds it, what bounds it."""
    predicted = predict(db, frame.kind, frame.checkpoint, frame.work)
    size = len(frame.body)
    db.execute(INSERT_WORKLOAD, (index, frame.work, predicted, frame.weight, size))
    db.execute(UPSERT_HOLDING, (frame.owner, frame.kind, size))
    if sharing := frame.sharing.to_text():
        db.execute("INSERT INTO sharings (frame, sharing) VALUES (?, ?)", (index, sharing))


def count_held_frames(db: sqlite3.Connection) -> None:
    """Count anew what owners hold, where frames came in some other way; their work is unknown."""
    db.execute('INSERT OR IGNORE INTO workloads SELECT "index", 0, 1, 1, LENGTH(body) FROM frames')
    db.execute(
        "INSERT OR REPLACE INTO holdings"
        " SELECT owner, kind, COUNT(*), SUM(LENGTH(body)) FROM frames GROUP BY owner, kind"
    )


def predict(db: sqlite3.Connection, kind: str, checkpoint: str, work: float) -> float:
    """GPU seconds that such a job will take, by jobs that have ended."""
    pace = read_pace(db, kind, checkpoint)
    return predict_seconds(work, read_pace(db, kind, ANY) if pace is None else pace)


def learn_pace(db: sqlite3.Connection, frame: Frame, gpu_seconds: float, now: float) -> None:
    """Note how long a job took that was done to its end."""
    for checkpoint in dict.fromkeys((frame.checkpoint, ANY)):
        pace = update_pace(read_pace(db, frame.kind, checkpoint), frame.work, gpu_seconds)
        db.execute(UPSERT_PACE, (frame.kind, checkpoint, pace, now))


def read_pace(db: sqlite3.Connection, kind: str, checkpoint: str) -> float | None:
    """Seconds a megapixel-step; None where no such job has ended."""
    query = "SELECT seconds FROM paces WHERE kind = ? AND checkpoint = ?"
    row = db.execute(query, (kind, checkpoint)).fetchone()
    return None if row is None else float(row[0])


def delete_old_paces(db: sqlite3.Connection) -> None:
    """Keep the paces that were learned last."""
    db.execute(DELETE_OLD_PACES, (MAX_PACES,))
