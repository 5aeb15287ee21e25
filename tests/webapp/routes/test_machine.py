"""Memory, neighbours' routes, and ending the service by its API."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.wait import TIMEOUT, result_of, wait_until
from tests.webapp.conftest import Builder
from tests.webapp.worker.worker_bench import Engine
from webapp.access.credentials import build_credentials
from webapp.process_tree import SUPERVISOR_VARIABLE
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.worker_id import WorkerId
from webapp.worker.loop import Worker, WorkerSettings
from webapp.worker.main import device_memory

STOPS = ["server-kill", "server-stop", "server-restart"]


def test_memory_is_told_as_recorded(house: Any, goldens: Path) -> None:
    golden = json.loads((goldens / "get/memory.json").read_text())
    told = house.client().get("/sdapi/v1/memory").get_json()
    assert told.keys() == golden.keys()
    assert told["cuda"] == golden["cuda"]
    assert told["ram"].keys() == golden["ram"].keys()
    assert 0 < told["ram"]["used"] < told["ram"]["total"]
    assert 0 < told["ram"]["free"] < told["ram"]["total"]


def test_the_devices_memory_is_added_up(house: Any) -> None:
    told = {"rss": 1, "device_free": 60, "device_total": 80, "allocated_peak": 7, "oom": 1}
    for name in ("cuda:0@here:1", "cuda:1@here:2"):
        house.store.record_heartbeat(
            WorkerState(WorkerId.parse(name), "idle", "", "", time.time(), told)
        )
    cuda = house.client().get("/sdapi/v1/memory").get_json()["cuda"]
    assert cuda["system"] == {"free": 120, "used": 40, "total": 160}
    assert cuda["allocated"] == {"current": 0, "peak": 14}
    assert cuda["events"] == {"retries": 0, "oom": 2}
    assert set(cuda) == {"system", "active", "allocated", "reserved", "inactive", "events"}


def test_a_workers_report_reaches_the_route(
    house: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = {
        "active_bytes.all.current": 3,
        "allocated_bytes.all.peak": 9,
        "reserved_bytes.all.current": 11,
        "inactive_split_bytes.all.current": 2,
        "num_alloc_retries": 4,
        "num_ooms": 1,
    }
    monkeypatch.setattr("torch.cuda.memory_stats", lambda device: told)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (30, 100))
    worker = Worker(
        WorkerId.parse("cuda:0@here:1"), house.store, Engine(),
        WorkerSettings(tmp_path, measure=lambda: {"rss": 5, **device_memory("cuda:0")}),
    )  # fmt: skip
    house.store.record_heartbeat(worker.current_state())
    answer = house.client().get("/sdapi/v1/memory").get_json()
    cuda = answer["cuda"]
    assert cuda["system"] == {"free": 30, "used": 70, "total": 100}
    assert cuda["active"] == {"current": 3, "peak": 0}
    assert cuda["allocated"] == {"current": 0, "peak": 9}
    assert cuda["reserved"] == {"current": 11, "peak": 0}
    assert cuda["inactive"] == {"current": 2, "peak": 0}
    assert cuda["events"] == {"retries": 4, "oom": 1}
    assert device_memory("cpu") == {}


@pytest.mark.parametrize(
    ("route", "verb", "title"),
    [("unload", "unload", ""), ("reload", "load", "deliberate_v2.safetensors")],
)
def test_every_worker_hears_of_a_command(house: Any, route: str, verb: str, title: str) -> None:
    workers = [WorkerId("cpu", "here", pid) for pid in (1, 2)]
    for worker in workers:
        house.store.record_heartbeat(WorkerState(worker, "idle", "", "", time.time() + TIMEOUT))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(house.client().post, f"/sdapi/v1/{route}-checkpoint")
        for worker in workers:
            command = wait_until(partial(house.store.pending_command, worker))
            assert not answer.done()
            assert (command.verb, command.checkpoint) == (verb, title)
            house.store.complete_command(worker, command)
        assert result_of(answer).get_json() == {}


def test_no_extension_has_a_remote(house: Any, goldens: Path) -> None:
    golden = json.loads((goldens / "get/extensions.json").read_text())
    assert house.client().get("/sdapi/v1/extensions").get_json() == golden


def test_the_neighbours_routes(house: Any, guarded_house: Any) -> None:
    client = house.client()
    assert client.get("/config").get_json()["title"] == "Easel"
    assert client.get("/user").get_json() is None
    assert client.get("/queue/status").get_json()["queue_size"] == 0
    assert client.get("/sdapi/v1/sd-modules").get_json()[0]["model_name"] == "clear.safetensors"
    assert client.get("/sdapi/v1/version").get_json()["app"] == "easel"
    assert client.get("/sdapi/v1/platform").get_json()["system"] == "Linux"
    ann = guarded_house.client(authorization="Basic YW5uOnB3MQ==")
    assert ann.get("/user").get_json() == "ann"


@pytest.mark.parametrize("name", STOPS)
def test_the_service_cannot_be_ended_without_the_flag(house: Any, name: str) -> None:
    assert house.client().post(f"/sdapi/v1/{name}").status_code == 404


@pytest.mark.parametrize("name", STOPS)
def test_only_the_owner_ends_it(build: Builder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    heard: list[tuple[int, int]] = []
    monkeypatch.setenv(SUPERVISOR_VARIABLE, "4711")
    monkeypatch.setattr(os, "kill", lambda pid, number: heard.append((pid, number)))
    guarded = build(build_credentials("t0ken", (("ann", "pw1"),)), api_server_stop=True)
    ann = guarded.client(authorization="Basic YW5uOnB3MQ==")
    assert ann.post(f"/sdapi/v1/{name}").status_code == 403
    assert heard == []
    assert guarded.client(authorization="t0ken").post(f"/sdapi/v1/{name}").status_code == 200
    assert heard == [(4711, signal.SIGUSR1 if "restart" in name else signal.SIGTERM)]


def test_a_web_process_by_itself_says_501(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SUPERVISOR_VARIABLE, raising=False)
    answer = build(api_server_stop=True).client().post("/sdapi/v1/server-stop")
    assert answer.status_code == 501
    assert "by itself" in answer.get_json()["detail"]
