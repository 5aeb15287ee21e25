"""What a caller is told while no worker is ready for the job that waits."""

import time
from typing import Any

import pytest

from generator.request import Progress
from webapp.access.credentials import build_credentials
from webapp.access.secret import Secret
from webapp.jobs.cold_start import LOADING, WORKER_START, cold_start_phase
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.job_codec import GENERATE
from webapp.queues.worker_id import WorkerId
from webapp.routes.tasks import TASK_TAG

ANN, BOB = {"authorization": "Basic YW5uOmE="}, {"authorization": "Basic Ym9iOmI="}


def worker(name: str, state: str) -> WorkerState:
    """A worker that lives and does something."""
    return WorkerState(WorkerId(name), state, "", "", time.time())


@pytest.mark.parametrize(
    ("states", "phase"),
    [
        ((), WORKER_START),
        (("starting",), WORKER_START),
        (("draining",), WORKER_START),
        (("starting", "loading"), LOADING),
        (("loading", "working"), ""),
        (("idle",), ""),
    ],
)
def test_phases(states: tuple[str, ...], phase: str) -> None:
    assert cold_start_phase([worker(str(n), state) for n, state in enumerate(states)]) == phase


def test_a_waiting_job_is_told_that_its_worker_starts(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.jobs.queue_overview.MIN_AGE", 0.0)
    monkeypatch.setattr("webapp.jobs.queue_overview.AGE_FACTOR", 0.0)
    credentials = build_credentials(None, (("ann", Secret("a")), ("bob", Secret("b"))))
    house = build(credentials, working=False)

    def text_of(who: dict[str, str]) -> object:
        return house.client(**who).get("/sdapi/v1/progress").get_json()["textinfo"]

    assert text_of(ANN) is None
    house.store.put(Frame("j", GENERATE, b"{}", owner="ann", tags={TASK_TAG: "t"}))
    assert (text_of(ANN), text_of(BOB)) == ("Starting a worker", None)
    asked = house.client(**ANN).post("/internal/progress", json={"id_task": "t"}).get_json()
    assert asked["textinfo"] == "In queue: 1/1. Starting a worker"
    house.store.record_heartbeat(worker("cpu", "loading"))
    assert text_of(ANN) == "Loading weights"
    house.store.record_heartbeat(worker("cpu", "idle"))
    assert text_of(ANN) is None


def test_the_job_api_tells_the_phase(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.jobs.queue_overview.MIN_AGE", 0.0)
    monkeypatch.setattr("webapp.jobs.queue_overview.AGE_FACTOR", 0.0)
    house = build(working=False)
    client = house.client()
    body = {"path": "/sdapi/v1/txt2img", "body": {"prompt": "a boat", "steps": 1}}
    job = client.post("/api/v1/jobs", json=body).get_json()["id"]

    def phase() -> tuple[object, ...]:
        state = client.get(f"/api/v1/jobs/{job}").get_json()
        return state["state"], state["phase"], state["text"]

    assert phase() == ("queued", "worker-start", "Starting a worker")
    house.store.record_heartbeat(worker("cpu", "idle"))
    assert phase() == ("queued", None, None)
    lease = house.store.take(WorkerId("cpu"), (), 0)
    assert phase() == ("running", "loading", None)
    for step, text, told in ((0, "Loading weights", "loading"), (1, None, "working")):
        house.store.publish_progress(job, Progress("a", 0, 1, step, 4, text), None)
        assert phase() == ("running", told, text)
    assert lease is not None
