"""/metrics tells what happened, and docs/metrics.md what it means."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.wait import TIMEOUT
from tests.webapp.worker.worker_bench import WorkerThread
from webapp.access.credentials import build_credentials
from webapp.access.scopes import AccessScope
from webapp.access.tokens import narrow_tokens
from webapp.queues import counter_labels
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.service_metrics import BUCKETS

PAGE = Path(__file__).parents[2] / "docs/metrics.md"
ROW = re.compile(r"^\| (easel_\w+) \| (\w+) \| ([\w, –]+) \|", re.M)
TINY = {"width": 8, "height": 8, "prompt": "x"}


def figures(house: Any, **headers: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels."""
    answer = house.client(**headers).get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: Any, name: str, **labels: str) -> float | None:
    """One sample."""
    return found.get((name, frozenset(labels.items())))


def test_a_drawn_picture_is_in_the_figures(build: Any) -> None:
    house = build(build_credentials("s3cret-token", (("ann", "pw1"),)))
    owner = {"authorization": "s3cret-token"}
    assert house.txt2img(TINY, **owner).status_code == 200
    assert house.txt2img({**TINY, "steps": "x"}, **owner).status_code == 422
    house.client(**owner).get("/nowhere")
    found = figures(house, **owner)
    route = {"route": "/sdapi/v1/txt2img", "method": "POST"}
    assert value(found, "easel_http_requests_total", **route, status="200") == 1
    assert value(found, "easel_http_requests_total", **route, status="422") == 1
    unmatched = {"route": "unmatched", "method": "GET", "status": "404"}
    assert value(found, "easel_http_requests_total", **unmatched) == 1
    assert value(found, "easel_http_request_seconds_count", **route) == 2
    assert value(found, "easel_http_request_seconds_bucket", **route, le=str(BUCKETS[-1])) is None
    assert value(found, "easel_http_request_seconds_bucket", **route, le="+Inf") == 2
    whose = {"user": "owner", "model": ""}
    assert value(found, "easel_jobs_total", **whose, kind="generate", status="200") == 1
    wait = value(found, "easel_job_wait_seconds_total", **whose)
    assert wait is not None
    assert 0 <= wait < 3600
    assert value(found, "easel_queue_frames", state="waiting") == 0


def test_the_queue_and_the_workers_are_told(build: Any) -> None:
    house = build(working=False, device="cpu,cuda:0")
    now = time.time() + TIMEOUT  # so that it is lately for as long as the test lasts
    for name in ("a" * 32, "b" * 32):
        house.store.put(Frame(id=name, kind="generate", body=b""))
    house.store.take(WorkerId.parse("cpu@here:1"), (), 0)
    memory = {"rss": 5, "device_total": 100, "device_free": 30}
    house.store.record_heartbeat(
        WorkerState(WorkerId.parse("cpu@here:1"), "working", "x", "", now, memory)
    )
    time.sleep(0.05)
    found = figures(house)
    assert value(found, "easel_queue_frames", state="waiting") == 1
    assert value(found, "easel_queue_frames", state="running") == 1
    assert 0.05 <= found[("easel_queue_oldest_seconds", frozenset())] < 3600
    states = {
        (dict(labels)["worker"], dict(labels)["state"])
        for (name, labels), number in found.items()
        if name == "easel_worker_state" and number
    }
    assert states == {("cpu", "drawing"), ("cuda:0", "dead")}
    assert value(found, "easel_worker_memory_bytes", worker="cpu", kind="device_used") == 70
    assert value(found, "easel_worker_memory_bytes", worker="cpu", kind="rss") == 5


def test_workers_of_one_device_and_host_are_told_apart(build: Any) -> None:
    house = build(working=False, device="cuda:0", workers_max=0)
    now = time.time() + TIMEOUT
    for size, (host, machine, joined) in enumerate(
        [("web", "a", False), ("web", "b", False), ("gpu", "c", True), ("gpu", "d", True)]
    ):
        worker = WorkerId("cuda:0", host, 1, machine)
        state = WorkerState(worker, "idle", "", "", now, {"rss": size}, joined=joined)
        house.store.record_heartbeat(state)
    found = figures(house)
    sizes = {
        dict(labels)["worker"]: number
        for (name, labels), number in found.items()
        if name == "easel_worker_memory_bytes"
    }
    assert sizes == {"cuda:0": 0, "cuda:0 (2)": 1, "cuda:0@gpu": 2, "cuda:0@gpu (2)": 3}
    for name in sizes:
        assert value(found, "easel_worker_state", worker=name, state="idle") == 1


def test_a_service_without_workers_of_its_own_misses_none(build: Any) -> None:
    found = figures(build(working=False, device="cuda:0", workers_max=0))
    assert not [labels for name, labels in found if name == "easel_worker_state"]


def test_a_worker_counts_what_it_did(tmp_path: Path) -> None:
    bench = WorkerThread(tmp_path)
    bench.engine.loaded_checkpoints = ()

    def load(request: Any, watch: Any) -> Any:
        bench.engine.loaded_checkpoints = ("sd [0123456789]",)
        time.sleep(0.05)
        return original(request, watch)

    original, bench.engine.act = bench.engine.act, load
    bench.put("first")
    bench.answer("first")
    bench.put("second")
    bench.answer("second")
    bench.end()
    store = SqliteStore(tmp_path / ".easel" / "queue.db")  # the sums outlive the worker
    known = {(t.name, tuple(sorted(t.labels.items()))): t.value for t in store.counters()}
    store.close()
    whose = (("model", "sd [0123456789]"), ("user", ""))
    assert known[("job_gpu_seconds", whose)] >= 0.1
    assert known[("cache_requests", (("cache", "checkpoint"), ("result", "miss")))] == 1
    assert known[("cache_requests", (("cache", "checkpoint"), ("result", "hit")))] == 1
    jobs = [number for (name, _), number in known.items() if name == "jobs"]
    assert jobs == [2]


def test_labels_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter_labels, "MAX_LABEL_SETS", 3)
    store = SqliteStore(tmp_path / "queue.db")
    for number in range(9):
        name = f"{number}" * 32
        store.put(Frame(id=name, kind="generate", body=b"", owner=f"user{number}"))
        lease = store.take(WorkerId("w"), (), 0)
        assert lease is not None
        store.answer(lease, Answer(200, b"{}"), 2.0, "m" * 400)
    waits = [t for t in store.counters() if t.name == "job_gpu_seconds"]
    store.close()
    assert len(waits) == 4
    assert sum(t.value for t in waits) == 18
    assert {t.labels["user"] for t in waits} >= {"other"}
    assert max(len(t.labels["model"]) for t in waits) <= 120


def test_metrics_have_a_token_of_their_own(build: Any) -> None:
    narrow = narrow_tokens(AccessScope.METRICS, ["metrics-token"])
    house = build(build_credentials("s3cret-token", (("ann", "pw1"),), narrow=narrow))
    assert house.client(authorization="Bearer metrics-token").get("/metrics").status_code == 200
    assert house.client(authorization="metrics-token").get("/").status_code == 403
    assert house.client().get("/metrics").status_code == 401


def test_two_apps_have_figures_of_their_own(build: Any) -> None:
    first, second = build(), build()
    first.client().get("/sdapi/v1/samplers")
    labels = {"route": "/sdapi/v1/samplers", "method": "GET", "status": "200"}
    assert value(figures(first), "easel_http_requests_total", **labels) == 1
    assert value(figures(second), "easel_http_requests_total", **labels) is None


def test_the_page_names_every_figure_and_its_labels(build: Any) -> None:
    house = build()
    house.txt2img(TINY)
    house.store.add_to_counter("restarts", {"process": "web"})
    house.store.add_to_counter("charges_dropped", {})
    house.store.add_to_counter("cache_requests", {"cache": "checkpoint", "result": "hit"})
    house.store.record_heartbeat(
        WorkerState(WorkerId.parse("cpu@x:1"), "idle", "", "", time.time(), {"rss": 1})
    )
    house.client().get("/metrics")
    told = {}
    for family in text_string_to_metric_families(house.client().get("/metrics").text):
        samples = [s for s in family.samples if not s.name.endswith("_created")]
        labels = {label for sample in samples for label in sample.labels} - {"le"}
        name = family.name + ("_total" if family.type == "counter" else "")
        if samples:
            told[name] = (family.type, labels)
    written = {
        name: (kind, set() if labels == "–" else set(labels.split(", ")))
        for name, kind, labels in ROW.findall(PAGE.read_text(encoding="utf-8"))
    }
    assert told == written
