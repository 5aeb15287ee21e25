"""The service under test: started, killed and restarted on one port."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.service import free_port
from benchmarks.soak.observer import descendants

START = 90.0  # seconds until the first ping
STOP = 60.0  # seconds after SIGTERM
OWNER, ANN, BOB, READER = "owner-" + "o" * 20, "ann-" + "a" * 20, "bob-" + "b" * 20, "r" * 24
EVE = "eve-" + "e" * 20
USER, PASSWORD = "carl", "c" * 20


@dataclass(slots=True)
class SoakService:
    """``easel serve`` with one credential of each kind."""

    data_dir: Path
    log: Path
    flags: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> float:
        """Start it; seconds until it answered. Raises ``TimeoutError``."""
        command = [sys.executable, "-m", "webapp", "serve", "--data-dir", str(self.data_dir)]
        credentials = (
            *("--token", OWNER, "--generate-token", f"ann={ANN}", "--generate-token", f"bob={BOB}"),
            *("--generate-token", f"eve={EVE}"),
            *("--read-token", READER, "--api-auth", f"{USER}:{PASSWORD}"),
        )
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), "--device", "cpu", *credentials, *self.flags],
                stdout=log,
                stderr=log,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
            )
        while time.monotonic() - began < START:
            if self.process.poll() is not None:
                raise TimeoutError(f"the service ended itself with {self.process.returncode}")
            if self.answers():
                return time.monotonic() - began
            time.sleep(0.05)
        raise TimeoutError(f"the service did not answer within {START:.0f} s")

    def answers(self) -> bool:
        """Whether it answers a ping."""
        try:
            address = f"http://127.0.0.1:{self.port}/internal/ping"
            urllib.request.urlopen(address, timeout=2).close()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def stop(self, kindly: bool) -> float:
        """End it and all that it started; seconds that took."""
        if self.process is None:
            return 0.0
        began, below = time.monotonic(), list(descendants(self.process.pid))
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM if kindly else signal.SIGKILL)
        try:
            self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        took = time.monotonic() - began
        time.sleep(0.5)  # the kernel ends what was tied to it
        for pid in below:
            if _is_easel(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return took

    def kill_worker(self) -> bool:
        """``kill -9`` of the worker; whether there was one."""
        for pid in self._children(b"worker"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def _children(self, role: bytes) -> Iterator[int]:
        for pid in descendants(self.process.pid) if self.process else ():
            with suppress(OSError):
                if role in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:5]:
                    yield pid


def _is_easel(pid: int) -> bool:
    """Whether a process, seen before, is still one of the service: its number may be another's."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b"webapp" in words[:4]
    return False
