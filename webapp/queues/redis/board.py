"""Small facts with a short life, and counters, in Redis."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from generator.request import Progress, Stop
from webapp.queues.contracts.counters import CounterValue
from webapp.queues.contracts.heartbeats import WORKER_TTL_SECONDS, WorkerState
from webapp.queues.contracts.progress import JobProgress
from webapp.queues.contracts.service_notices import ServiceNotice
from webapp.queues.contracts.worker_commands import WorkerCommand
from webapp.queues.counter_labels import MAX_LABEL_SETS, bounded_label_key, label_key
from webapp.queues.redis.part import RedisPart
from webapp.queues.redis.server import PREFIX, elapsed_since, pairs_of, text_of
from webapp.queues.worker_id import WorkerId

NOTICE_KEY = f"{PREFIX}service_notice"


class RedisProgress(RedisPart):
    """See the contract of ``ProgressBoard``."""

    def publish_progress(self, job: str, progress: Progress, preview: bytes | None) -> None:
        """Show how far a job is; the last preview stays when none is given.

        A job that is no longer in the queue is not shown.
        """
        self.run(
            "publish_progress",
            preview or b"",
            job=job,
            progress=json.dumps(asdict(progress)),
            has_preview=preview is not None,
            kept_ms=int(self.answer_seconds * 1000),
        )

    def read_progress(self, job: str) -> JobProgress | None:
        """A running job's progress; None before its first step and after its answer."""
        with self.server.explain_errors():
            row: Any = self.server.client.hgetall(f"{PREFIX}progress:{job}")
        if not row:
            return None
        return JobProgress(
            Progress(**json.loads(row[b"progress"])),
            float(row[b"started_at"]),
            float(row[b"updated_at"]),
            row.get(b"preview"),
            int(row[b"preview_id"]),
        )


class RedisStopRequests(RedisPart):
    """See the contract of ``StopRequests``."""

    def request_stop(self, job: str, stop: Stop) -> None:
        """Store a stop request for a job; ``Stop.NO`` withdraws it."""
        key = f"{PREFIX}stop:{job}"
        with self.server.explain_errors():
            if stop is Stop.NO:
                self.server.client.delete(key)
            else:
                self.server.client.set(key, stop.value, px=int(self.answer_seconds * 1000))

    def take_stop_request(self, job: str) -> Stop:
        """The stop request for this job; SKIP is cleared by reading it, INTERRUPT stays."""
        stop = self.run("take_stop", job=job, read_once=Stop.SKIP.value)
        return Stop.NO if stop is None else Stop(text_of(stop))


class RedisWorkerCommands(RedisPart):
    """See the contract of ``WorkerCommands``."""

    def send_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """Give a worker a command; it takes the place of one that it has not done yet."""
        key, kept = f"{PREFIX}command:{worker}", int(self.answer_seconds * 1000)
        with self.server.explain_errors():
            self.server.client.set(key, json.dumps(asdict(command)), px=kept)

    def pending_command(self, worker: WorkerId) -> WorkerCommand | None:
        """The worker's pending command, until it reports completion."""
        with self.server.explain_errors():
            command = self.server.client.get(f"{PREFIX}command:{worker}")
        return None if command is None else WorkerCommand(**json.loads(command))

    def complete_command(self, worker: WorkerId, command: WorkerCommand) -> None:
        """The worker has done this command; a later one stays."""
        self.run("complete_command", worker=str(worker), id=command.id)


class RedisHeartbeats(RedisPart):
    """See the contract of ``Heartbeats``.

    Who lives is told by the server's clock: workers' and readers' may differ.
    """

    def record_heartbeat(self, state: WorkerState) -> None:
        """Say that a worker lives and what it does."""
        facts = asdict(state) | {"id": str(state.id), "memory": dict(state.memory)}
        age = elapsed_since(state.seen_at)
        self.run("heartbeat", worker=str(state.id), state=json.dumps(facts), age=age)

    def workers(self) -> Sequence[WorkerState]:
        """Workers seen in the last 15 seconds, by name; ``seen_at`` is of this machine's clock."""
        rows = self.run("list_workers", what="workers", seconds=WORKER_TTL_SECONDS)
        now = time.time()
        return [
            worker_state_of(json.loads(state), now - float(age))
            for _, state, age in sorted(rows)
            if state
        ]


def worker_state_of(facts: Mapping[str, Any], seen_at: float) -> WorkerState:
    """A heartbeat; a fact of another version's worker that is not known here is left out."""
    known = {each.name: facts[each.name] for each in fields(WorkerState) if each.name in facts}
    also_loaded = tuple(facts.get("also_loaded", ()))
    lived = {"id": WorkerId.parse(facts["id"]), "seen_at": seen_at, "also_loaded": also_loaded}
    return WorkerState(**known | lived)


class RedisPluginStates(RedisPart):
    """See the contract of ``PluginStates``."""

    def publish_plugin_states(self, worker: WorkerId, plugins: Mapping[str, Sequence[str]]) -> None:
        """Say how a worker's plugins stand: name -> state, fault, last error."""
        states = json.dumps({name: list(facts) for name, facts in plugins.items()})
        with self.server.explain_errors():
            self.server.client.hset(f"{PREFIX}plugin_states", str(worker), states)

    def plugin_states(self) -> Mapping[WorkerId, Mapping[str, Sequence[str]]]:
        """What each worker that lives has said of its plugins."""
        rows = self.run("list_workers", what="plugin_states", seconds=WORKER_TTL_SECONDS)
        return {
            WorkerId.parse(text_of(name)): json.loads(states)
            for name, states, _ in sorted(rows)
            if states
        }


class RedisServiceNotices(RedisPart):
    """See the contract of ``ServiceNotices``."""

    def publish_notice(self, notice: ServiceNotice) -> None:
        """Say it, in place of what was said before."""
        kept = int(self.answer_seconds * 1000)
        with self.server.explain_errors():
            self.server.client.set(NOTICE_KEY, json.dumps(asdict(notice)), px=kept)

    def read_notice(self) -> ServiceNotice | None:
        """What was said last; None where nobody has lately."""
        with self.server.explain_errors():
            text = self.server.client.get(NOTICE_KEY)
        if text is None:
            return None
        facts: Any = json.loads(text)
        try:
            return ServiceNotice(str(facts["data_id"]), str(facts["version"]), float(facts["at"]))
        except (ValueError, TypeError, KeyError):  # of a later Easel
            return ServiceNotice("", "", 0.0)


class RedisCounters(RedisPart):
    """See the contract of ``Counters``."""

    def add_to_counter(self, name: str, labels: Mapping[str, str], amount: float = 1.0) -> None:
        """Add to a sum."""
        self.run(
            "add_to_counter",
            name=name,
            labels=label_key(labels),
            bounded_labels=bounded_label_key(labels),
            amount=amount,
            max_label_sets=MAX_LABEL_SETS,
        )

    def counters(self) -> Sequence[CounterValue]:
        """Every sum, by name and labels."""
        sums = [
            (text_of(name), labels, float(value))
            for name, flat in self.run("counters")
            for labels, value in pairs_of(flat).items()
        ]
        return [
            CounterValue(name, json.loads(labels), value) for name, labels, value in sorted(sums)
        ]
