"""A worker in a thread, with an engine that pretends."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from generator.hooks import Watch
from generator.request import (
    Generation,
    GenerationRequest,
    Picture,
    Progress,
    Sampling,
    Seeds,
    Stop,
)
from tests.wait import POLL_SECONDS, wait_until
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import QueuedGeneration, encode_job
from webapp.queues.sqlite.store import LEASE_SECONDS, SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.worker.expected_pace import ExpectedPace
from webapp.worker.loop import Worker, WorkerPlugins, WorkerSettings

ENDLESS = 20_000

STEPS_AFTER_A_SKIP = 20

Run = Callable[[GenerationRequest, Watch], Generation]

WORKER = WorkerId("cpu", "test", 1)


def generation(request: GenerationRequest, stopped: bool = False) -> Generation:
    """One red picture."""
    image = Image.new("RGB", (16, 16), "red")
    picture = Picture(image, request.seeds.seed, 0, request.prompt, "", "red\nSteps: 1")
    return Generation(
        (picture,), "sd", None, None, None, 1, {}, "20260101120000", 1.0, 0.5, stopped=stopped
    )


class Engine:
    """Runs what the test gives it, and remembers."""

    def __init__(self, run: Run = lambda request, watch: generation(request)) -> None:
        self.loaded_checkpoints: tuple[str, ...] = ("sd [0123456789]",)
        self.runs: list[GenerationRequest] = []
        self.unloaded = 0
        self.act = run

    def run(self, request: GenerationRequest, watch: Watch) -> Generation:
        """As the test says."""
        self.runs.append(request)
        return self.act(request, watch)

    def unload(self) -> None:
        """Count it."""
        self.unloaded += 1


class WorkerThread:
    """A worker in a thread and the store it works for."""

    def __init__(
        self,
        folder: Path,
        *,
        plugins: WorkerPlugins | None = None,
        pace: ExpectedPace | None = None,
        lease_seconds: float = LEASE_SECONDS,
        **settings: Any,
    ) -> None:
        self.data_dir = folder
        self.store = SqliteStore(
            folder / ".easel" / "queue.db",
            lease_seconds=lease_seconds,
        )
        self.engine = Engine()
        self.worker = Worker(
            WORKER,
            self.store,
            self.engine,
            WorkerSettings(folder, **settings),
            plugins or WorkerPlugins(),
            pace,
        )
        self.thread = threading.Thread(target=self.worker.run)

    def put(self, name: str, work: float = 0.0, **changes: Any) -> None:
        """A request for a picture of ``name``; ``work`` in megapixel-steps."""
        request = GenerationRequest(name, Seeds(7), sampling=Sampling(steps=4))
        job = QueuedGeneration(request, "txt2img", {"prompt": name})
        self.store.put(Frame(name, "generate", encode_job(replace(job, **changes)), work=work))

    def answer(self, name: str) -> tuple[int, dict[str, object]]:
        """Status and body of the answer, once the worker runs."""
        if not self.thread.is_alive():
            self.thread.start()
        answer = wait_until(lambda: self.store.wait(name, POLL_SECONDS))
        return answer.status, json.loads(answer.body)

    def begin(self, name: str) -> None:
        """Start the worker and wait until it is in the middle of a job."""
        self.put(name)
        self.thread.start()
        wait_until(lambda: self.store.read_progress(name))

    def end(self) -> None:
        """End the worker."""
        self.worker.shutdown.draining.set()
        if self.thread.is_alive():
            self.thread.join()
        self.store.close()


def stepping(bench: WorkerThread, seen: list[Stop], steps: int = ENDLESS) -> Run:
    """An engine that asks its watch each 10 ms and notes what it says."""

    def run(request: GenerationRequest, watch: Watch) -> Generation:
        for step in range(steps):
            seen.append(
                watch(
                    Progress("scripts_txt2img", 0, 1, step, steps),
                    lambda: Image.new("RGB", (8, 8), "blue"),
                )
            )
            if seen[-1] is Stop.INTERRUPT:
                return generation(request, stopped=True)
            if Stop.SKIP in seen[:-STEPS_AFTER_A_SKIP]:
                break
            time.sleep(0.01)
        return generation(request)

    return run
