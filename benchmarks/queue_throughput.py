"""``python -m benchmarks.queue_throughput [SQLite] [Redis]``: the queues of asynchronous clients.

A real web process; workers that answer each job at once; clients over HTTP with connections that
stay open. Prints a table: puts a second, jobs a second from the put to the result in the sink, and
how long a job that does nothing is under way, asynchronously and synchronously.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.chaos_service import RedisServer, listens, why_no_redis
from benchmarks.service import free_port
from webapp.queues.contracts.frame import Answer
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import parse
from webapp.settings.data_dir import open_store

NAME = "benchmarks.queue_throughput"  # of this module, for the workers
TOKEN = "throughput-1"
CLIENTS, WORKERS = 8, 2
PUTS, JOBS, ROUNDS, WARM_UP = 5000, 1000, 300, 20
PREFIX = "/api/predict/easel"
TXT2IMG = "/sdapi/v1/txt2img"
JOB = json.dumps({"prompt": "x" * 200, "steps": 30, "alwayson_scripts": {}}).encode()
ENTRY = b"x" * 1000
RESULT = Answer(200, json.dumps({"images": [], "parameters": {}, "info": ""}).encode())
START_SECONDS = 60.0
REQUEST_ID = b"x-eas-queueservice-request-id: "


class Connection:
    """One that stays open, and asks with as little work as may be: the server is measured."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), START_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method: str, target: str, body: bytes = b"") -> tuple[bytes, bytes]:
        """Head, in small letters, and body of an answer. Raises ``RuntimeError`` above 299."""
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {TOKEN}\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        answer, _, rest = data.partition(b"\r\n\r\n")
        answer = answer.lower()
        _, has_length, length = answer.partition(b"content-length: ")
        expected = int(length.partition(b"\r\n")[0]) if has_length else 0
        while len(rest) < expected:
            rest += self._receive()
        if not answer.startswith(b"http/1.1 2"):
            raise RuntimeError(f"{method} {target}: {answer[:200]!r} {rest[:200]!r}")
        return answer, rest

    def _receive(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the service ended the connection")
        return data

    def put_job(self) -> str:
        """Put an empty job; its request id."""
        head, _ = self.ask("POST", f"{PREFIX}{TXT2IMG}", JOB)
        return head.partition(REQUEST_ID)[2].partition(b"\r\n")[0].decode()

    def close(self) -> None:
        """Close it."""
        self.socket.close()


@dataclass(frozen=True)
class EmptyService:
    """A web process on a port, with workers that answer at once."""

    port: int
    web: psutil.Process

    def cpu_seconds(self) -> float:
        """Processor time of the process that serves, so far."""
        (serving,) = self.web.children()
        times = serving.cpu_times()
        return float(times.user + times.system)


@contextmanager
def empty_service(folder: Path, queue_url: str) -> Iterator[EmptyService]:
    """One that runs, with room for all that is put."""
    port = free_port()
    flags = [f"--data-dir={folder / 'data'}", f"--port={port}", f"--token={TOKEN}"]
    flags += ["--nowebui", "--async", "--watch=off", "--max-queued-jobs=100000"]
    flags += [f"--queue-url={queue_url}"] if queue_url else []
    (folder / "data/.easel").mkdir(parents=True)
    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with (folder / "throughput.log").open("ab") as log:
        commands = [[sys.executable, "-m", "webapp", "web", *flags]]
        commands += [[sys.executable, "-m", NAME, "work", *flags]] * WORKERS
        started = [subprocess.Popen(each, env=environ, stdout=log, stderr=log) for each in commands]
    try:
        until = time.monotonic() + START_SECONDS
        while not listens(port):
            if time.monotonic() > until:
                raise RuntimeError((folder / "throughput.log").read_text(errors="replace")[-5000:])
            time.sleep(0.05)
        yield EmptyService(port, psutil.Process(started[0].pid))
    finally:
        for process in started:
            process.terminate()
            process.wait()


def work(flags: Sequence[str]) -> None:
    """Answer every frame at once, until SIGTERM."""
    store = open_store(parse(flags))
    while True:
        lease = store.take(WorkerId.of_process("cpu"), (), 1.0)
        if lease is not None:
            store.answer(lease, RESULT, 0.0)


def spread(count: int, port: int, act: Callable[[Connection], object]) -> None:
    """Do something ``count`` times in all, by all clients at once."""

    def run() -> None:
        with closing(Connection(port)) as connection:
            for _ in range(count // CLIENTS):
                act(connection)

    threads = [threading.Thread(target=run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure_puts(service: EmptyService) -> Iterator[tuple[str, str]]:
    """Puts of 1 kB a second, and what one costs the web process."""
    began, cpu = time.perf_counter(), service.cpu_seconds()
    spread(PUTS, service.port, lambda each: each.ask("POST", f"{PREFIX}/sink", ENTRY))
    seconds, cpu = time.perf_counter() - began, service.cpu_seconds() - cpu
    with closing(Connection(service.port)) as connection:
        count = int(connection.ask("GET", f"{PREFIX}/sink?_count_=true")[1])
        connection.ask("DELETE", f"{PREFIX}/sink?_trunc_=true&_index_={2**62}")
    if count != PUTS:
        raise RuntimeError(f"{PUTS} entries were put, and {count} are there")
    yield f"puts a second over HTTP, {CLIENTS} clients", f"{PUTS / seconds:.0f}"
    yield "processor time of the web process a put, ms", f"{cpu / PUTS * 1000:.2f}"


def measure_jobs(service: EmptyService) -> Iterator[tuple[str, str]]:
    """Jobs a second from the first put to the last result."""
    began = time.perf_counter()
    spread(JOBS, service.port, Connection.put_job)
    put_seconds = time.perf_counter() - began
    with closing(Connection(service.port)) as connection:
        while int(connection.ask("GET", f"{PREFIX}/sink?_count_=true")[1]) < JOBS:
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        connection.ask("DELETE", f"{PREFIX}/sink?_trunc_=true&_index_={2**62}")
    yield "puts of jobs a second, while others are worked off", f"{JOBS / put_seconds:.0f}"
    yield f"empty jobs a second, put to result, {WORKERS} workers", f"{JOBS / seconds:.0f}"


def measure_detours(service: EmptyService) -> Iterator[tuple[str, str]]:
    """How long one job that does nothing is under way, alone."""
    with closing(Connection(service.port)) as connection:

        def ask_later() -> None:
            request_id = connection.put_job()
            query = f"requestId={request_id}&_timeout_=30s"
            if not connection.ask("GET", f"{PREFIX}/sink?{query}")[1]:
                raise RuntimeError("a job was not answered within 30 s")

        acts = {
            "put, get of its result": ask_later,
            "synchronous request": lambda: connection.ask("POST", TXT2IMG, JOB),
        }
        for name, act in acts.items():
            taken = [time_call(act) for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
            yield f"{name}: median ms", f"{statistics.median(taken) * 1000:.1f}"
            yield f"{name}: p99 ms", f"{statistics.quantiles(taken, n=100)[-1] * 1000:.1f}"


def time_call(act: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measure(folder: Path, queue_url: str) -> Iterator[tuple[str, str]]:
    """All figures of one engine."""
    with empty_service(folder, queue_url) as service:
        yield from measure_puts(service)
        yield from measure_jobs(service)
        yield from measure_detours(service)


def main() -> None:
    """Print the figures of SQLite and, where it can be had, of Redis; or be a worker."""
    if sys.argv[1:2] == ["work"]:
        work(sys.argv[2:])
        return
    for engine in sys.argv[1:] or ["SQLite", "Redis"]:
        if engine == "Redis" and (why := why_no_redis()):
            print(f"\nRedis is left out. {why}")
            continue
        with tempfile.TemporaryDirectory(prefix="easel-throughput-") as name:
            redis = RedisServer(Path(name)) if engine == "Redis" else None
            if redis is not None:
                redis.start()
            try:
                print(f"\n| {engine} | value |\n|---|---|")
                for row in measure(Path(name), redis.url if redis else ""):
                    print("| {} | {} |".format(*row), flush=True)
            finally:
                if redis is not None:
                    redis.stop()


if __name__ == "__main__":
    main()
