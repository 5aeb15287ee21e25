"""A whole service whose processes are killed one after another, for ``queue_chaos``."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from benchmarks.service import free_port
from webapp.queues.contracts.queue_store import QueueStore
from webapp.settings.config import parse
from webapp.settings.data_dir import open_store
from webapp.settings.flags import FLAGS

ROOT = Path(__file__).resolve().parents[1]
PRETENDING = (sys.executable, str(ROOT / "tests/webapp/processes/drained_easel.py"))
REAL = (sys.executable, "-m", "webapp")
TOKEN = "chaos-token-1"
START_SECONDS = 120.0
LOOK_SECONDS = 0.02
HOLDER_SECONDS = 20.0  # for which a worker that holds a job is looked for
REDIS_DOWN_SECONDS = 2.0


@dataclass
class RedisServer:
    """A Redis of its own, which writes every change to its append-only file."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": '""'}
        settings |= {"appendonly": "yes", "appendfsync": "everysec"}
        words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(["redis-server", *words], stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while not listens(self.port):
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError(f"redis-server does not start; see {self.folder}/redis.log")
            time.sleep(LOOK_SECONDS)

    def kill(self) -> None:
        """``kill -9``; it is started again a little later."""
        self.stop()
        time.sleep(REDIS_DOWN_SECONDS)
        self.start()

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def listens(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def why_no_redis() -> str:
    """Why the chaos cannot be had on Redis here; "" where it can."""
    if all(flag.name != "queue-url" for flag in FLAGS):
        return "This Easel has no --queue-url: its queue is SQLite."
    if shutil.which("redis-server") is None:
        return "redis-server is not installed (Debian: apt install redis-server)."
    return ""


class ChaosService:
    """A supervisor, a web process and workers; with ``kill -9`` for each of them."""

    def __init__(
        self,
        data_dir: Path,
        workers: int,
        program: Sequence[str] = PRETENDING,
        redis: RedisServer | None = None,
    ) -> None:
        self.port, self.redis, self.web_kills = free_port(), redis, 0
        self.log = data_dir.with_suffix(".log")
        flags = [f"--data-dir={data_dir}", f"--port={self.port}", f"--token={TOKEN}"]
        flags += ["--nowebui", "--async", "--watch=off", "--device=cpu"]
        flags += [f"--workers-min={workers}", f"--workers-max={workers}"]
        flags += ["--no-default-checkpoint"] if program is PRETENDING else []
        flags += [f"--queue-url={redis.url}"] if redis else []
        with self.log.open("ab") as log:
            self.supervisor = subprocess.Popen(
                [*program, "serve", *flags],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                process_group=0,
            )
        self.wait_until_ready()
        self.store: QueueStore = open_store(parse(flags))

    @property
    def url(self) -> str:
        """The address of the service's input."""
        return f"http://127.0.0.1:{self.port}/api/predict/easel"

    def wait_until_ready(self) -> None:
        """Wait until requests can be drawn."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                ready = requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5)
                if ready.status_code == requests.codes.ok:
                    return
            except requests.RequestException:
                pass
            if time.monotonic() > until or self.supervisor.poll() is not None:
                raise RuntimeError(f"the service does not start; see {self.log}")
            time.sleep(LOOK_SECONDS)

    def kill_worker(self) -> bool:
        """``kill -9`` of a worker that holds a job; False where none has one."""
        until = time.monotonic() + HOLDER_SECONDS
        while time.monotonic() < until:
            for holder in self.store.lease_holders():
                if kill(holder.pid):
                    return True
            time.sleep(LOOK_SECONDS)
        return False

    def kill_web(self) -> bool:
        """``kill -9`` of the process that serves, every other time of its parent with it."""
        (arbiter,) = (
            each
            for each in psutil.Process(self.supervisor.pid).children()
            if "web" in each.cmdline()
        )
        self.web_kills += 1
        serving = arbiter.children()
        if not serving:
            return False
        return kill(arbiter.pid if self.web_kills % 2 == 0 else serving[0].pid)

    def kill_redis(self) -> bool:
        """``kill -9`` of Redis, and a start of it with its file; False without one."""
        if self.redis is None:
            return False
        self.redis.kill()
        return True

    def end(self) -> None:
        """End everything at once: nobody waits for what runs. Children die with the supervisor."""
        family = psutil.Process(self.supervisor.pid).children(recursive=True)
        self.supervisor.kill()
        self.supervisor.wait()
        psutil.wait_procs(family, START_SECONDS)
        self.store.close()


def kill(pid: int) -> bool:
    """``kill -9``; False where there is no such process."""
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        return False
    return True


@contextmanager
def chaos_service(
    folder: Path, workers: int, *, on_redis: bool = False, real: bool = False
) -> Iterator[ChaosService]:
    """One that runs, over a queue of the engine that is wanted."""
    redis = RedisServer(folder) if on_redis else None
    if redis is not None:
        redis.start()
    try:
        service = ChaosService(folder / "data", workers, REAL if real else PRETENDING, redis)
        try:
            yield service
        finally:
            service.end()
    finally:
        if redis is not None:
            redis.stop()
