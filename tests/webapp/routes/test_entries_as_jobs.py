"""Entries in the job API, and watches of queues among all watchers, through a real web process."""

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from tests.wait import TIMEOUT, wait_until
from tests.webapp.http.websocket_client import Refused
from tests.webapp.routes.queue_service import ANN, BOB, TOKEN, QueueService, queue_service

TXT2IMG = "easel/sdapi/v1/txt2img"
WATCH = "easel/sink?_watch_=true&_auto_commit_=true"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueService]:
    """One service for all tests here."""
    folder = tmp_path_factory.mktemp("entry-jobs") / "data"
    with queue_service(folder, "--max-watchers", "4", "--max-queued-jobs", "1") as service:
        yield service


@pytest.fixture
def service(running: QueueService) -> QueueService:
    """The service with empty queues and a worker that pauses."""
    running.pause()
    running.empty()
    return running


def ask(
    service: QueueService, path: str, token: str = TOKEN, method: str = "GET", **options: Any
) -> requests.Response:
    """Ask another route than those of the queues."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(
        method, f"{service.web.url}{path}", headers=headers, timeout=TIMEOUT, **options
    )


def state(service: QueueService, job: str, token: str = TOKEN) -> dict[str, Any]:
    """How an entry stands as a job."""
    return dict(ask(service, f"/api/v1/jobs/{job}", token).json())


def put_by_ann(service: QueueService, prompt: str) -> str:
    """The request id of a new entry of Ann's."""
    _, request_id = service.put(
        TXT2IMG, json.dumps({"prompt": prompt}), Authorization=f"Bearer {ANN}"
    )
    return request_id


def test_entry_is_a_job_under_its_request_id(service: QueueService) -> None:
    job = put_by_ann(service, "a boat")
    waiting = wait_until(lambda: found if (found := state(service, job, ANN))["position"] else None)
    assert (waiting["id"], waiting["state"], waiting["position"]) == (job, "queued", 1)
    assert (waiting["path"], waiting["webhook"]) == ("/sdapi/v1/txt2img", None)
    assert ask(service, f"/api/v1/jobs/{job}", BOB).status_code == 404
    assert ask(service, f"/api/v1/jobs/{job}/result", ANN).status_code == 409
    with ask(service, f"/api/v1/jobs/{job}/events", ANN, stream=True) as events:
        service.working.set()
        told = events.text  # until its end
    assert told.count("event: end") == 1
    assert state(service, job)["state"] == "succeeded"
    result = ask(service, f"/api/v1/jobs/{job}/result", ANN)
    kept = service.result(job)  # takes it out of the sink
    assert (result.status_code, result.content) == (200, base64.b64decode(kept["data"]))
    wait_until(lambda: ask(service, f"/api/v1/jobs/{job}", ANN).status_code == 404)


def test_refused_entry_is_a_failed_job(service: QueueService) -> None:
    _, job = service.put(TXT2IMG, '{"steps": "many"}')
    failed = wait_until(lambda: found if (found := state(service, job))["ended_at"] else None)
    assert (failed["state"], failed["status"]) == ("failed", 422)
    assert "steps" in failed["error"]
    assert ask(service, f"/api/v1/jobs/{job}/result").status_code == 422


def test_entry_is_cancelled_with_its_result_in_the_sink(service: QueueService) -> None:
    first, second = put_by_ann(service, "first"), put_by_ann(service, "second")
    wait_until(lambda: service.store.is_queued(first))  # the second has no room beside it
    for job in (second, first):
        assert ask(service, f"/api/v1/jobs/{job}", BOB, "DELETE").status_code == 404
        assert ask(service, f"/api/v1/jobs/{job}", ANN, "DELETE").json()["state"] == "cancelled"
    service.working.set()
    for job in (first, second):
        assert service.result(job)["tags"]["requestId"] == job
        assert state(service, job)["state"] == "cancelled"  # also when the result is taken
        assert job not in service.drawn


def test_entry_for_the_job_api_is_one_job(service: QueueService) -> None:
    body = {"path": "/sdapi/v1/txt2img", "body": {"prompt": "nested"}}
    _, request_id = service.put("easel/api/v1/jobs", json.dumps(body))
    result = service.result(request_id)
    job = json.loads(base64.b64decode(result["data"]))["id"]
    assert result["tags"]["lastCode"] == "202"
    assert service.store.is_queued(job)
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": request_id}
    again = requests.post(
        f"{service.web.url}/api/v1/jobs", json=body, headers=headers, timeout=TIMEOUT
    )
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (job, "true")
    ask(service, f"/api/v1/jobs/{job}", method="DELETE")


def test_watches_of_queues_and_event_streams_share_their_places(service: QueueService) -> None:
    anns = {"Authorization": ANN}
    with ExitStack() as watchers:
        for _ in range(2):  # half of the places
            watchers.enter_context(service.watch(WATCH, **anns))
        with pytest.raises(Refused, match="yours") as refused:
            service.watch(WATCH, **anns)
        assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "10")
        streamed = ask(service, f"/api/predict/{WATCH}", ANN)
        assert (streamed.status_code, streamed.headers["Retry-After"]) == (503, "10")
        owners = watchers.enter_context(service.watch(WATCH))
        watchers.enter_context(ask(service, "/api/events", stream=True))
        for token in (TOKEN, BOB):
            with pytest.raises(Refused, match="--max-watchers") as refused:
                service.watch(WATCH, Authorization=token)
            assert refused.value.status == 503
        assert ask(service, "/api/events").status_code == 503
        assert ask(service, "/sdapi/v1/samplers").status_code == 200
        owners.socket.close()
        wait_until(lambda: try_to_watch(service), message="no place came free")


def try_to_watch(service: QueueService) -> bool:
    """Whether a watch is let in."""
    try:
        with service.watch(WATCH):
            return True
    except Refused:
        return False
