"""Answers as rows of the tables ``answers`` and ``answered``."""

import json
import sqlite3

from webapp.queues.contracts.frame import Answer
from webapp.queues.sqlite.entry_rows import deliver_result

SELECT_ANSWER = """
SELECT a.status, a.body, a.content_type, a.id, o."index", o.tags
FROM answers a LEFT JOIN answered o USING (id) WHERE a.id = ? AND a.made_at > ?
"""


def answer_of(row: sqlite3.Row) -> Answer:
    """An answer from a row of ``SELECT_ANSWER``."""
    return Answer(
        row["status"],
        row["body"],
        row["content_type"],
        row["index"] or 0,  # none where a damaged file lost it
        row["id"],
        json.loads(row["tags"] or "{}"),
    )


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
    """Give an answer its index, and keep whose it is and its frame's tags: a JSON object."""
    db.execute(
        "INSERT OR REPLACE INTO answered (id, owner, tags) VALUES (?, ?, ?)",
        (frame_id, owner, tags),
    )
