"""One service of two web processes, a Redis, a PostgreSQL, two workers, and nginx before all."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import ROOT
from tests.queue_server import QueueServer, require_program, running_server
from tests.wait import TIMEOUT, wait_until
from tests.webapp.accounts.postgres_server import BINARIES, MISSING, postgres_server
from tests.webapp.conftest import write_checkpoint
from tests.webapp.namespaces import MISSING as NO_NAMESPACES
from tests.webapp.namespaces import OWN_PROCESSES, Machine, Network, network
from tests.webapp.nodes.nginx import nginx, require_nginx
from tests.webapp.processes.fake_easel import LEASE
from tests.webapp.processes.joined_easel import __file__ as WORKER
from tests.webapp.web_process import free_port

TOKEN = "of-the-owner-of-all"
PORT = 7860
STEPS = 4


@dataclass
class Node:
    """One web process: on a machine of its own where the system has namespaces."""

    name: str
    data_dir: Path
    flags: tuple[str, ...]
    machine: Machine | None
    port: int = 0
    program: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.port = PORT if self.machine else free_port()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.machine.address if self.machine else '127.0.0.1'}:{self.port}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.address}"

    def start(self) -> None:
        """Start it, without waiting."""
        host = self.address.partition(":")[0]
        words = [sys.executable, "-m", "webapp", "web", "--data-dir", str(self.data_dir),
                 "--port", str(self.port), "--server-name", host, *self.flags]  # fmt: skip
        log, environment = self.data_dir.with_name(f"{self.name}.log"), {"PYTHONPATH": str(ROOT)}
        if self.machine:
            self.program = self.machine.start(words, log, environment)
        else:
            with log.open("ab") as out:
                self.program = subprocess.Popen(
                    words, env={**os.environ, **environment}, stdout=out, stderr=out
                )

    def answers(self) -> bool:
        """Whether it does."""
        assert self.program is not None
        assert self.program.poll() is None, self.data_dir.with_name(f"{self.name}.log").read_text()
        try:
            return requests.get(f"{self.url}/internal/ping", timeout=5).ok
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """``kill -9`` of everything of it; on its machine nothing is left."""
        assert self.program is not None
        self.program.kill()
        self.program.wait()


@dataclass
class NodeSite:
    """The service. ``url`` is nginx's."""

    data_dir: Path
    queue: QueueServer
    nodes: tuple[Node, Node]
    url: str = ""
    owner: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})

    def ask(self, method: str, address: str, **options: Any) -> requests.Response:
        """A request of the owner."""
        headers = {**self.owner, **options.pop("headers", {})}
        return requests.request(method, address, headers=headers, timeout=TIMEOUT, **options)

    def draw_body(self, steps: int = STEPS, **fields: Any) -> dict[str, Any]:
        """Of a picture; a step takes 50 ms."""
        return {"prompt": "x", "steps": steps, "width": 8, "height": 8, **fields}


def worker_command(data_dir: Path, queue: tuple[str, ...]) -> list[str]:
    """A worker with the engine that pretends, in process ids of its own where that is possible."""
    own = [] if NO_NAMESPACES else list(OWN_PROCESSES)
    words = ["--data-dir", str(data_dir), "--device", "cpu", "--watch", "off"]
    return [*own, sys.executable, WORKER, *words, *queue]


@contextmanager
def node_site(folder: Path) -> Iterator[NodeSite]:
    """The whole of it, started and answering; skips where a program is missing."""
    program, server = require_nginx(), require_program()
    if not BINARIES:
        pytest.skip(MISSING)
    data_dir, front = folder / "data", folder / "nginx"
    for new in (front, data_dir / "outputs"):
        new.mkdir(parents=True)
    write_checkpoint(data_dir / "models/Stable-diffusion/painter.safetensors")
    (data_dir / ".easel").mkdir(mode=0o700)
    with ExitStack() as stack:
        queue = stack.enter_context(running_server(server))
        postgres = stack.enter_context(postgres_server())
        url = folder / "url"
        url.write_text(postgres.new_database())
        switch = None if NO_NAMESPACES else stack.enter_context(network())
        proxy = f"{switch.address if switch else '127.0.0.1'}/32"
        common = ("--queue-url", queue.address)
        flags = (
            *common, "--accounts", f"--database-url=@{url}", f"--token={TOKEN}", "--async",
            "--filebrowser", "--watch=off", "--no-hashing", "--disable-all-extensions",
            f"--trusted-proxy={proxy}",
        )  # fmt: skip
        nodes = tuple(start_node(name, data_dir, flags, switch) for name in ("web1", "web2"))
        stack.callback(lambda: [node.kill() for node in nodes])
        wait_until(lambda: all(node.answers() for node in nodes), message="no web process")
        for number in range(2):
            stack.enter_context(worker(data_dir, common, folder / f"worker{number}.log"))
        site = NodeSite(data_dir, queue, nodes)  # type: ignore[arg-type]
        addresses = [node.address for node in nodes]
        site.url = stack.enter_context(nginx(program, front, free_port(), addresses))
        wait_until(lambda: len(workers_of(site)) == 2, message="no workers")
        yield site


def start_node(name: str, data_dir: Path, flags: tuple[str, ...], switch: Network | None) -> Node:
    """A node that starts."""
    node = Node(name, data_dir, flags, switch.add(name) if switch else None)
    node.start()
    return node


@contextmanager
def worker(data_dir: Path, queue: tuple[str, ...], log: Path) -> Iterator[None]:
    """A worker for a block."""
    with log.open("ab") as out:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), LEASE: "5"}
        command = worker_command(data_dir, queue)
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def workers_of(site: NodeSite) -> list[Any]:
    """Who lives, as a node tells."""
    listed: list[Any] = site.ask("GET", f"{site.url}/api/v1/workers").json()["workers"]
    return [each for each in listed if each["state"] == "idle"]


def read_events(answer: requests.Response) -> Iterator[tuple[str, Any, str]]:
    """Name, data and id of a stream's events."""
    name = ident = ""
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "id":
            ident = value
        elif key == "data":
            yield name, json.loads(value), ident
            name = ident = ""
