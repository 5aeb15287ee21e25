"""A worker whose queue does not answer: it keeps what it drew, or another has the job."""

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from generator.request import Progress, Snapshot
from tests.wait import result_of, wait_until
from tests.webapp.worker.worker_bench import WorkerThread, stepping
from webapp.queues.contracts.frame import Frame
from webapp.queues.errors import QueueError, QueueFull, StoreUnavailable
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.worker.lease_keeper import Abandoned, LeaseKeeper, LeaseLost

LOG = logging.getLogger("easel.test")


class CutStore(SqliteStore):
    """A store that can be cut off: renewals and answers then fail with ``error``."""

    error: QueueError | None = None

    def renew(self, lease: Any, gpu_seconds: float | None = None) -> bool:
        """As told."""
        if self.error:
            raise self.error
        return super().renew(lease, gpu_seconds)


@pytest.fixture
def cut_off(tmp_path: Path) -> Iterator[tuple[CutStore, LeaseKeeper]]:
    """A store that does not answer, and the keeper of a lease there."""
    store = CutStore(tmp_path / "queue.db")
    store.put(Frame("job", "generate", b""))
    lease = store.take(WorkerId("cpu"), (), 0)
    assert lease is not None
    with LeaseKeeper(store, lease, Snapshot(), LOG) as keeper:
        keeper.confirm()
        store.error = StoreUnavailable("cut")
        keeper(Progress("x", 0, 1, 0, 9), None)
        wait_until(lambda: keeper._cut_off)
        yield store, keeper
    store.close()


def confirm_later(keeper: LeaseKeeper) -> "Future[None]":
    """Confirm in another thread."""
    pool, beats = ThreadPoolExecutor(1), Event()
    confirmed = pool.submit(keeper.confirm, beats.set)
    pool.shutdown(wait=False)
    wait_until(lambda: beats.is_set() or confirmed.done())
    return confirmed


def test_nothing_is_saved_until_the_queue_says_whose_the_job_is(
    cut_off: tuple[CutStore, LeaseKeeper],
) -> None:
    store, keeper = cut_off
    confirmed = confirm_later(keeper)
    keeper(Progress("x", 0, 1, 1, 9), None)  # it may go on drawing
    assert not confirmed.done()
    store.error = None
    result_of(confirmed)  # nobody else could take it: the queue was away for all


def test_a_job_that_another_took_meanwhile_is_given_up(
    cut_off: tuple[CutStore, LeaseKeeper],
) -> None:
    store, keeper = cut_off
    confirmed = confirm_later(keeper)
    store.release_worker(WorkerId("cpu"))
    store.take(WorkerId("other"), (), 0)
    store.error = None
    with pytest.raises(LeaseLost):
        result_of(confirmed)
    with pytest.raises(LeaseLost):
        keeper(Progress("x", 0, 1, 3, 9), None)


def test_a_worker_that_must_end_waits_for_no_queue(cut_off: tuple[CutStore, LeaseKeeper]) -> None:
    _, keeper = cut_off
    confirmed = confirm_later(keeper)
    keeper.abandoned.set()
    with pytest.raises(Abandoned):
        result_of(confirmed)


def test_a_full_disk_is_no_cut(cut_off: tuple[CutStore, LeaseKeeper]) -> None:
    store, keeper = cut_off
    store.error = QueueFull("full")  # whoever would take the job meets the same
    result_of(confirm_later(keeper))


def test_what_was_drawn_is_answered_when_the_queue_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, failures = WorkerThread(tmp_path), [0]
    whole = bench.store.answer

    def cut(*of: Any) -> bool:
        failures[0] += 1
        if failures[0] <= 2:
            raise StoreUnavailable("cut")
        return whole(*of)

    monkeypatch.setattr(bench.store, "answer", cut)
    bench.engine.act = stepping(bench, [], steps=3)
    bench.put("picture")
    status, body = bench.answer("picture")
    bench.end()
    assert (status, len(body["images"]), failures[0]) == (200, 1, 3)
