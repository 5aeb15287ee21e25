"""The end of a service: real processes around an engine that pretends."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wait import POLL_SECONDS, exit_code, result_of, wait_until
from tests.webapp.conftest import write_checkpoint
from tests.webapp.processes.drained_service import DrainedService
from webapp.queues.contracts.frame import Frame
from webapp.queues.drain import announce_drain, is_draining, withdraw_drain
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a model."""
    write_checkpoint(tmp_path / "data/models/Stable-diffusion/painter.safetensors")
    return tmp_path / "data"


@pytest.fixture
def easel(data: Path) -> Iterator[DrainedService]:
    """A service that runs."""
    easel = DrainedService(data)
    yield easel
    easel.end()


def test_sigterm_finishes_what_runs_and_keeps_what_waits(easel: DrainedService, data: Path) -> None:
    running = easel.draw(120)
    wait_until(lambda: easel.store.depth().running == 1)
    waiting = easel.draw(2)
    wait_until(lambda: easel.store.depth().waiting == 1)
    easel.process.terminate()
    wait_until(lambda: easel.ask("/readyz")[0] == 503)
    status, headers, body = easel.ask("/readyz")
    assert (status, body) == (503, {"status": "draining"})
    status, headers, body = result_of(easel.draw(2))
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    assert headers["X-Request-Id"]
    assert {"error", "detail", "body", "errors"} <= set(body)
    assert body["code"] == "draining"
    status, headers, body = result_of(waiting)
    assert status == 503
    assert "kept" in body["detail"]
    status, _, body = result_of(running)
    assert status == 200
    assert len(body["images"]) == 1
    assert exit_code(easel.process) == 0
    assert easel.store.depth().waiting == 1
    frame = easel.store.list_frames()[0]
    again = DrainedService(data)
    try:
        wait_until(lambda: again.store.depth().waiting == 0)
        answer = wait_until(lambda: again.store.wait(frame.id, POLL_SECONDS))
        assert answer.status == 200
    finally:
        again.process.terminate()
        assert exit_code(again.process) == 0
        again.end()
    events = [json.loads(line) for line in again.output.read_text().splitlines() if line[:1] == "{"]
    mine = [e for e in events if e.get("job") == frame.id and e["logger"] == "easel.worker"]
    assert {e["request"] for e in mine} == {frame.tags["request"]}
    assert any("waited" in e["message"] for e in mine)


def test_what_is_no_request_is_answered_with_an_id(easel: DrainedService) -> None:
    with socket.create_connection(("127.0.0.1", easel.port)) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 400")
    name = answer.partition("X-Request-Id: ")[2].split("\r\n")[0]
    assert len(name) == 32
    wait_until(lambda: name in easel.output.read_text())


def test_an_earlier_supervisors_words_are_over(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "queue.db")
    mine = {"EASEL_SUPERVISOR": str(os.getpid())}
    assert not is_draining(store, mine)
    announce_drain(store)
    assert is_draining(store, mine)
    assert not is_draining(store, {"EASEL_SUPERVISOR": "1"})
    assert not is_draining(store, {})
    withdraw_drain(store)
    assert not is_draining(store, mine)
    store.put(Frame("f", "generate", b""))
    assert (store.depth().waiting, store.is_running("f")) == (1, False)
    store.take(WorkerId("w"), (), 0)
    assert (store.depth().waiting, store.is_running("f")) == (0, True)
    store.close()
