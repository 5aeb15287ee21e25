"""A start of a service whose worker alone pretends."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.wait import TIMEOUT, wait_until
from tests.webapp.processes.running_service import ROOT, group_of
from webapp.queues.sqlite.store import SqliteStore

PROGRAM = Path(__file__).with_name("drained_easel.py")


class DrainedService:
    """One start of a service."""

    def __init__(self, data_dir: Path, *more: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.output = data_dir.with_suffix(".log")
        flags = ["--data-dir", str(data_dir), "--port", str(self.port), "--no-default-checkpoint",
                 "--watch", "off", "--log-json", "--time-log", "--device", "cpu",
                 *more]  # fmt: skip
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), "serve", *flags],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                process_group=0,
            )
        self.pool = ThreadPoolExecutor(4)
        wait_until(lambda: self.ask("/readyz")[0] == 200)
        self.store = SqliteStore(data_dir / ".easel" / "queue.db")

    def ask(self, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON; 0 where nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return answer.status, dict(answer.headers), json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), json.loads(error.read())
        except (urllib.error.URLError, OSError):
            return 0, {}, None

    def draw(self, steps: int) -> "Future[tuple[int, dict[str, str], Any]]":
        """A picture, asked for in another thread; a step takes 50 ms."""
        body = {"prompt": "x", "steps": steps, "width": 8, "height": 8}
        return self.pool.submit(self.ask, "/sdapi/v1/txt2img", body)

    def end(self) -> None:
        """Make sure that nothing is left."""
        self.process.kill()
        self.process.wait()
        wait_until(lambda: group_of(self.process.pid) is None)
        self.pool.shutdown()
        self.store.close()
