"""Who leaves while a request waits: it goes along, unless its progress was asked for."""

import json
import os
import resource
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.wait import TIMEOUT, wait_until
from tests.webapp.easel_server import serve_app
from webapp.errors import json_answer
from webapp.queues.worker_id import WorkerId
from webapp.routes.submission import has_caller_left

BODY = {"prompt": "a", "width": 64, "height": 64, "force_task_id": "task(mine)"}
TASK = {"id_task": "task(mine)"}


def ask_and_hold(url: str) -> socket.socket:
    """A request for a picture whose answer nobody reads yet."""
    data = json.dumps(BODY).encode()
    head = f"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port))
    connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + data)
    return connection


@pytest.fixture
def waiting(build: Any) -> Any:
    """A house whose workers are all busy, so to say."""
    return build(working=False)


def test_a_request_goes_with_its_asker(waiting: Any) -> None:
    with serve_app(waiting.app) as url:
        connection = ask_and_hold(url)
        wait_until(waiting.store.list_frames)
        connection.close()
        wait_until(lambda: not waiting.store.list_frames())


def test_who_leaves_is_noticed_whatever_the_number_of_the_connection() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2048), limits[1]))
    near, far = socket.socketpair()
    high = socket.socket(fileno=os.dup2(near.fileno(), 1500))
    try:
        assert not has_caller_left({"gunicorn.socket": high})
        far.sendall(b"GET / HTTP/1.1")  # the next request waits already
        assert not has_caller_left({"gunicorn.socket": high})
        far.close()
        assert has_caller_left({"gunicorn.socket": high})
    finally:
        near.close()
        high.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_followed_request_stays_and_its_answer_is_kept(waiting: Any) -> None:
    client = waiting.client()
    with serve_app(waiting.app) as url:
        connection = ask_and_hold(url)
        wait_until(waiting.store.list_frames)
        assert client.post("/internal/progress", json=TASK).get_json()["queued"]
        connection.close()
        time.sleep(3)  # the service looks every two seconds
        assert client.get("/internal/pending-tasks").get_json() == {
            "size": 1,
            "tasks": ["task(mine)"],
        }
        told = client.post("/internal/progress", json=TASK).get_json()
        assert (told["queued"], told["completed"]) == (True, False)
        lease = waiting.store.take(WorkerId("test"), (), TIMEOUT)
        waiting.store.answer(lease, json_answer(200, {"images": ["x"]}), 0.0)
        assert client.post("/internal/progress", json=TASK).get_json()["completed"]
        assert client.post("/internal/answer", json=TASK).get_json() == {"images": ["x"]}
