"""Machines whose clocks differ use one queue of a server."""

import time
from types import SimpleNamespace

import pytest

from tests.queue_server import QueueServer
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.redis import board, server
from webapp.queues.redis.store import RedisStore
from webapp.queues.worker_id import WorkerId

WORKER = WorkerId("cpu", "far", 1, "0123456789ab")


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_a_worker_with_another_clock_is_shown_and_keeps_its_lease(
    queue_server: QueueServer, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    queue_server.flush()
    store = RedisStore(queue_server.address, lease_seconds=2.0)
    there = SimpleNamespace(time=lambda: time.time() + ahead, monotonic=time.monotonic)
    with monkeypatch.context() as patch:
        for module in (board, server):
            patch.setattr(module, "time", there)
        store.record_heartbeat(WorkerState(WORKER, "idle", "", "", there.time()))
        store.put(Frame("job", "generate", b""))
        lease = store.take(WORKER, (), 0)
        assert lease is not None
        assert store.renew(lease)
    (shown,) = store.workers()
    assert abs(shown.seen_at - time.time()) < 15
    assert store.take(WorkerId("other"), (), 1.5) is None  # it looks for half a term
    assert store.renew(lease)
    store.close()


def test_what_a_later_easel_tells_of_its_workers_is_left_out() -> None:
    facts = {"id": str(WORKER), "state": "idle", "checkpoint": "", "job": "", "seen_at": 1,
             "memory": {}, "also_loaded": ["b"], "invented": True}  # fmt: skip
    assert board.worker_state_of(facts, 5.0) == WorkerState(WORKER, "idle", "", "", 5.0, {}, ("b",))
