"""Charges wait in every store for the ledger, whatever became of the job."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.wait import Clock
from tests.webapp.queues.conftest import Make
from webapp.queues.contracts import charges
from webapp.queues.contracts.charges import GROUP_TAG, BusyTime, Charge, JobOutput, Outcome
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.redis.leasing import CHARGE_TERMS
from webapp.queues.sqlite.salvage import copy_readable_rows
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

GPU = WorkerId("cuda:0", "host", 4711, "3f0c5a9e12b4")
OUTPUT = JobOutput(pictures=2, stored_bytes=3000, drawing_seconds=4.5, done=0.5)
JOB = Frame("a", "generate", b"body", owner="änn", checkpoint="named", tags={GROUP_TAG: "studio"},
            work=8.0)  # fmt: skip


def take(store: QueueStore, worker: WorkerId = GPU) -> Lease:
    """The next lease, which must be there."""
    lease = store.take(worker, (), 0)
    assert lease is not None
    return lease


def read(store: QueueStore) -> list[Charge]:
    """All charges that wait, and no times of workers."""
    kept = [each.facts for each in store.read_charges(100)]
    return [each for each in kept if isinstance(each, Charge)]


def test_an_answer_and_its_charge_are_one_act(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock)
    store.put(JOB)
    clock.skip(2)
    lease = take(store)
    clock.skip(5)
    store.answer(lease, Answer(200, b"", output=OUTPUT), 5.0, "drawn with")
    (charge,) = read(store)
    assert charge == Charge(
        "a", lease.token, "änn", pytest.approx(clock()), 5.0, 4.5, pytest.approx(2), "studio",
        "generate", "drawn with", "cuda:0@host", Outcome.DONE, 200, 2, 4.0, 3000,
    )  # fmt: skip
    assert not store.answer(lease, Answer(200, b""), 5.0)
    assert read(store) == [charge]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(500, b""), Outcome.FAILED),
        (Answer(422, b"", output=JobOutput()), Outcome.FAILED),
        (Answer(409, b"", output=JobOutput(stopped=True)), Outcome.STOPPED),
    ],
)
def test_how_a_job_ended_is_told(make: Make, answer: Answer, outcome: Outcome) -> None:
    store = make()
    store.put(JOB)
    store.answer(take(store), answer, 1.0)
    assert [(each.outcome, each.status) for each in read(store)] == [(outcome, answer.status)]


def test_lost_and_returned_deliveries_are_marked_and_the_last_is_charged(make: Make) -> None:
    clock = Clock()
    store = make(lease_seconds=10.0, clock=clock)
    store.put(JOB)
    lost = take(store)
    clock.skip(3)
    assert store.renew(lost)
    clock.skip(4)  # nobody heard of it in these
    assert store.release_worker(GPU, "was killed") == 1
    returned = take(store)
    clock.skip(2)
    store.release(returned)
    store.release(returned)
    expired = take(store)
    for _ in range(21):
        clock.skip(0.5)
        store.take(WorkerId("other"), (), 0)
    done = next(each for each in store.list_frames() if each.deliveries == 3)
    assert done.id == "a"
    found = read(store)
    assert [(each.outcome, each.delivery) for each in found] == [
        (Outcome.LOST, lost.token), (Outcome.RETURNED, returned.token),
        (Outcome.LOST, expired.token),
    ]  # fmt: skip
    assert [each.gpu_seconds for each in found] == pytest.approx([3, 2, 0], abs=0.01)
    assert {(each.user, each.group, each.model) for each in found} == {("änn", "studio", "named")}
    assert {each.device for each in found} == {"cuda:0@host"}


def test_a_delivery_beside_others_is_marked_with_what_its_worker_told(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock)
    store.put(JOB)
    for end in ("told", "given back", "untold"):
        lease = take(store)
        clock.skip(3)
        assert store.renew(lease, None if end == "untold" else 0.25)
        if end == "given back":
            store.release(lease, 0.5)
        else:
            store.release_worker(GPU)
    assert [each.gpu_seconds for each in read(store)] == pytest.approx([0.25, 0.5, 3.0], abs=0.01)


def test_the_delivery_that_was_one_too_many_is_marked(make: Make) -> None:
    store = make(max_delivery=1)
    store.put(JOB)
    take(store)
    store.release_worker(GPU)
    assert store.wait("a", 0) is not None
    assert [each.outcome for each in read(store)] == [Outcome.LOST]
    store.put(replace(JOB, id="never"))
    assert store.cancel("never")
    assert len(read(store)) == 1


def test_charges_stay_until_they_are_removed(make: Make) -> None:
    store, other = make(), make()
    for name in "abc":
        store.put(replace(JOB, id=name))
        store.answer(take(store), Answer(200, b""), 1.0)
    busy = BusyTime("w", "2026-11-30", "cuda:0@host", 3.0)
    store.add_busy_time(busy)
    first = other.read_charges(2)
    assert [each.facts for each in first] == read(store)[:2]
    for _ in range(2):
        other.remove_charges([each.key for each in first])
    rest = [each.facts for each in store.read_charges(10)]
    assert [each.job for each in rest if isinstance(each, Charge)] == ["c"]
    assert rest[-1] == busy
    other.remove_charges([])


def test_charges_of_a_damaged_file_are_taken_over(tmp_path: Path) -> None:
    old, new = (SqliteStore(tmp_path / name / "queue.db") for name in ("old", "new"))
    old.put(JOB)
    old.answer(take(old), Answer(200, b""), 1.0)
    old.add_busy_time(BusyTime("w", "2026-11-30", "cpu", 1.0))
    kept = old.read_charges(10)
    old.close()
    with new.database.read_connection():  # its writer is nobody's now
        copy_readable_rows(tmp_path / "old/queue.db", new.database._writer)
    assert (len(kept), new.read_charges(10)) == (2, kept)
    new.close()


def test_a_workers_time_stands_once_and_stays_where_it_has_grown(make: Make) -> None:
    store = make()
    busy = BusyTime("cuda:0@h/m:1 3.5", "2026-11-30", "cuda:0@h", 3.0)
    grown = replace(busy, seconds=4.5)
    store.add_busy_time(busy)
    store.add_busy_time(replace(busy, day="2026-12-01"))
    read = store.read_charges(10)
    assert [each.facts for each in read] == [busy, replace(busy, day="2026-12-01")]
    assert len(store.read_charges(1)) == 1
    store.add_busy_time(grown)
    store.remove_charges([each.key for each in read])
    (left,) = store.read_charges(10)
    assert left.facts == grown
    store.remove_charges([left.key])
    assert store.read_charges(10) == []


def test_beyond_a_bound_charges_are_dropped_and_counted(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.queues.sqlite.charges.MAX_CHARGES", 2)
    monkeypatch.setitem(CHARGE_TERMS, "max_charges", 2)
    store = make()
    for name in "abc":
        store.put(replace(JOB, id=name))
        store.answer(take(store), Answer(200, b""), 1.0)
    assert [each.job for each in read(store)] == ["a", "b"]
    assert store.wait("c", 0) is not None
    dropped = [each.value for each in store.counters() if each.name == "charges_dropped"]
    assert dropped == [1.0]
    assert charges.MAX_CHARGES == 1_000_000
