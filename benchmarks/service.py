"""Start a real Easel for a measurement, and talk to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Service:
    """A running Easel: its address, data directory and the moment it was started."""

    address: str
    data_dir: Path
    started: float  # time.perf_counter() just before the process was made
    pid: int

    def get(self, path: str, timeout: float = 60) -> Any:
        """JSON of a GET."""
        return _call(urllib.request.Request(self.address + path), timeout)

    def post(self, path: str, body: dict[str, Any], timeout: float = 300) -> Any:
        """JSON of a POST."""
        request = urllib.request.Request(
            self.address + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        return _call(request, timeout)

    def wait_for_ping(self, timeout: float = 60) -> float:
        """Seconds from process start to the first answered ping."""
        while time.perf_counter() - self.started < timeout:
            try:
                self.get("/internal/ping", timeout=1)
                return time.perf_counter() - self.started
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.01)
        raise TimeoutError(f"no ping within {timeout} s from {self.address}")


def _call(request: urllib.request.Request, timeout: float) -> Any:
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.loads(answer.read() or b"null")


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_easel(data_dir: Path, *flags: str) -> Iterator[Service]:
    """An Easel on a free port of the loopback, ended by SIGTERM to its own pid."""
    port = free_port()
    command = [sys.executable, "-m", "webapp", "serve", "--data-dir", str(data_dir)]
    log = (data_dir / "bench.log").open("ab")
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--port", str(port), *flags],
        stdout=log,
        stderr=log,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    try:
        yield Service(f"http://127.0.0.1:{port}", data_dir, started, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()
