"""A real web process, and a worker with an engine whose pictures a test lets out one by one."""

import base64
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from generator.hooks import PictureWatch, Watch
from generator.request import Generation, GenerationRequest, Picture, Progress, Stop
from tests.wait import TIMEOUT, wait_until
from tests.webapp.conftest import write_checkpoint
from tests.webapp.web_process import WebProcess, web_process
from tests.webapp.worker.worker_bench import Engine, WorkerThread

OWNER, ANN, BOB, READER = "owner-token", "anns-token", "bobs-token", "readers-token"
FLAGS = (
    *("--token", OWNER, "--generate-token", f"ann={ANN}", "--generate-token", f"bob={BOB}"),
    *("--read-token", READER, "--allow-fetch-from", "127.0.0.1/32", "--max-watchers", "4"),
)
HELD = "held"
"""A prompt whose pictures come as the test lets them out."""

TXT2IMG = "/sdapi/v1/txt2img"
JOBS = "/api/v1/jobs"


@dataclass
class Reply:
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Gate:
    """Lets pictures of held jobs out."""

    places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def draw(self, request: GenerationRequest, watch: Watch) -> Generation:
        """Two steps and a picture a batch."""
        pictures: list[Picture] = []
        stopped = False
        for batch in range(request.batches):
            waits = request.prompt == HELD
            for step in range(2):
                progress = Progress("scripts_txt2img", batch, request.batches, step, 2)
                while (stop := watch(progress, None)) is Stop.NO and waits:
                    if self.places.acquire(timeout=0.02):
                        waits = False
                if stop is Stop.INTERRUPT:
                    stopped = True
                    break
            if stopped:
                break
            image = Image.new("RGB", (8, 8), (batch * 40, 90, 40))
            if isinstance(watch, PictureWatch):
                watch.take_picture(batch, image)
            pictures.append(Picture(image, request.seeds.seed + batch, 0, request.prompt, "", "x"))
        return Generation(
            tuple(pictures), "sd", None, None, None, 1, {}, "20260101120000", 1.0, 0.5,
            stopped=stopped,
        )  # fmt: skip


@dataclass
class JobService:
    """What the tests ask."""

    process: WebProcess
    bench: WorkerThread
    gate: Gate

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        token: str = OWNER,
        **headers: str,
    ) -> Reply:
        """One request on a connection of its own."""
        line = http.client.HTTPConnection("127.0.0.1", self.process.port, timeout=TIMEOUT)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            data = None if body is None else json.dumps(body)
            line.request(method, path, data, {"Authorization": f"Bearer {token}", **sent})
            answer = line.getresponse()
            return Reply(answer.status, dict(answer.headers.items()), answer.read())
        finally:
            line.close()

    def post(
        self,
        prompt: str = "a boat",
        token: str = OWNER,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        **job: object,
    ) -> Reply:
        """Post a job of two steps."""
        wanted = {"prompt": prompt, "steps": 2, "width": 64, "height": 64, **(body or {})}
        whole = {"path": TXT2IMG, "body": wanted, **job}
        return self.ask("POST", JOBS + query, whole, token, **(headers or {}))

    def state(self, job: str, token: str = OWNER) -> dict[str, Any]:
        """How a job stands."""
        state: dict[str, Any] = self.ask("GET", f"{JOBS}/{job}", token=token).json
        return state

    def wait_for(self, job: str, *states: str) -> dict[str, Any]:
        """The job once it is in one of these states."""
        return wait_until(
            lambda: state if (state := self.state(job))["state"] in states else None,
            message=f"{job} is never {states}",
        )

    def settle(self, job: str) -> dict[str, Any]:
        """The job when it has ended."""
        return self.wait_for(job, "succeeded", "failed", "cancelled")


class Events:
    """A job's stream of events, read one by one."""

    def __init__(self, service: JobService, job: str, token: str = OWNER, last: str = "") -> None:
        self.listen(service, f"{JOBS}/{job}/events", token, last)

    def listen(self, service: JobService, path: str, token: str, last: str = "") -> None:
        """Ask for a stream."""
        self.line = http.client.HTTPConnection("127.0.0.1", service.process.port, timeout=TIMEOUT)
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last} if last else {})
        self.line.request("GET", path, headers=headers)
        self.answer = self.line.getresponse()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        name = ""
        for raw in self.answer:
            key, _, value = raw.decode().rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                yield name, json.loads(value)

    def until(self, wanted: str) -> Any:
        """The data of the next event of this name."""
        return next(data for name, data in self if name == wanted)

    def close(self) -> None:
        """Hang up."""
        self.answer.close()
        self.line.close()


class WindowEvents(Events):
    """The one stream of a window."""

    def __init__(self, service: JobService, query: str, token: str = OWNER) -> None:
        self.listen(service, f"/api/v1/events?{query}", token)


def decode_pictures(reply: Reply) -> list[bytes]:
    """The pictures of a drawing's answer."""
    return [base64.b64decode(text) for text in reply.json["images"]]


@contextmanager
def run_job_service(folder: Path, *flags: str) -> Iterator[JobService]:
    """The web process and a worker on the same data directory."""
    write_checkpoint(folder / "models/Stable-diffusion/sd.safetensors")
    with web_process(folder, *FLAGS, *flags) as process:
        gate = Gate()
        bench = WorkerThread(folder)
        bench.engine = Engine(gate.draw)
        bench.worker.engine = bench.engine
        bench.worker.handlers.engine = bench.engine
        bench.thread.start()
        try:
            yield JobService(process, bench, gate)
        finally:
            for _ in range(100):
                gate.places.release()
            bench.end()
