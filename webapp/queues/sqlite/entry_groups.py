"""Groups and consumers of entry queues, in the caller's transaction.

A row of ``entry_deliveries`` says what a group has to do with an entry: no row, nothing yet; with a
name, that consumer has it; without, it was given back or, where ``consumed``, it is done with.
"""

import json
import sqlite3
from collections.abc import Sequence
from uuid import uuid4

from webapp.queues.contracts.entries import (
    INPUT,
    REAR,
    ConsumerName,
    ConsumerStatus,
    EntryFilter,
    WatchTerms,
    name_group,
)
from webapp.queues.entry_terms import (
    ALIVE_SECONDS,
    GRACE_SECONDS,
    GROUP_SECONDS,
    LISTED_SECONDS,
    SHUTDOWN_CODE,
    consumer_state,
    refuse_group,
)
from webapp.queues.sqlite.entry_rows import ENTRY_COLUMNS, filter_condition, remove_entries

GONE_CONSUMERS = """
SELECT name FROM entry_consumers WHERE queue = :queue AND consumers = :group
    AND (stopping OR CASE WHEN left_at IS NULL THEN seen_at < :alive ELSE left_at < :grace END)
"""
KNOWN_CONSUMERS = "SELECT name FROM entry_consumers WHERE queue = :queue AND consumers = :group"
FORGET_CONSUMERS = """
DELETE FROM entry_consumers AS c WHERE left_at < :gone AND EXISTS (SELECT 1 FROM entry_consumers o
    WHERE o.queue = c.queue AND o.consumers = c.consumers AND o.name != c.name
        AND COALESCE(o.left_at, o.seen_at) > c.left_at)
"""
IS_GROUP = """
SELECT 1 FROM entry_consumers WHERE queue = :queue AND consumers = :group
UNION ALL SELECT 1 FROM entry_deliveries WHERE queue = :queue AND consumers = :group
"""
COUNT_GROUPS = """
WITH RECURSIVE noted (one) AS (  -- a step a group, however many entries it has to do with
    SELECT MIN(consumers) FROM entry_deliveries WHERE queue = :queue UNION ALL
    SELECT (SELECT MIN(consumers) FROM entry_deliveries WHERE queue = :queue AND consumers > one)
    FROM noted WHERE one IS NOT NULL
), groups AS (
    SELECT one FROM noted WHERE one IS NOT NULL
    UNION SELECT consumers FROM entry_consumers WHERE queue = :queue
)
SELECT COUNT(*), COUNT(*) FILTER (WHERE SUBSTR(one, 1, LENGTH(:prefix)) = :prefix) FROM groups
"""
STALE = f"""
queue = :queue AND consumers = :group AND name != ''
    AND (name IN ({GONE_CONSUMERS}) OR name NOT IN ({KNOWN_CONSUMERS}))
"""


def moments(queue: str, group: str, now: float) -> dict[str, object]:
    """Parameters of ``STALE`` at this moment."""
    return {
        "queue": queue,
        "group": group,
        "alive": now - ALIVE_SECONDS,
        "grace": now - GRACE_SECONDS,
    }


def join(
    db: sqlite3.Connection,
    queue: str,
    consumer: ConsumerName,
    terms: WatchTerms,
    start: int,
    now: float,
) -> str:
    """Register a consumer, in place of an earlier session of it; the session's name."""
    forget_consumers(db, now)
    check_group(db, queue, consumer.group, terms.filter.owner)
    session = uuid4().hex
    db.execute(
        "INSERT OR REPLACE INTO entry_consumers (queue, consumers, name, session, owner, tags,"
        " start, window, auto_commit, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            queue,
            consumer.group,
            consumer.name,
            session,
            terms.filter.owner,
            json.dumps(dict(terms.filter.tags)),
            start,
            terms.window,
            int(terms.auto_commit),
            now,
        ),
    )
    db.execute(
        "UPDATE entry_deliveries SET name = '' WHERE queue = ? AND consumers = ? AND name = ?",
        (queue, consumer.group, consumer.name),
    )
    return session


def check_group(db: sqlite3.Connection, queue: str, group: str, owner: str | None) -> None:
    """Raise ``TooManyGroups`` where this one is new and one too many."""
    if db.execute(IS_GROUP, {"queue": queue, "group": group}).fetchone():
        return
    prefix = name_group(owner, "") if owner is not None else ""
    count, own = db.execute(COUNT_GROUPS, {"queue": queue, "prefix": prefix}).fetchone()
    refuse_group(count, None if owner is None else own)


def forget_consumers(db: sqlite3.Connection, now: float) -> None:
    """Forget consumers that are gone; entries wait for no group that has none any more."""
    db.execute(FORGET_CONSUMERS, {"gone": now - LISTED_SECONDS})
    gone = db.execute(
        "DELETE FROM entry_consumers WHERE COALESCE(left_at, seen_at) < ? RETURNING queue",
        (now - GROUP_SECONDS,),
    ).fetchall()
    for queue in {row["queue"] for row in gone}:
        done = db.execute(
            'SELECT DISTINCT "index" FROM entry_deliveries WHERE queue = ? AND consumed', (queue,)
        ).fetchall()
        remove_consumed(db, queue, [row["index"] for row in done])


def claim(
    db: sqlite3.Connection,
    queue: str,
    consumer: ConsumerName,
    condition: str,
    values: Sequence[object],
    room: int,
) -> list[sqlite3.Row]:
    """Give a consumer the next entries, ``room`` at most; rows of ``ENTRY_COLUMNS`` and data."""
    rows = db.execute(
        f"SELECT {ENTRY_COLUMNS}, e.data {select_available(condition)}"
        ' ORDER BY e.priority DESC, e."index" LIMIT ?',
        (consumer.group, queue, *values, room),
    ).fetchall()
    db.executemany(
        'INSERT INTO entry_deliveries (consumers, "index", queue, name, times)'
        " VALUES (?, ?, ?, ?, 1)"
        ' ON CONFLICT (consumers, "index") DO UPDATE SET name = excluded.name, times = times + 1',
        [(consumer.group, row["index"], queue, consumer.name) for row in rows],
    )
    return rows


def select_available(condition: str) -> str:
    """``FROM ... WHERE`` entries that a group may be given; parameters: group, queue, condition."""
    return (
        'FROM entries e LEFT JOIN entry_deliveries d ON d."index" = e."index" AND d.consumers = ?'
        " WHERE e.queue = ? AND (d.\"index\" IS NULL OR (d.name = '' AND NOT d.consumed))"
        f"{condition}"
    )


def count_pending(db: sqlite3.Connection, queue: str, consumer: ConsumerName) -> int:
    """How many entries a consumer has and has not committed."""
    row = db.execute(
        "SELECT COUNT(*) FROM entry_deliveries WHERE queue = ? AND consumers = ? AND name = ?",
        (queue, consumer.group, consumer.name),
    ).fetchone()
    return int(row[0])


def release_stale(
    db: sqlite3.Connection, queue: str, group: str, max_delivery: int, now: float
) -> None:
    """Take back what consumers had that are gone; what was delivered too often is a dead letter."""
    db.execute(f"UPDATE entry_deliveries SET name = '' WHERE {STALE}", moments(queue, group, now))
    if max_delivery and not queue.endswith(REAR):
        bury_exhausted(db, queue, group, max_delivery)


def bury_exhausted(db: sqlite3.Connection, queue: str, group: str, max_delivery: int) -> None:
    """Move entries to the rear queue that a group was given ``max_delivery`` times in vain.

    Those of the input are the service's to answer: watchers that fail at them get them no more.
    """
    exhausted = db.execute(
        'SELECT "index", times, reason FROM entry_deliveries WHERE queue = ? AND consumers = ?'
        " AND name = '' AND NOT consumed AND times >= ?",
        (queue, group, max_delivery),
    ).fetchall()
    for row in exhausted:
        if queue == INPUT:
            mark_consumed(db, queue, group, [row["index"]])
            continue
        why = f"delivered {row['times']} times without a commit"
        message = f"{why}; {row['reason']}" if row["reason"] else why
        db.execute(
            f"UPDATE entries SET queue = queue || '{REAR}', message = ? WHERE \"index\" = ?",
            (message, row["index"]),
        )


def mark_consumed(db: sqlite3.Connection, queue: str, group: str, indexes: Sequence[int]) -> None:
    """Note that a group is done with entries that exist."""
    db.executemany(
        'INSERT INTO entry_deliveries (consumers, "index", queue, name, times, consumed)'
        ' SELECT ?, "index", queue, \'\', 0, 1 FROM entries WHERE "index" = ? AND queue = ?'
        " ON CONFLICT (consumers, \"index\") DO UPDATE SET name = '', consumed = 1",
        [(group, index, queue) for index in indexes],
    )


def commit(
    db: sqlite3.Connection, queue: str, group: str, indexes: Sequence[int], owner: str | None
) -> Sequence[str]:
    """A group has consumed entries of ``owner``; request ids of those that no group waits for."""
    if owner is not None:
        indexes = [
            index
            for index in indexes
            if db.execute(
                'SELECT 1 FROM entries WHERE "index" = ? AND owner = ?', (index, owner)
            ).fetchone()
        ]
    check_group(db, queue, group, owner)
    mark_consumed(db, queue, group, indexes)
    return remove_consumed(db, queue, indexes)


def remove_consumed(db: sqlite3.Connection, queue: str, indexes: Sequence[int]) -> Sequence[str]:
    """Remove those of the entries that every group is done with that would get them."""
    groups = db.execute(
        "SELECT consumers, MIN(owner) AS owner, MIN(tags) AS tags, MIN(start) AS start"
        " FROM entry_consumers WHERE queue = ? GROUP BY consumers",
        (queue,),
    ).fetchall()
    condition = ""
    values: list[object] = []
    for group in groups:
        fits, more = filter_condition(EntryFilter(group["owner"], json.loads(group["tags"])))
        condition += (
            f' AND NOT (e."index" >= ?{fits} AND NOT EXISTS (SELECT 1 FROM entry_deliveries d'
            ' WHERE d."index" = e."index" AND d.consumers = ? AND d.consumed))'
        )
        values += [group["start"], *more, group["consumers"]]
    return [
        request_id
        for index in indexes
        for request_id in remove_entries(
            db, f'e.queue = ? AND e."index" = ?{condition}', (queue, index, *values)
        )
    ]


def reject(
    db: sqlite3.Connection,
    queue: str,
    consumer: ConsumerName,
    indexes: Sequence[int],
    code: str,
    reason: str,
) -> None:
    """A consumer gives entries back; with ``Shutdown`` all that it has, and it gets no more."""
    text = f"{code}: {reason}" if reason else code
    db.executemany(
        "UPDATE entry_deliveries SET name = '', reason = ?"
        ' WHERE queue = ? AND consumers = ? AND "index" = ? AND NOT consumed',
        [(text, queue, consumer.group, index) for index in indexes],
    )
    if code == SHUTDOWN_CODE:
        db.execute(
            "UPDATE entry_consumers SET stopping = 1"
            " WHERE queue = ? AND consumers = ? AND name = ?",
            (queue, consumer.group, consumer.name),
        )


def list_consumers(
    db: sqlite3.Connection, queue: str, owner: str | None, now: float
) -> Sequence[ConsumerStatus]:
    """The consumers of a queue, in order of their names."""
    rows = db.execute(
        "SELECT * FROM entry_consumers WHERE queue = ? AND (? IS NULL OR owner = ?)"
        " ORDER BY consumers, name",
        (queue, owner, owner),
    ).fetchall()
    return [consumer_of(db, row, now) for row in rows]


def consumer_of(db: sqlite3.Connection, row: sqlite3.Row, now: float) -> ConsumerStatus:
    """A consumer from its row."""
    name = ConsumerName(row["consumers"], row["name"])
    pending = count_pending(db, row["queue"], name)
    idle = now - (row["left_at"] or row["seen_at"])
    state = consumer_state(row["left_at"] is None, idle, pending)
    wanted = EntryFilter(row["owner"], json.loads(row["tags"]))
    auto = bool(row["auto_commit"])
    terms = WatchTerms(wanted, row["start"], row["window"], auto_commit=auto)
    return ConsumerStatus(name, terms, state, pending, max(idle, 0.0))
