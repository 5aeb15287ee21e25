"""What the match rule reads of a SQLite file: heads of a backlog, accounts, frames of before."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from tests.wait import Clock
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.queue import OwnerDepth
from webapp.queues.sqlite.candidates import SELECT_HEADS, read_candidates
from webapp.queues.sqlite.dead_workers import SELECT_EXHAUSTED
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

OK = Answer(200, b"drawn")
CPU = WorkerId("cpu")
Make = Callable[..., SqliteStore]


@pytest.fixture
def engine() -> str:
    """These look into the file."""
    return "sqlite"


@pytest.fixture
def store(make: Make) -> SqliteStore:
    return make()


def frame(name: str, owner: str = "ann", **fields: Any) -> Frame:
    return Frame(
        **{"id": name, "kind": "generate", "body": name.encode(), "owner": owner, **fields}
    )


def take(store: SqliteStore) -> Lease:
    lease = store.take(CPU, (), 0)
    assert lease is not None
    return lease


def test_accounts_that_tell_nothing_are_forgotten(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock, quantum=2.0)
    for owner in ("gone", "ann", "ann", "ann"):
        store.put(frame(f"{owner}{clock()}", owner=owner, work=9.0))
        clock.skip(1)
    while (lease := store.take(CPU, (), 0)) is not None:
        store.answer(lease, Answer(500, b""), 2.0)
    clock.skip(200)
    store.put(frame("last"))
    store.answer(take(store), OK, 1.0)  # sweeps
    with store.database.read_connection() as db:
        assert [row["owner"] for row in db.execute("SELECT owner FROM turns")] == ["ann"]


def fill(store: SqliteStore) -> None:
    """Frames of several owners, priorities and checkpoints; two workers died of some."""
    for number in range(60):
        owner, checkpoint = "abc"[number % 3], ("", "one", "two")[number % 5 % 3]
        store.put(frame(f"{number}", owner=owner, checkpoint=checkpoint, priority=number % 4 % 2))
    with store.database.write_transaction() as db:
        db.execute('INSERT INTO deaths SELECT id, 2, id FROM frames WHERE "index" % 7 = 1')


def test_heads_are_the_oldest_frames_of_each_group(store: SqliteStore) -> None:
    with store.database.read_connection() as db:
        assert list(read_candidates(db)) == []
    fill(store)
    with store.database.read_connection() as db:
        seen = {(each.priority, each.owner, each.checkpoint): each.index
                for each in read_candidates(db)}  # fmt: skip
        rows = db.execute(
            'SELECT priority, owner, checkpoint, MIN("index") FROM frames'
            " LEFT JOIN deaths USING (id)"
            " WHERE worker IS NULL AND COALESCE(times, 0) < 2 GROUP BY priority, owner, checkpoint"
        ).fetchall()
    assert seen == {tuple(row)[:3]: row[3] for row in rows}


def test_a_deadly_frame_is_a_candidate_where_no_other_waits(store: SqliteStore) -> None:
    store.put(frame("a"))
    for _ in range(2):
        take(store)
        store.release_worker(CPU)
    with store.database.read_connection() as db:
        (candidate,) = read_candidates(db)
    assert candidate.deadly


@pytest.mark.parametrize(
    "query", [SELECT_HEADS, SELECT_EXHAUSTED, "expires < ?", "worker = ?", "owner = ?"]
)
def test_nobody_reads_through_the_backlog_of_others(store: SqliteStore, query: str) -> None:
    """A take, and a caller's list, find their rows by an index: any backlog costs the same."""
    query = query if "SELECT" in query else f"UPDATE frames SET token = NULL WHERE {query}"
    with store.database.read_connection() as db:
        plan = explain(db, query)
    assert not [step for step in plan if step.split()[:2] in (["SCAN", "frames"], ["SCAN", "f"])]


def test_the_next_group_is_found_without_reading_through_one(store: SqliteStore) -> None:
    with store.database.read_connection() as db:
        steps = [step for step in explain(db, SELECT_HEADS) if step.startswith("SEARCH first")]
    conditions = [step.partition("frames_heads ")[2] for step in steps]
    assert conditions == [
        "(worker=?)",
        "(worker=? AND priority=? AND owner=? AND checkpoint>?)",
        "(worker=? AND priority=? AND owner>?)",
        "(worker=? AND priority>?)",
    ]


def explain(db: sqlite3.Connection, query: str) -> list[str]:
    values = (1,) * query.count("?")
    return [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values)]


def test_frames_of_before_these_tables_are_taken_and_answered(make: Make) -> None:
    store = make()
    store.put(frame("a"))
    with store.database.write_transaction() as db:
        for table in ("workloads", "holdings", "turns", "paces"):
            db.execute(f"DELETE FROM {table}")
    store.put(frame("b"))
    assert store.owner_depth("ann", "generate").frames == 1
    for _ in range(2):
        assert store.answer(take(store), OK, 1.0)
    assert store.owner_depth("ann", "generate") == OwnerDepth(0, 0)
