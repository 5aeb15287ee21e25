"""Entries as rows of the table ``entries``; each function works in a transaction of the caller's.

A frame that was made of an entry has the entry's request id as its own, so that its answer finds
the entry.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webapp.queues.contracts.entries import (
    INPUT,
    REAR,
    REQUEST_ID_TAG,
    SINK,
    STATUS_TAG,
    Entry,
    EntryFilter,
)

ENTRY_COLUMNS = (
    'e."index", e.request_id, e.owner, e.scope, e.path, e.priority, e.tags, e.message, e.put_at'
)
OK = 200
COPY_TO_REAR = f"""
INSERT INTO entries (queue, request_id, owner, scope, path, priority, tags, message, put_at, data)
SELECT queue || '{REAR}', request_id, owner, scope, path, priority, tags, :message, put_at, data
FROM entries WHERE queue = '{INPUT}' AND request_id = :id
"""


def entry_topic(queue: str) -> str:
    """The topic of the notifier that is rung when entries come into a queue."""
    return f"entries:{queue}"


def insert_entry(db: sqlite3.Connection, queue: str, entry: Entry, now: float) -> int:
    """Append an entry; its index."""
    cursor = db.execute(
        "INSERT INTO entries (queue, request_id, owner, scope, path, priority, tags, message,"
        " put_at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            queue,
            entry.request_id,
            entry.owner,
            entry.scope,
            entry.path,
            entry.priority,
            json.dumps({**entry.tags, REQUEST_ID_TAG: entry.request_id}),
            entry.message,
            now,
            entry.data,
        ),
    )
    return int(cursor.lastrowid or 0)


def entry_of(row: sqlite3.Row, data: bytes) -> Entry:
    """An entry from a row of ``ENTRY_COLUMNS``."""
    return Entry(
        request_id=row["request_id"],
        data=data,
        tags=json.loads(row["tags"]),
        priority=row["priority"],
        owner=row["owner"],
        scope=row["scope"],
        path=row["path"],
        message=row["message"],
        index=row["index"],
        put_at=row["put_at"],
    )


def filter_condition(wanted: EntryFilter) -> tuple[str, list[Any]]:
    """SQL that an entry ``e`` fits, and its parameters; begins with AND, or is empty."""
    sql = ""
    values: list[Any] = []
    if wanted.owner is not None:
        sql += " AND e.owner = ?"
        values.append(wanted.owner)
    for name, value in wanted.tags.items():
        if name == REQUEST_ID_TAG:  # has an index
            sql += " AND e.request_id = ?"
            values.append(value)
        else:
            sql += " AND EXISTS (SELECT 1 FROM json_each(e.tags) WHERE key = ? AND value = ?)"
            values += (name, value)
    return sql, values


def remove_entries(db: sqlite3.Connection, condition: str, values: Iterable[Any]) -> Sequence[str]:
    """Delete entries; their request ids."""
    rows = db.execute(f"DELETE FROM entries AS e WHERE {condition} RETURNING request_id", [*values])
    return [row["request_id"] for row in rows.fetchall()]


def deliver_result(
    db: sqlite3.Connection, request_id: str, status: int, body: bytes, now: float
) -> bool:
    """Put the result of an entry of the input into the sink, and remove the entry.

    False, and nothing done, where there is no such entry. An empty body with status 200 leaves
    nothing in the sink.
    """
    rows = db.execute(
        f"DELETE FROM entries WHERE request_id = ? AND queue = '{INPUT}' RETURNING owner, tags",
        (request_id,),
    ).fetchall()
    if not rows:
        return False
    if body or status != OK:
        tags: Mapping[str, str] = json.loads(rows[0]["tags"])
        failed = {} if status == OK else {STATUS_TAG: str(status)}
        result = Entry(request_id, body, {**tags, **failed}, owner=rows[0]["owner"])
        insert_entry(db, SINK, result, now)
    return True


def copy_to_rear(db: sqlite3.Connection, request_id: str, message: str) -> None:
    """Keep an entry of the input as a dead letter, with the reason."""
    db.execute(COPY_TO_REAR, {"id": request_id, "message": message})
