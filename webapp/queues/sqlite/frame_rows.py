"""Frames as rows of the tables ``frames`` and ``workloads``."""

import json
import sqlite3

from webapp.queues.contracts.frame import Frame
from webapp.queues.sharing import parse_sharing

FRAME_COLUMNS = """
id, kind, owner, checkpoint, priority, tags, "index", put_at, deliveries,
worker IS NOT NULL AS is_leased,
COALESCE((SELECT work FROM workloads WHERE frame = "index"), 0.0) AS work,
COALESCE((SELECT weight FROM workloads WHERE frame = "index"), 1.0) AS weight,
COALESCE((SELECT predicted_seconds FROM workloads WHERE frame = "index"), 1.0) AS predicted_seconds,
COALESCE((SELECT sharing FROM sharings WHERE frame = "index"), '') AS sharing
"""


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
    """A frame from a row of ``FRAME_COLUMNS``."""
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
        work=row["work"],
        weight=row["weight"],
        predicted_seconds=row["predicted_seconds"],
        is_leased=bool(row["is_leased"]),
        sharing=parse_sharing(row["sharing"]),
    )
