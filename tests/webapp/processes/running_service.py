"""A fake Easel in processes of its own."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

from tests.wait import TIMEOUT, wait_until
from webapp.queues.sqlite.store import SqliteStore

PROGRAM = Path(__file__).with_name("fake_easel.py")

ROOT = PROGRAM.parents[3]


class RunningService:
    """A fake Easel in processes of its own."""

    def __init__(self, data_dir: Path, workers: int = 1) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.data_dir = data_dir
        self.output = data_dir.with_suffix(".log")
        with self.output.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), "serve", str(data_dir), str(self.port)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                process_group=0,  # so that a test may look at, and end, the whole group
            )
        try:
            wait_until(lambda: b"ready" in self.output.read_bytes())
            self.store = SqliteStore(data_dir / ".easel" / "queue.db")
            wait_until(lambda: len(self.store.workers()) == workers)
        except BaseException:  # there is nobody yet who would end it
            self.process.terminate()
            raise

    def draw(self, prompt: str) -> tuple[int, bytes]:
        """Status and body of a drawn prompt."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/draw", prompt.encode())
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def later(self, prompt: str) -> "Future[tuple[int, bytes]]":
        """The same, in another thread."""
        pool = ThreadPoolExecutor(1)
        drawn = pool.submit(self.draw, prompt)
        pool.shutdown(wait=False)
        return drawn

    def worker(self) -> int:
        """The process id of the worker."""
        return self.store.workers()[-1].id.pid

    def working(self) -> bool:
        """True while a worker is in the middle of a job."""
        frames = self.store.list_frames()
        return any(self.store.read_progress(frame.id) is not None for frame in frames)

    def processes(self) -> list[psutil.Process]:
        """All that live in the service's process group."""
        return [p for p in psutil.process_iter() if group_of(p.pid) == self.process.pid]

    def join(self) -> "subprocess.Popen[bytes]":
        """One more worker, which no supervisor minds."""
        with self.output.open("ab") as log:
            other = subprocess.Popen(
                [sys.executable, str(PROGRAM), "work", str(self.data_dir)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                process_group=self.process.pid,
            )
        wait_until(lambda: len(self.store.workers()) == 2)
        return other

    def holder(self) -> int:
        """The process id of the worker that has the job."""
        (worker,) = self.store.lease_holders()
        return worker.pid

    def count_answers(self) -> float:
        """How many answers were stored."""
        return sum(tally.value for tally in self.store.counters() if tally.name == "jobs")

    def end(self) -> None:
        """Make sure that nothing is left."""
        self.store.close()
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):  # it may have ended since they were listed
                process.kill()
        self.process.wait()

    def log(self) -> str:
        """What the service has said so far."""
        return self.output.read_text()


def group_of(pid: int) -> int | None:
    """The process group of a process, None for one that is gone or a zombie."""
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return None
        return os.getpgid(pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None
