"""A real web process on a port of this machine, which tests may kill."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.conftest import ROOT
from tests.wait import exit_code, wait_until


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def unverified_context() -> ssl.SSLContext:
    """For clients that take any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass
class WebProcess:
    """``easel web``: gunicorn's arbiter, and the one process that serves."""

    data_dir: Path
    flags: tuple[str, ...] = ()
    usual: tuple[str, ...] = ("--watch=off", "--no-hashing")
    port: int = field(default_factory=free_port)
    log: Path | None = None  # where its log goes; None: where the tests' own goes
    scheme: str = "http"
    arbiter: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def serving(self) -> psutil.Process:
        """The process that serves."""
        return wait_until(self._living, message="nobody serves")[0]

    def _living(self) -> list[psutil.Process]:
        assert self.arbiter is not None
        children = psutil.Process(self.arbiter.pid).children()
        return [each for each in children if each.status() != psutil.STATUS_ZOMBIE]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        (self.data_dir / ".easel").mkdir(parents=True, exist_ok=True)
        words = ["web", "--data-dir", str(self.data_dir), "--port", str(self.port), *self.usual]
        with contextlib.ExitStack() as stack:
            log = None if self.log is None else stack.enter_context(self.log.open("ab"))
            self.arbiter = subprocess.Popen(
                [sys.executable, "-m", "webapp", *words, *self.flags],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )
        self.wait()

    def log_text(self) -> str:
        """Everything that it logged so far."""
        assert self.log is not None
        return self.log.read_text(errors="replace")

    def wait(self) -> None:
        """Wait until it answers."""
        wait_until(self._answers, message=f"nothing answers at {self.url}")

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(
                f"{self.url}/internal/ping", timeout=5, context=unverified_context()
            ).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True

    def kill_serving(self) -> None:
        """``kill -9`` of the process that serves; the arbiter starts another one at once."""
        dying = self.serving
        dying.kill()
        dying.wait()

    def kill(self) -> None:
        """``kill -9`` of everything."""
        assert self.arbiter is not None
        self.arbiter.kill()
        self.arbiter.wait()
        # The one that served dies with it.
        wait_until(lambda: not listens(self.port), message="it still listens")

    def stop(self) -> None:
        """End it kindly."""
        if self.arbiter is not None and self.arbiter.poll() is None:
            self.arbiter.send_signal(signal.SIGTERM)
            exit_code(self.arbiter)


@contextmanager
def web_process(data_dir: Path, *flags: str, log: Path | None = None) -> Iterator[WebProcess]:
    """One that runs, and has ended afterwards."""
    process = WebProcess(data_dir, flags, log=log)
    process.start()
    try:
        yield process
    finally:
        process.stop()
