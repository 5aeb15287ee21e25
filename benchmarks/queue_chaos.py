"""``python -m benchmarks.queue_chaos``: jobs while one process after another is killed.

Jobs are put over HTTP as entries of the asynchronous edition; workers that hold one, the web
process and, where it keeps the queue, Redis are ended by ``kill -9`` in turn. Prints a table; the
exit code is 1 where a job was lost, answered twice, or more than 1 in 40 was not answered.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import requests

from benchmarks.chaos_service import TOKEN, ChaosService, chaos_service, why_no_redis

HEADERS = {"Authorization": TOKEN}
REAR = {**HEADERS, "X-EAS-QueueService-Access-Rear": "true"}
SECONDS = 30.0  # for one request
PAUSE_SECONDS = 0.2  # before a request that failed is sent again
PAGE = 200  # entries read at once
MISSES_ALLOWED = 40  # one job in so many may end as a dead letter
BACKLOG = 8  # jobs that wait for each worker at most
DEADLY = "die"  # the prompt of which pretending workers die
GRACE_SECONDS = 240.0  # beyond what the jobs take, in which they must have come to an end


@dataclass(frozen=True)
class ChaosPlan:
    """What is done. ``deadly`` of the jobs kill each worker that takes them."""

    jobs: int = 200
    deadly: int = 2
    steps: int = 30  # of 50 ms where workers pretend
    workers: int = 3
    every: float = 10.0  # seconds between two kills
    web_kills: int = 2
    worker_kills: int | None = None  # None: as long as it goes on
    real: bool = False
    on_redis: bool = False


@dataclass
class ChaosResult:
    """What came of the jobs, by their names."""

    plan: ChaosPlan
    put: list[str] = field(default_factory=list)
    answers: dict[str, set[int]] = field(default_factory=dict)  # indexes in the sink
    failures: dict[str, str] = field(default_factory=dict)  # statuses of answers that are none
    dead: dict[str, str] = field(default_factory=dict)  # reasons of dead letters
    kills: Counter[str] = field(default_factory=Counter)
    resent: Counter[str] = field(default_factory=Counter)  # requests sent again, by what they met
    seconds: float = 0.0

    @property
    def answered(self) -> list[str]:
        """Jobs with pictures."""
        return [name for name in self.put if name in self.answers and name not in self.failures]

    @property
    def ended(self) -> int:
        """How many jobs have come to an end; dead letters have an answer, too."""
        return len(self.answers)

    @property
    def lost(self) -> list[str]:
        """Jobs of which nothing was heard."""
        return [name for name in self.put if name not in self.answers and name not in self.dead]

    @property
    def doubled(self) -> list[str]:
        """Jobs that were put or answered twice."""
        again = [name for name, count in Counter(self.put).items() if count > 1]
        return again + [name for name, indexes in self.answers.items() if len(indexes) > 1]

    @property
    def unexplained(self) -> list[str]:
        """Jobs that failed and are no dead letters with a reason."""
        return [name for name in self.failures if not self.dead.get(name)]

    def is_over(self) -> bool:
        """Whether every job has come to an end."""
        return len(self.put) == self.plan.jobs and not self.lost

    def faults(self) -> list[str]:
        """What must not be; none in a good run."""
        least = self.plan.jobs - self.plan.jobs // MISSES_ALLOWED
        checks = {
            f"{len(self.lost)} lost: {self.lost[:5]}": not self.lost,
            f"{len(self.doubled)} doubled: {self.doubled[:5]}": not self.doubled,
            f"{len(self.unexplained)} failed without a reason": not self.unexplained,
            f"{len(self.answered)} answered, at least {least} should be": len(self.answered)
            >= least,
            f"{self.kills} is not what was to be killed": bool(self.kills["worker"])
            and self.kills["web"] == self.plan.web_kills
            and self.kills["Redis"] == self.plan.on_redis,
        }
        return [text for text, holds in checks.items() if not holds]


class ChaosClient:
    """Puts jobs and reads what came of them; goes on whatever dies."""

    def __init__(self, url: str, result: ChaosResult) -> None:
        self.url, self.result = url, result

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] = HEADERS, data: str | None = None
    ) -> requests.Response:
        """Ask once. Raises ``RequestException``, also where the service is not well."""
        answer = requests.request(
            method, self.url + path, headers=dict(headers), data=data, timeout=SECONDS
        )
        answer.raise_for_status()
        return answer

    def insist(self, method: str, path: str, headers: Mapping[str, str] = HEADERS) -> bytes:
        """Ask until there is an answer; for what may be done twice."""
        while True:
            try:
                return self.ask(method, path, headers).content
            except requests.RequestException as error:
                self.note(error)

    def note(self, error: requests.RequestException) -> None:
        """Count what came in the place of an answer, and wait a moment."""
        status = getattr(error.response, "status_code", None)
        self.result.resent[str(status or "no connection")] += 1
        time.sleep(PAUSE_SECONDS)

    def put(self, name: str, prompt: str) -> None:
        """Put a job once: where the answer is lost, look whether it is there before sending again.

        As a client does that must not draw twice.
        """
        size = {"width": 64, "height": 64, "steps": self.result.plan.steps}
        body = json.dumps({"prompt": prompt, **size, "alwayson_scripts": {"save_dir": "outputs"}})
        while True:
            try:
                self.ask("POST", f"/sdapi/v1/txt2img?task_id={name}", data=body)
            except requests.RequestException as error:
                self.note(error)
                if not self.is_known(name):
                    continue
            self.result.put.append(name)
            return

    def is_known(self, name: str) -> bool:
        """Whether a job waits, runs, or has come to an end."""
        counts = [
            self.insist("GET", f"{queue}?_count_=true&task_id={name}", headers)
            for headers in (HEADERS, REAR)
            for queue in ("", "/sink")
        ]
        return any(int(count) for count in counts) or name in self.result.answers

    def collect(self) -> None:
        """Note what the sink holds, then remove it: what is read twice is one result."""
        entries = self.page("/sink", HEADERS)
        for entry in entries:
            tags = entry["tags"]
            self.result.answers.setdefault(tags["task_id"], set()).add(entry["index"])
            if "lastCode" in tags:
                self.result.failures[tags["task_id"]] = tags["lastCode"]
        if entries:
            indexes = ",".join(str(entry["index"]) for entry in entries)
            self.insist("DELETE", f"/sink?_indexes_={indexes}")
        for entry in self.page("", REAR):
            self.result.dead[entry["tags"]["task_id"]] = entry["message"]

    def page(self, queue: str, headers: Mapping[str, str]) -> list[dict[str, Any]]:
        """The first entries of a queue, which stay there."""
        query = f"_raw_=false&_auto_delete_=false&_length_={PAGE}"
        content = self.insist("GET", f"{queue}?{query}", headers)
        return list(json.loads(content)) if content else []


def victims(service: ChaosService, plan: ChaosPlan) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Whom to kill next: workers, in between the web process and once Redis."""
    others = [("web", service.kill_web)] * plan.web_kills
    others[1:1] = [("Redis", service.kill_redis)] * plan.on_redis
    rounds = count() if plan.worker_kills is None else range(plan.worker_kills)
    for number in rounds:
        yield "worker", service.kill_worker
        yield from others[number : number + 1]


def wreak(service: ChaosService, result: ChaosResult, over: threading.Event) -> None:
    """Kill one process after another until it is over."""
    for name, kill in victims(service, result.plan):
        if over.wait(result.plan.every):
            return
        if kill():
            result.kills[name] += 1


def run_chaos(service: ChaosService, plan: ChaosPlan) -> ChaosResult:
    """Put the jobs, kill, and collect until every job has come to an end, or too long."""
    result, over = ChaosResult(plan), threading.Event()
    client = ChaosClient(service.url, result)

    def put_all() -> None:
        for number in range(plan.jobs):
            while (
                number - result.ended > BACKLOG * plan.workers
            ):  # puts go on while there are kills
                time.sleep(PAUSE_SECONDS)
            is_deadly = number % (plan.jobs // plan.deadly) == 1 if plan.deadly else False
            client.put(f"job_{number}", DEADLY if is_deadly else f"a picture of {number}")

    began = time.monotonic()
    threads = [threading.Thread(target=put_all, daemon=True)]
    threads.append(threading.Thread(target=wreak, args=(service, result, over), daemon=True))
    for thread in threads:
        thread.start()
    limit = plan.jobs * plan.steps * 0.05 + plan.every * 4 + GRACE_SECONDS
    while not result.is_over() and time.monotonic() - began < limit:
        client.collect()
        time.sleep(PAUSE_SECONDS)
    over.set()
    threads[1].join()
    client.collect()  # a second answer would have come by now
    result.seconds = time.monotonic() - began
    return result


def as_markdown(result: ChaosResult) -> str:
    """The table."""
    plan, kills = result.plan, result.kills
    killed = ", ".join(f"{name} {count} ×" for name, count in kills.items())
    engine = "Redis" if plan.on_redis else "SQLite"
    rows: Sequence[tuple[str, object]] = (
        ("queue", engine),
        ("jobs, of which deadly for their worker", f"{plan.jobs}, {plan.deadly}"),
        ("workers", f"{plan.workers}, {'real' if plan.real else 'drawing nothing'}"),
        ("killed by -9", killed),
        ("answered", len(result.answered)),
        ("dead letters, with their reason", len(result.dead)),
        ("lost", len(result.lost)),
        ("put or answered twice", len(result.doubled)),
        ("requests that clients sent again", dict(result.resent)),
        ("seconds", f"{result.seconds:.0f}"),
    )
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    reasons = "\n".join(f"* {name}: {why}" for name, why in result.dead.items())
    return f"| chaos | |\n|---|---|\n{table}\n\n{reasons}"


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue_chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two kills")
    parser.add_argument("--real", action="store_true", help="workers that draw")
    parser.add_argument("--redis", action="store_true", help="the queue on Redis, not on SQLite")
    words = parser.parse_args()
    if words.redis and (why := why_no_redis()):
        print(f"The chaos on Redis is left out. {why}")
        return 0
    deadly = 0 if words.real else 2
    plan = ChaosPlan(
        words.jobs, deadly, words.steps, every=words.every, real=words.real, on_redis=words.redis
    )
    with tempfile.TemporaryDirectory(prefix="easel-chaos-") as folder:
        with chaos_service(
            Path(folder), plan.workers, on_redis=plan.on_redis, real=plan.real
        ) as service:
            result = run_chaos(service, plan)
        faults = result.faults()
        print(as_markdown(result))
        if faults:
            print(service.log.read_text(errors="replace")[-20_000:], file=sys.stderr)
            print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
