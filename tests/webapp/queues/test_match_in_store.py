"""What a store knows for the match rule: costs, accounts, and the heads of a backlog."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from generator.request import Stop
from tests.wait import Clock
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.queue import OwnerDepth
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.cost_model import DEFAULT_PACE, FIXED_WORK
from webapp.queues.sqlite.candidates import SELECT_HEADS, read_candidates
from webapp.queues.sqlite.dead_workers import SELECT_EXHAUSTED
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

OK = Answer(200, b"drawn")
CPU = WorkerId("cpu")
Make = Callable[..., SqliteStore]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Opens the one store of this test, as often as it likes."""
    opened: list[SqliteStore] = []

    def open_it(**options: Any) -> SqliteStore:
        opened.append(SqliteStore(tmp_path / ".easel" / "queue.db", **options))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(make: Make) -> SqliteStore:
    return make()


def frame(name: str, owner: str = "ann", **fields: Any) -> Frame:
    return Frame(
        **{"id": name, "kind": "generate", "body": name.encode(), "owner": owner, **fields}
    )


def take(store: QueueStore, *loaded: str) -> Lease:
    lease = store.take(CPU, loaded, 0)
    assert lease is not None
    return lease


def predicted(store: QueueStore) -> dict[str, float]:
    return {each.id: each.predicted_seconds for each in store.list_frames()}


# -- costs ----------------------------------------------------------------------------------------


def test_work_and_prediction_are_stored_with_the_frame(store: SqliteStore) -> None:
    store.put(frame("a", work=9.0, weight=2.0))
    store.put(frame("b", work=19.0))
    assert predicted(store) == {"a": 10 * DEFAULT_PACE, "b": 20 * DEFAULT_PACE}
    taken = take(store).frame
    assert (taken.work, taken.weight, taken.predicted_seconds) == (9.0, 2.0, 10 * DEFAULT_PACE)


def test_predictions_are_learned_by_kind_and_checkpoint(store: SqliteStore) -> None:
    for name, checkpoint, seconds in (("a", "slow", 100.0), ("b", "fast", 1.0)):
        store.put(frame(name, checkpoint=checkpoint, work=9.0))
        store.answer(take(store), OK, seconds)
    assert store.predict_seconds("generate", "slow", 9.0) == pytest.approx(100.0)
    assert store.predict_seconds("generate", "fast", 19.0) == pytest.approx(2.0)
    assert 1.0 < store.predict_seconds("generate", "never seen", 9.0) < 100.0
    assert store.predict_seconds("extras", "", 9.0) == (9 + FIXED_WORK) * DEFAULT_PACE


def test_failed_and_stopped_jobs_teach_nothing(store: SqliteStore) -> None:
    before = store.predict_seconds("generate", "", 9.0)
    for name in "ab":
        store.put(frame(name, work=9.0))
    store.answer(take(store), Answer(500, b""), 0.01)
    stopped = take(store)
    store.request_stop(stopped.frame.id, Stop.INTERRUPT)
    store.answer(stopped, OK, 0.01)
    assert store.predict_seconds("generate", "", 9.0) == before


# -- accounts -------------------------------------------------------------------------------------


def names_taken(store: QueueStore, count: int) -> str:
    """The names of the next frames, none of which is answered."""
    return "".join(take(store).frame.id for _ in range(count))


def test_large_jobs_count_as_they_are_predicted_before_they_end(make: Make) -> None:
    store = make(quantum=4.0)
    for name in "abc":
        store.put(frame(name, work=19.0))  # 4 s each
    for name in "wxyz":
        store.put(frame(name, owner="bob", work=9.0))  # 2 s each
    assert names_taken(store, 7) == "awxbyzc"


def test_an_answer_charges_what_was_taken_in_place_of_the_prediction(make: Make) -> None:
    store = make(quantum=2.0)
    for name in "abc":
        store.put(frame(name, work=9.0))
    store.answer(take(store), Answer(500, b""), 6.0)  # 2 were predicted
    for name in "xyz":
        store.put(frame(name, owner="bob", work=9.0))
    assert names_taken(store, 5) == "xyzbc"


def test_a_job_given_back_is_not_charged(make: Make) -> None:
    store = make(quantum=2.0)
    for name, owner in (("a", "ann"), ("x", "bob")):
        store.put(frame(name, owner=owner, work=9.0))
    for _ in range(3):
        given_back = take(store)
        assert given_back.frame.id == "a"
        store.release(given_back)


def test_weights_divide_the_gpu(make: Make) -> None:
    store = make(quantum=2.0)
    for number in range(12):
        store.put(frame(f"a{number}", work=9.0, weight=3.0))
        store.put(frame(f"b{number}", owner="bob", work=9.0))
    taken = [take(store).frame.owner for _ in range(12)]
    assert (taken.count("ann"), taken.count("bob")) == (9, 3)


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


# -- a backlog ------------------------------------------------------------------------------------


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


def test_what_an_owner_holds_follows_every_way_out(make: Make) -> None:
    store = make(max_delivery=1)
    for name in "abcde":
        store.put(frame(name, body=b"x" * 10))
    store.answer(take(store), OK, 1.0)
    assert store.cancel("b")
    assert store.answer_waiting("c", OK)
    take(store)
    store.release_worker(CPU)  # was its only delivery
    assert store.owner_depth("ann", "generate") == OwnerDepth(1, 10)
    assert store.depth().waiting == 1
    assert store.cancel("e")
    assert store.owner_depth("ann", "generate") == OwnerDepth(0, 0)


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
