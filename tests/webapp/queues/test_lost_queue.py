"""``.easel`` removed or replaced under a running service: everybody notices, nobody hangs."""

import http.client
import json
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.wait import POLL_SECONDS, TIMEOUT, join_thread, result_of, wait_until
from tests.webapp.processes.running_service import RunningService
from tests.webapp.web_process import WebProcess, web_process
from tests.webapp.worker.worker_bench import WorkerThread, stepping
from webapp.processes.supervisor import reopen_queue
from webapp.processes.web_server import end_process
from webapp.queues.contracts.entries import SINK, Entry
from webapp.queues.contracts.frame import Frame
from webapp.queues.errors import QueueLost
from webapp.queues.folder_watch import LOST_CHECKS, QueueWatch
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import parse
from webapp.settings.data_dir import CannotUse, prepare_data_dir, service_token


def remove_used(folder: Path) -> None:
    """Remove a folder in which its processes still write: one file may come during the removal."""

    def is_removed() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(is_removed)


def lose(folder: Path, how: str) -> None:
    """Take the queue away from under its processes."""
    if how == "folder removed":
        remove_used(folder)
    elif how == "file removed":
        (folder / "queue.db").unlink()
    else:
        folder.rename(folder.with_name("old"))
        if how == "folder replaced":
            shutil.copytree(folder.with_name("old"), folder, ignore=lambda *_: {"bells"})


WAYS = ("folder removed", "file removed", "folder moved away", "folder replaced")


@pytest.mark.parametrize("how", WAYS)
def test_a_lost_queue_is_told(tmp_path: Path, how: str) -> None:
    store = SqliteStore(tmp_path / ".easel" / "queue.db")
    assert store.loss_reason() == ""
    lose(tmp_path / ".easel", how)
    assert (
        "replaced" in store.loss_reason() if "replaced" in how else "removed" in store.loss_reason()
    )
    assert str(tmp_path) not in store.loss_reason()
    with pytest.raises(QueueLost, match="not stored"):
        store.put(Frame("a", "generate", b""))
    with pytest.raises(QueueLost, match="not stored"):
        store.entries.queue(SINK).put(Entry("a", b""))
    store.close()


def test_a_folder_that_comes_back_whole_is_not_lost(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / ".easel" / "queue.db")
    watch = QueueWatch(store)
    lose(tmp_path / ".easel", "folder moved away")
    assert [watch.check() for _ in range(LOST_CHECKS - 1)] == [""] * (LOST_CHECKS - 1)
    (tmp_path / "old").rename(tmp_path / ".easel")
    assert watch.check() == ""
    lose(tmp_path / ".easel", "folder moved away")
    assert [bool(watch.check()) for _ in range(LOST_CHECKS)] == [False] * (LOST_CHECKS - 1) + [True]
    store.close()


def test_a_bell_whose_folder_was_removed_is_made_again(tmp_path: Path) -> None:
    one = SqliteStore(tmp_path / "queue.db")
    other = SqliteStore(tmp_path / "queue.db")
    assert one.take(WorkerId("w"), [], 0) is None
    shutil.rmtree(tmp_path / "bells")
    with one.notifier.subscribe("work") as ear:
        other.notifier.notify("work")
        assert wait_until(ear._event.is_set)
    one.close()
    other.close()


def test_a_worker_ends_with_its_job_given_back(tmp_path: Path, monkeypatch: Any) -> None:
    """In the folder that was moved away it waits for whoever puts that back."""
    monkeypatch.setattr("webapp.worker.heartbeat.HEARTBEAT_SECONDS", 0.0)
    bench = WorkerThread(tmp_path)
    monkeypatch.setattr(bench.worker.shutdown, "_exit", lambda: None)  # it would end this process
    bench.engine.act = stepping(bench, [])
    bench.begin("house")
    lose(tmp_path / ".easel", "folder moved away")
    join_thread(bench.thread)
    bench.store.close()
    kept = SqliteStore(tmp_path / "old" / "queue.db")
    assert [frame.deliveries for frame in kept.list_frames()] == [0]
    kept.close()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A real web process, without a worker."""
    with web_process(tmp_path_factory.mktemp("data")) as process:
        yield process


def request_json(web: WebProcess, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    """Status and body of a request; 0 while nobody listens."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(web.url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except (OSError, http.client.HTTPException):
        return 0, {}


def test_whoever_waits_is_told_and_the_web_process_starts_anew(web: WebProcess) -> None:
    before = web.serving.pid
    assert (web.data_dir / ".easel" / "jobs.db").exists()  # not made while the folder is removed
    store = SqliteStore(web.data_dir / ".easel" / "queue.db")
    with ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(request_json, web, "/sdapi/v1/txt2img", {"prompt": "house", "steps": 1})
        wait_until(store.list_frames)
        lose(web.data_dir / ".easel", "folder removed")
        status, body = request_json(web, "/readyz")
        assert (status, body["status"]) == (503, "no queue")
        assert "while the service ran" in body["reason"] or "replaced" in body["reason"]
        assert request_json(web, "/sdapi/v1/txt2img", {"prompt": "house", "steps": 1})[0] == 503
        status, body = result_of(drawn)
    store.close()
    assert status == 503
    assert str(web.data_dir) not in json.dumps(body)
    wait_until(lambda: web.serving.pid != before)
    web.wait()
    bench = WorkerThread(web.data_dir)
    bench.thread.start()
    wait_until(lambda: request_json(web, "/readyz")[0] == 200)
    assert request_json(web, "/sdapi/v1/txt2img", {"prompt": "house", "steps": 1})[0] == 200
    bench.end()


def test_while_nothing_can_take_its_place_the_web_process_stays_and_tells(web: WebProcess) -> None:
    """It goes on with the folder once that is back."""
    folder, away = web.data_dir, web.data_dir.with_name("away")
    before = web.serving.pid
    folder.rename(away)
    folder.write_text("in the way")
    config = parse(["--data-dir", str(web.data_dir)], {})
    with pytest.raises(CannotUse):
        prepare_data_dir(config)
    assert not end_process(config, logging.getLogger("test"), "gone")  # or this process were ended
    for _ in range(LOST_CHECKS + 1):
        assert request_json(web, "/readyz")[1]["status"] == "no queue"
        assert request_json(web, "/sdapi/v1/txt2img", {"prompt": "house", "steps": 1})[0] == 503
        time.sleep(1)  # a look of the process
    folder.unlink()
    away.rename(folder)
    wait_until(lambda: request_json(web, "/readyz")[1].get("status") != "no queue")
    assert web.serving.pid == before


def test_a_whole_service_goes_on_with_a_new_queue(tmp_path: Path) -> None:
    """The supervisor lives and says it once; the others are started anew and find each other."""
    running = RunningService(tmp_path / "data")
    before = {process.pid for process in running.processes()} - {running.process.pid}
    remove_used(tmp_path / "data" / ".easel")
    wait_until(lambda: len({p.pid for p in running.processes()} - before) == 3)
    running.store.close()
    running.store = SqliteStore(tmp_path / "data" / ".easel" / "queue.db")
    wait_until(lambda: len(running.store.workers()) == 1, every=POLL_SECONDS)
    assert running.draw("quick")[0] == 200
    assert running.process.poll() is None
    assert running.log().count("a new queue is opened") == 1
    os.kill(running.worker(), 9)  # the supervisor, too, has the new queue
    wait_until(lambda: any(tally.name == "restarts" for tally in running.store.counters()))
    running.end()


def test_a_token_that_went_with_its_folder_is_announced_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = parse(["--data-dir", str(tmp_path), "--listen", "--no-default-checkpoint"], {})
    prepare_data_dir(config)
    before = service_token(config)
    log = logging.getLogger("test")
    reopen_queue(config, log, 1, before).close()
    assert capsys.readouterr().out == ""
    shutil.rmtree(tmp_path / ".easel")
    reopen_queue(config, log, 1, before).close()
    made = service_token(config)
    assert made is not None
    assert before is not None
    assert made.reveal() != before.reveal()
    assert made.reveal() in capsys.readouterr().out
