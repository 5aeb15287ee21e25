"""``interrupt`` and ``skip`` by name: one task alone; a waiting one leaves the queue at once."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from generator.request import ExtrasRequest, GenerationRequest, Seeds, Stop
from tests.wait import result_of, wait_until
from tests.webapp.conftest import Builder, write_checkpoint
from tests.webapp.processes.drained_service import DrainedService
from webapp.access.credentials import build_credentials
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import EXTRAS as EXTRAS_KIND
from webapp.queues.job_codec import (
    EXTRAS_REQUESTS,
    EasExtras,
    QueuedExtras,
    QueuedGeneration,
    encode_job,
)
from webapp.requests.eas import EasStatus
from webapp.routes.tasks import TASK_TAG
from webapp.worker.stopped_jobs import STOPPED_ANSWERS


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrainedService]:
    """The real supervisor and web process, whose worker pretends."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    write_checkpoint(data_dir / "models/Stable-diffusion/painter.safetensors")
    running = DrainedService(data_dir)
    yield running
    running.end()


def draw(
    easel: DrainedService, task: str, steps: int = 2
) -> "Future[tuple[int, dict[str, str], Any]]":
    body = {"prompt": task, "steps": steps, "width": 8, "height": 8, "force_task_id": task}
    return easel.pool.submit(easel.ask, "/sdapi/v1/txt2img", body)


def tasks(easel: DrainedService) -> list[str]:
    found: list[str] = easel.ask("/internal/pending-tasks")[2]["tasks"]
    return found


def test_a_task_is_stopped_by_its_name_and_no_other(easel: DrainedService) -> None:
    first = draw(easel, "first", steps=150)
    wait_until(lambda: easel.store.depth().running == 1)
    worker = easel.store.workers()[-1].id.pid
    os.kill(worker, signal.SIGSTOP)  # nothing but the web process answers from here on
    try:
        second, third = draw(easel, "second"), draw(easel, "third")
        wait_until(lambda: len(tasks(easel)) == 3)
        assert easel.ask("/sdapi/v1/skip?id_task=second", {})[0] == 200
        assert easel.ask("/sdapi/v1/interrupt?id_task=another", {})[0] == 200
        assert easel.ask("/sdapi/v1/interrupt", {"id_task": 3})[0] == 422
        assert set(tasks(easel)) == {"first", "second", "third"}
        assert easel.ask("/sdapi/v1/interrupt?id_task=second", {})[0] == 200
        status, _, body = result_of(second)
        assert (status, body["images"]) == (200, [])
        assert body["parameters"]["prompt"] == "second"
        info = json.loads(body["info"])
        assert info["prompt"] == "second"
        assert len(info["all_seeds"]) == 1
        assert info["infotexts"] == []
        assert easel.ask("/internal/progress", {"id_task": "second"})[2]["completed"]
        assert easel.ask("/sdapi/v1/interrupt", {"id_task": "third"})[0] == 200
        assert result_of(third)[2]["images"] == []
        assert tasks(easel) == ["first"]
        assert easel.store.take_stop_request(easel.store.list_frames()[0].id) is Stop.NO
        last = draw(easel, "last")
        wait_until(lambda: len(tasks(easel)) == 2)
        assert easel.ask("/sdapi/v1/interrupt", {})[0] == 200  # the running one, as ever
        assert set(tasks(easel)) == {"first", "last"}
    finally:
        os.kill(worker, signal.SIGCONT)
    assert [len(result_of(each)[2]["images"]) for each in (first, last)] == [1, 1]


def test_skip_names_its_task_too(easel: DrainedService) -> None:
    drawn = draw(easel, "long", steps=150)
    wait_until(lambda: easel.store.depth().running == 1)
    (frame,) = easel.store.list_frames()
    asked = easel.ask("/sdapi/v1/skip", {"id_task": "another"})
    assert (asked[0], asked[2]) == (200, None)
    state = easel.ask("/sdapi/v1/progress")[2]["state"]
    assert not state["skipped"]
    assert easel.ask("/sdapi/v1/skip", {"id_task": "long"})[0] == 200
    assert result_of(drawn)[0] == 200
    assert not easel.store.is_queued(frame.id)


def test_nobody_stops_anothers_waiting_task(build: Builder) -> None:
    users = (("ann", "pw1"), ("bob", "pw2"))
    house = build(build_credentials("owner-token", users), working=False)
    body = encode_job(QueuedGeneration(GenerationRequest("x", Seeds(1)), "txt2img", {}))
    house.store.put(Frame("1" * 32, "generate", body, owner="ann", tags={TASK_TAG: "t1"}))
    ann, bob = (("ann", "pw1"), ("bob", "pw2"))
    assert house.app.test_client().post("/sdapi/v1/interrupt?id_task=t1", auth=bob).get_json() == {}
    assert house.store.is_queued("1" * 32)
    house.app.test_client().post("/sdapi/v1/interrupt?id_task=t1", auth=ann)
    assert not house.store.is_queued("1" * 32)
    answer = house.store.wait("1" * 32, 0)
    assert answer is not None
    assert answer.status == 200


def test_other_forms_of_answers() -> None:
    extras = EasExtras(id_task="t", save_dir="outputs")
    job = QueuedGeneration(GenerationRequest("x", Seeds(1)), "txt2img", {}, extras=extras)
    told = json.loads(STOPPED_ANSWERS["generate"](Frame("1", "generate", encode_job(job))).body)
    assert (told["images"], told["parameters"]["status"]) == ([], EasStatus.INTERRUPTED)
    enlarging = EXTRAS_REQUESTS.dump_json(QueuedExtras(ExtrasRequest(()), single=True))
    assert (
        json.loads(STOPPED_ANSWERS[EXTRAS_KIND](Frame("1", EXTRAS_KIND, enlarging)).body)["image"]
        == ""
    )
