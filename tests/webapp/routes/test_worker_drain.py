"""A joined worker is asked to finish its job and leave."""

import time
from typing import Any

import pytest

from tests.wait import wait_until
from tests.webapp.worker.worker_bench import WorkerThread, stepping
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.contracts.worker_commands import DRAIN, WorkerCommand
from webapp.queues.worker_id import WorkerId

JOINED = WorkerId("cuda:0", "far", 7, "0123456789ab")
OWN = WorkerId("cpu", "here", 8, "ba9876543210")


def beat(house: Any, worker: WorkerId, *, joined: bool) -> None:
    house.store.record_heartbeat(
        WorkerState(worker, "idle", "", "", time.time(), version="1", joined=joined)
    )


def drain(house: Any, worker: str) -> Any:
    return house.client().post(f"/api/v1/workers/{worker}/drain")


def test_a_joined_worker_gets_the_command(house: Any) -> None:
    beat(house, JOINED, joined=True)
    for _ in range(2):
        answer = drain(house, JOINED.handle)
        assert (answer.status_code, answer.get_json()["state"]) == (202, "draining")
    assert house.store.pending_command(JOINED).verb == DRAIN
    assert "far" not in JOINED.handle


def test_a_worker_of_the_service_itself_stays(house: Any) -> None:
    beat(house, OWN, joined=False)
    answer = drain(house, OWN.handle)
    assert answer.status_code == 409
    assert "kept alive by the service" in answer.get_json()["detail"]
    assert house.store.pending_command(OWN) is None


def test_an_unknown_worker_is_told_with_those_that_live(house: Any) -> None:
    assert "none" in drain(house, "nobody").get_json()["detail"]
    beat(house, JOINED, joined=True)
    answer = drain(house, "nobody")
    assert answer.status_code == 404
    assert JOINED.handle in answer.get_json()["detail"]


@pytest.fixture
def bench(tmp_path: Any) -> Any:
    bench = WorkerThread(tmp_path, joined=True)
    yield bench
    bench.end()


def test_a_drained_worker_finishes_its_job_takes_no_more_and_leaves(
    bench: WorkerThread,
) -> None:
    seen: list[Any] = []
    bench.engine.act = stepping(bench, seen, steps=400)
    bench.begin("first")
    bench.put("second")
    wait_until(lambda: bench.store.workers())
    (worker,) = bench.store.workers()
    assert worker.joined
    bench.store.send_command(worker.id, WorkerCommand("1", DRAIN))
    wait_until(lambda: [each.state for each in bench.store.workers()] == ["draining"])
    assert bench.store.is_running("first")
    status, _ = bench.answer("first")
    wait_until(lambda: not bench.thread.is_alive())
    assert (status, bench.store.depth().waiting) == (200, 1)
    assert bench.store.workers() == []
    assert bench.store.pending_command(worker.id) is None
    assert bench.worker.shutdown.exit_code == 0


def test_an_idle_worker_that_is_drained_leaves_at_once(bench: WorkerThread) -> None:
    bench.store.send_command(bench.worker.id, WorkerCommand("1", DRAIN))
    bench.put("first")
    bench.thread.start()
    wait_until(lambda: not bench.thread.is_alive())
    assert bench.store.depth().waiting == 1
    assert bench.store.workers() == []
