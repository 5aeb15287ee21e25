"""A web process dies while a job runs: its answer is found by task and owner, by the next one."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.wait import TIMEOUT, join_thread, wait_until
from tests.webapp.web_process import WebProcess, web_process
from webapp.errors import json_answer
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

ANN, BOB, OWNER = ("ann", "pw1"), ("bob", "pw2"), ("", "s3cret")
TASK = {"id_task": "task(mine)"}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """One that may be killed."""
    data_dir: Path = tmp_path_factory.mktemp("easel") / "data"
    with web_process(data_dir, "--api-auth", "ann:pw1,bob:pw2", "--token", OWNER[1]) as running:
        yield running


def ask(process: WebProcess, path: str, who: tuple[str, str], body: Any = TASK) -> Any:
    """What a route answers to somebody."""
    url = f"{process.url}/{path}"
    return requests.post(url, json=body, auth=who, timeout=TIMEOUT)


def test_an_answer_outlives_the_web_process(process: WebProcess) -> None:
    store = SqliteStore(process.data_dir / ".easel/queue.db")
    body = {"prompt": "a", "width": 64, "height": 64, "force_task_id": TASK["id_task"]}

    def draw() -> None:
        with suppress(requests.RequestException):
            ask(process, "sdapi/v1/txt2img", ANN, body)

    asking = threading.Thread(target=draw)
    asking.start()
    lease = store.take(WorkerId("test"), (), TIMEOUT)
    assert lease is not None
    process.kill_serving()
    join_thread(asking)
    store.answer(lease, json_answer(200, {"images": ["x"]}), 0.0)
    store.close()
    process.wait()
    wait_until(lambda: ask(process, "internal/progress", ANN).json()["completed"])
    assert ask(process, "internal/progress", BOB).json()["completed"] is False
    assert ask(process, "internal/answer", BOB).status_code == 404
    assert ask(process, "internal/answer", ANN).json() == {"images": ["x"]}
    assert ask(process, "internal/answer", ANN).status_code == 404  # given once
