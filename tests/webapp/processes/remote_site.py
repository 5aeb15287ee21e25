"""A service of several machines: a web process, workers, and whatever holds their queue."""

import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.wait import TIMEOUT, wait_until
from tests.webapp.namespaces import Machine, Network, inner_process
from tests.webapp.processes.fake_easel import LEASE
from webapp.process_tree import boot_identity
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.worker_id import WorkerId

PORT = 7860
TOKEN = "of-the-owner"
PASSWORD = "of-the-queue"
LEASE_SECONDS = "2"
WORKER = Path(__file__).with_name("joined_easel.py")
HOST = "gpu"  # of every machine with a worker: names prove nothing
PAINTER = "painter.safetensors"

NOT_YET = WorkerId("not yet")


def worker_words(data_dir: Path, queue: Sequence[str]) -> list[str]:
    """The command line of a worker whose engine pretends; ``queue`` are the flags that name it."""
    words = ["--data-dir", str(data_dir), "--device", "cpu", "--watch", "off"]
    return [sys.executable, str(WORKER), *words, *queue]


@dataclass
class RemoteWorker:
    """A worker, and the machine that it alone runs on."""

    machine: Machine
    program: "subprocess.Popen[bytes]"
    log: Path
    id: WorkerId = NOT_YET

    def log_text(self) -> str:
        """What it has said so far."""
        return self.log.read_text(errors="replace")


@dataclass
class Site:
    """One service. ``queue`` are the flags that name its queue; ``store`` is the test's own."""

    network: Network
    data_dir: Path
    queue: tuple[str, ...]
    store: QueueStore
    web: Machine
    workers: list[RemoteWorker] = field(default_factory=list)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    def start_web(self) -> None:
        """Start the web process, and wait until it answers."""
        words = ["web", "--data-dir", str(self.data_dir), "--port", str(PORT), "--no-hashing",
                 "--server-name", self.web.address, "--token", TOKEN, *self.queue,
                 "--disable-all-extensions", "--max-delivery", "3"]  # fmt: skip
        self.web.start(
            [sys.executable, "-m", "webapp", *words],
            self.data_dir.with_name("web.log"),
            {"PYTHONPATH": str(ROOT)},
        )
        wait_until(lambda: self.ask("/internal/ping")[0] == 200, message="no web process")

    def wait_for(self, worker: RemoteWorker) -> RemoteWorker:
        """Wait until a worker that was started is shown, and name it."""
        known = {each.id for each in self.workers}

        def new_ones() -> list[WorkerState]:
            assert worker.program.poll() is None, worker.log_text()
            return [
                each
                for each in self.store.workers()
                if each.id not in known and each.state == "idle" and self.is_of(each, worker)
            ]

        worker.id = wait_until(new_ones)[0].id
        return worker

    def is_of(self, state: WorkerState, worker: RemoteWorker) -> bool:
        """Whether a heartbeat is of that worker: the process namespace is part of its identity."""
        place = f"/proc/{inner_process(worker.program).pid}/ns/pid"
        identity = hashlib.sha256(f"{boot_identity()} {os.readlink(place)}".encode()).hexdigest()
        return identity.startswith(state.id.machine)

    def start_worker(self) -> RemoteWorker:
        """Start one on a machine of its own."""
        machine = self.network.add(HOST)
        log = self.data_dir.with_name(f"{machine.namespace}.log")
        program = machine.start(
            worker_words(self.data_dir, self.queue),
            log,
            {"PYTHONPATH": str(ROOT), LEASE: LEASE_SECONDS},
        )
        self.workers.append(RemoteWorker(machine, program, log))
        return self.workers[-1]

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON, or bytes; 0 where nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        url = f"http://{self.web.address}:{PORT}{path}"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, data, headers), timeout=TIMEOUT
            ) as answer:
                return answer.status, read_body(answer)
        except urllib.error.HTTPError as error:
            return error.code, read_body(error)
        except OSError:
            return 0, None

    def draw(self, steps: int, **fields: Any) -> "Future[tuple[int, Any]]":
        """A saved picture, asked for in another thread; a step takes 50 ms."""
        body = {"prompt": "x", "steps": steps, "width": 8, "height": 8, "save_images": True}
        return self.pool.submit(self.ask, "/sdapi/v1/txt2img", {**body, **fields})

    def holder(self) -> RemoteWorker:
        """The worker that has the one job that runs, once its progress is shown."""
        state = wait_until(
            lambda: [w for w in self.store.workers() if w.job and self.store.read_progress(w.job)]
        )[0]
        return next(each for each in self.workers if each.id == state.id)

    def pictures(self) -> list[Path]:
        """What was saved."""
        return sorted((self.data_dir / "outputs").rglob("*.png"))

    def answered(self) -> float:
        """How many answers were stored."""
        return sum(each.value for each in self.store.counters() if each.name == "jobs")

    def close(self) -> None:
        """End the requests; the network ends the processes."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.store.close()


def read_body(answer: Any) -> Any:
    """JSON where it is JSON."""
    data = answer.read()
    return json.loads(data) if "json" in answer.headers["Content-Type"] else data
