"""Answers as rows of the tables ``answers`` and ``answered``."""

import sqlite3

from webapp.queues.contracts.frame import Answer
from webapp.queues.sqlite.entry_rows import deliver_result


def store_answer(
    db: sqlite3.Connection, frame_id: str, index: int, answer: Answer, now: float
) -> None:
    """Keep an answer and forget the job's progress and stop flag.

    The answer of a frame that was made of an entry goes into the sink of the entries instead.
    """
    if not deliver_result(db, frame_id, answer.status, answer.body, now):
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
