"""Prometheus collector of ``/metrics``. See docs/metrics.md.

Requests are counted here, in the web process. Everything of workers and jobs is read from the
queue's store when somebody asks, so that it is true for all processes and outlives them.
"""

import logging
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from flask import Flask, Response, g, has_app_context, request
from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from generator.models.kinds import ModelKind
from webapp.plugins.plugin_jobs import count_hook_seconds
from webapp.queues.contracts.counters import CounterValue
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.errors import QueueError
from webapp.settings.devices import resolve_devices
from webapp.version import VERSION

if TYPE_CHECKING:
    from webapp.plugins.web_plugins import WebPlugins
    from webapp.services import Services

log = logging.getLogger("easel.web")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER, UNMATCHED = "other", "unmatched"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # seconds
STATE_NAMES: Mapping[str, str] = {"starting": "loading", "working": "drawing"}
WORKER_STATES = ("idle", "loading", "drawing", "draining", "dead")
STORE_SECONDS = 0.25  # that a scrape waits until seconds of hooks are stored

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "jobs": ("Jobs answered", ("kind", "user", "model", "status")),
    "job_wait_seconds": ("Seconds that jobs waited for a worker", ("user", "model")),
    "job_gpu_seconds": ("Seconds that workers spent on jobs", ("user", "model")),
    "restarts": ("Processes that died and were started again", ("process",)),
    "cache_requests": ("Questions to a cache", ("cache", "result")),
    "charges_dropped": ("Charges dropped as too many waited for the ledger", ()),
    "plugin_seconds": ("Seconds in hooks of plugins", ("side", "plugin", "hook")),
}
"""Sums of the store (``Counters``) with their meaning and labels."""


def install(app: Flask, services: "Services") -> None:
    """Count the requests of ``app``, and the store's facts, in ``Services.metrics``."""
    registry = services.metrics
    labels = ("route", "method")
    request_counter = Counter(
        "easel_http_requests", "HTTP requests", (*labels, "status"), registry=registry
    )
    request_seconds = Histogram(
        "easel_http_request_seconds",
        "Seconds until the answer began",
        labels,
        buckets=BUCKETS,
        registry=registry,
    )

    counter_of, seconds_of = cache(request_counter.labels), cache(request_seconds.labels)

    def count(answer: Response) -> Response:
        rule, method = request.url_rule, request.method
        route = rule.rule if rule else UNMATCHED
        method = method if method in METHODS else OTHER
        counter_of(route, method, str(answer.status_code)).inc()
        now = time.perf_counter()
        seconds_of(route, method).observe(now - g.get("began", now))
        return answer

    app.after_request(count)
    registry.register(ServiceCollector(services))


class ServiceCollector(Collector):
    """Collects the store's facts when ``/metrics`` is read."""

    def __init__(self, services: "Services") -> None:
        self.services = services
        config = services.config
        # Others may have been ended, and are not dead.
        least = 0 if config.workers_max == 0 else config.workers_min
        self.devices = resolve_devices(config.device)[:least]
        self._storing: threading.Thread | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: the store is not asked before somebody asks us."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every fact, afresh."""
        services, depth = self.services, self.services.queue.depth()
        info = GaugeMetricFamily("easel_info", "The running version", labels=("version",))
        info.add_metric((VERSION,), 1)
        yield info
        queue = GaugeMetricFamily("easel_queue_frames", "Jobs in the queue", labels=("state",))
        queue.add_metric(("waiting",), depth.waiting)
        queue.add_metric(("running",), depth.running)
        yield queue
        yield GaugeMetricFamily(
            "easel_queue_oldest_seconds", "Age of the oldest waiting job", value=depth.oldest
        )
        workers = services.heartbeats.workers()
        yield worker_states(workers, self.devices)
        yield from worker_memory(workers)
        public = PublicLabels.of(services)
        plugin_numbers = list(plugin_metrics(services.plugins, public))
        self._store_hook_seconds()
        yield from counter_metrics(services.counters.counters(), public)
        yield from plugin_numbers

    def _store_hook_seconds(self) -> None:
        """Add to the store's sums what hooks took here; wait a moment for it, not for writers."""
        if self._storing is None or not self._storing.is_alive():
            self._storing = threading.Thread(target=self._count, name="hook-seconds", daemon=True)
            self._storing.start()
        self._storing.join(STORE_SECONDS)

    def _count(self) -> None:
        try:
            count_hook_seconds(self.services.counters, self.services.plugins.host)
        except (QueueError, sqlite3.Error) as error:
            log.warning("seconds in hooks of plugins are not counted: %s", error)


@dataclass(frozen=True, slots=True)
class PublicLabels:
    """Takes users and models that are not everybody's out of labels, for who is not the owner.

    ``models`` are titles and stems that may be told; None: everything may.
    """

    models: frozenset[str] | None = None

    @classmethod
    def of(cls, services: "Services") -> "PublicLabels":
        """Those for the caller: who watches a service with accounts need not know its people."""
        who = g.get("caller") if has_app_context() else None
        shared = services.trees.service
        if not shared.config.accounts or (who is not None and who.is_owner):
            return cls()
        files = shared.registry.index.files_of(ModelKind.CHECKPOINT)
        return cls(frozenset(name for file in files for name in (file.title, file.stem)))

    def of_label(self, name: str, value: str) -> str:
        """What is told of one label."""
        hidden = name == "user" or (name == "model" and value not in (self.models or ()))
        return "" if self.models is not None and hidden else value


def plugin_metrics(plugins: "WebPlugins", public: PublicLabels) -> Iterator[Metric]:
    """Numbers of plugins, ``easel_<plugin>_<name>``; one that fails is left out."""
    for plugin, metric in plugins.metrics():
        values = plugins.host.run_quietly(plugin, f"the metric {metric.name}", metric.values)
        kind = CounterMetricFamily if metric.counter else GaugeMetricFamily
        name = f"easel_{plugin}_{metric.name}".replace("-", "_")
        family = kind(name, metric.help, labels=tuple(metric.labels))
        sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for labels, value in dict(values or {}).items():
            names = tuple(map(str, labels))
            told = tuple(map(public.of_label, metric.labels, names))
            if metric.counter or told == names:  # else it is no sum
                sums[told] += float(value)
        for names, total in sums.items():
            family.add_metric(names, total)
        yield family


def worker_states(workers: Sequence[WorkerState], expected: Sequence[str]) -> Metric:
    """1 for the state that each worker is in, 0 for the others; ``dead`` where none is seen."""
    state_by_name = {name: worker.state for name, worker in with_names(workers)}
    family = GaugeMetricFamily("easel_worker_state", "State of workers", labels=("worker", "state"))
    for name in sorted({*expected, *state_by_name}):
        now = state_by_name.get(name, "dead")
        for state in WORKER_STATES:
            family.add_metric((name, state), float(STATE_NAMES.get(now, now) == state))
    return family


def worker_memory(workers: Sequence[WorkerState]) -> Iterator[Metric]:
    """Bytes that workers hold, and that are free on their devices, as their heartbeats say."""
    family = GaugeMetricFamily(
        "easel_worker_memory_bytes", "Memory as workers tell it", labels=("worker", "kind")
    )
    for name, worker in with_names(workers):
        amounts = dict(worker.memory)
        if "device_total" in amounts:
            amounts["device_used"] = amounts["device_total"] - amounts.get("device_free", 0)
        for kind in ("rss", "device_used", "device_total"):
            if kind in amounts:
                family.add_metric((name, kind), amounts[kind])
    yield family


def with_names(workers: Sequence[WorkerState]) -> Iterator[tuple[str, WorkerState]]:
    """Workers with labels that differ: the device, of a joined one with its host; then a number."""
    used: dict[str, int] = {}
    for worker in sorted(workers, key=lambda each: each.id):
        name = f"{worker.id.device}@{worker.id.host}" if worker.joined else worker.id.device
        used[name] = used.get(name, 0) + 1
        yield (name if used[name] == 1 else f"{name} ({used[name]})"), worker


def counter_metrics(counters: Sequence[CounterValue], public: PublicLabels) -> Iterator[Metric]:
    """The store's sums, those of nothing yet too."""
    for name, (meaning, labels) in COUNTERS.items():
        family = CounterMetricFamily(f"easel_{name}", meaning, labels=labels)
        sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for counter in counters:
            if counter.name == name:
                told = (public.of_label(each, counter.labels.get(each, "")) for each in labels)
                sums[tuple(told)] += counter.value
        for values, value in sums.items():
            family.add_metric(values, value)
        yield family
