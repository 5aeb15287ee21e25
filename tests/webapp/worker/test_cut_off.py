"""A worker whose queue does not answer: it keeps what it drew, or gives its lease up."""

import logging
from pathlib import Path
from typing import Any

import pytest

from generator.request import Progress, Snapshot
from tests.wait import wait_until
from tests.webapp.worker.worker_bench import WorkerThread, stepping
from webapp.queues.contracts.frame import Frame
from webapp.queues.errors import QueueError, QueueFull, StoreUnavailable
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.worker.lease_keeper import LeaseKeeper, LeaseLost

LOG = logging.getLogger("easel.test")


class CutStore(SqliteStore):
    """A store that can be cut off: renewals and answers then fail with ``error``."""

    error: QueueError | None = None

    def renew(self, lease: Any) -> bool:
        """As told."""
        if self.error:
            raise self.error
        return super().renew(lease)


@pytest.mark.parametrize(
    ("error", "gives_up"), [(StoreUnavailable("cut"), True), (QueueFull("full"), False)]
)
def test_a_lease_that_has_run_out_elsewhere_is_given_up(
    tmp_path: Path, error: QueueError, gives_up: bool
) -> None:
    store, seconds = CutStore(tmp_path / "queue.db", lease_seconds=4.0), [0.0]
    store.put(Frame("job", "generate", b""))
    lease = store.take(WorkerId("cpu"), (), 0)
    assert lease is not None
    assert lease.seconds == 4.0
    keeper = LeaseKeeper(store, lease, Snapshot(), log=LOG, clock=lambda: seconds[0])
    with keeper:
        keeper(Progress("x", 0, 1, 0, 9), None)
        wait_until(lambda: store.read_progress("job"))
        store.error, seconds[0] = error, 3.9
        keeper(Progress("x", 0, 1, 1, 9), None)
        wait_until(lambda: keeper._last_error == str(error))
        assert not keeper.is_lost  # it is still ours by any clock
        seconds[0] = 8.0
        keeper(Progress("x", 0, 1, 2, 9), None)
        if gives_up:
            wait_until(lambda: keeper.is_lost)
            with pytest.raises(LeaseLost):
                keeper(Progress("x", 0, 1, 3, 9), None)
        else:
            wait_until(lambda: store.read_progress("job").progress.step == 2)
            wait_until(lambda: not keeper._changed.is_set())
            assert not keeper.is_lost
    store.close()


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
