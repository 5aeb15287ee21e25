"""Frames for the match rule: the oldest waiting one of each owner, priority and checkpoint; and
the leased ones.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache

from webapp.queues.scheduler import Candidate
from webapp.queues.sharing import RunningJobs, count_running, parse_sharing

DEADLY_COUNT = 2
"""Deaths of workers after which a frame goes behind all others."""

SELECT_DEADLY = f"""
SELECT "index" FROM deaths CROSS JOIN frames USING (id)
WHERE times >= {DEADLY_COUNT} AND worker IS NULL
"""
CANDIDATE_COLUMNS = """
"index", owner, priority, checkpoint, put_at,
COALESCE(predicted_seconds, 1.0) AS predicted, COALESCE(weight, 1.0) AS weight
"""
SHARING = """COALESCE((SELECT sharing FROM sharings WHERE frame = "index"), '')"""
SELECT_LEASED = f"SELECT owner, {SHARING} FROM frames WHERE worker IS NOT NULL"
SELECT_FIRST = """
SELECT first."index" FROM frames AS first
WHERE first.worker IS NULL AND first."index" NOT IN (SELECT frame FROM deadly) AND {condition}
ORDER BY first.priority, first.owner, first.checkpoint, first."index" LIMIT 1
"""
SAME_OWNER = "first.priority = last.priority AND first.owner = last.owner"
NEXT_CHECKPOINT = SELECT_FIRST.format(
    condition=f"{SAME_OWNER} AND first.checkpoint > last.checkpoint"
)
NEXT_OWNER = SELECT_FIRST.format(
    condition="first.priority = last.priority AND first.owner > last.owner"
)
NEXT_PRIORITY = SELECT_FIRST.format(condition="first.priority > last.priority")
SELECT_HEADS = f"""
WITH RECURSIVE deadly (frame) AS MATERIALIZED ({SELECT_DEADLY}),
heads (head) AS (
    SELECT * FROM ({SELECT_FIRST.format(condition="TRUE")})
    UNION ALL
    SELECT COALESCE(({NEXT_CHECKPOINT}), ({NEXT_OWNER}), ({NEXT_PRIORITY}))
    FROM heads CROSS JOIN frames AS last ON last."index" = head
)
SELECT {CANDIDATE_COLUMNS}, 0 AS deadly, {SHARING} AS sharing
FROM heads CROSS JOIN frames ON "index" = head LEFT JOIN workloads ON frame = head
"""
"""Goes from one group to the next by the index ``frames_heads``: it takes as long as there are
groups, however many frames wait in each. One comparison of (priority, owner, checkpoint) would
read through each group, as SQLite seeks the least row that is not before such values."""

SELECT_DEADLY_FRAMES = f"""
SELECT {CANDIDATE_COLUMNS}, 1 AS deadly, {SHARING} AS sharing
FROM frames LEFT JOIN workloads ON frame = "index" WHERE "index" IN ({SELECT_DEADLY})
"""


def read_candidates(db: sqlite3.Connection) -> Sequence[Candidate]:
    """The frames among which the match rule chooses; deadly ones where no other waits."""
    rows = db.execute(SELECT_HEADS).fetchall() or db.execute(SELECT_DEADLY_FRAMES).fetchall()
    parse = cache(parse_sharing)  # few texts, of many frames
    return [Candidate(*(*facts, parse(sharing))) for *facts, sharing in map(tuple, rows)]


def read_running(db: sqlite3.Connection) -> RunningJobs:
    """How many frames are leased, by owner and group."""
    rows = db.execute(SELECT_LEASED).fetchall()
    return count_running((owner, parse_sharing(text)) for owner, text in rows)
