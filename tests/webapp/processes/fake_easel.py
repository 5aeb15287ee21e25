"""A service like Easel in all but the pictures: the real supervisor, queue and worker loop.

``python fake_easel.py serve DATA_DIR PORT`` starts it; ``work DATA_DIR`` adds a worker. The
web process answers a ping and ``POST /draw`` (the body is the prompt); the engine draws nothing, a
step each 50 ms, and dies of the prompts "die" and "crash".
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

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
from webapp.logs import start_log
from webapp.process_tree import LISTEN_FD_VARIABLE, die_with_supervisor
from webapp.processes.supervisor import run
from webapp.queues.contracts.frame import Frame
from webapp.queues.folder_watch import QueueWatchThread
from webapp.queues.job_codec import QueuedGeneration, encode_job
from webapp.queues.sqlite.store import LEASE_SECONDS, SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import Config
from webapp.settings.data_dir import open_store
from webapp.worker.expected_pace import ExpectedPace
from webapp.worker.loop import Worker, WorkerSettings
from webapp.worker.progress_mark import inherit_mark

STEP_SECONDS = 0.05
STEPS = {"slow": 40, "long": 100, "endless": 20_000}
LEASE = "FAKE_LEASE_SECONDS"
HANG = "FAKE_HANG_SECONDS"
IDLE = "FAKE_IDLE_SECONDS"  # where set, no worker runs without a job


class FakeEngine:
    """Sleeps through the steps of a request."""

    loaded_checkpoints = ("fake",)
    shares_calls = False
    turn = nullcontext

    def run(self, request: GenerationRequest, watch: Watch) -> Generation:
        """One grey picture."""
        if request.prompt == "die":
            os._exit(3)
        if request.prompt == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        stopped = False
        for step in range(request.sampling.steps):
            progress = Progress("fake", 0, 1, step, request.sampling.steps)
            if request.prompt.startswith("hang") and step == 1:
                hang(Path(request.prompt.partition(" ")[2]))
            if watch(progress, lambda: Image.new("RGB", (8, 8))) is not Stop.NO:
                stopped = True
                break
            time.sleep(STEP_SECONDS)
        picture = Picture(Image.new("RGB", (8, 8)), request.seeds.seed, 0, request.prompt, "", "")
        return Generation(
            (picture,), "fake", None, None, None, 1, {}, "20260101120000", 1, 1, stopped=stopped
        )

    def unload(self) -> None:
        """Nothing is held."""


def hang(marker: Path) -> None:
    """Hang in C with Python's lock held, and with a child; only the first time."""
    if marker.exists():
        return
    child = subprocess.Popen(["sleep", "1000"])
    marker.write_text(f"{os.getpid()} {child.pid}")
    while True:
        ctypes.PyDLL(None).pause()


def configuration(data_dir: Path, port: int | None) -> Config:
    """What the flags say."""
    return Config(
        data_dir,
        port=port,
        device="cpu",
        install_default=False,
        worker_hang_seconds=600,  # of a start, which takes long on a busy machine
        workers_min=0 if IDLE in os.environ else None,
        idle_seconds=int(os.environ.get(IDLE, 300)),
    )


def encode_prompt(prompt: str, steps: int) -> bytes:
    """The body of a frame."""
    request = GenerationRequest(prompt, Seeds(1), sampling=Sampling(steps=steps))
    return encode_job(QueuedGeneration(request, "txt2img", {}))


def web(data_dir: Path) -> None:
    """Answer requests on the supervisor's socket."""
    die_with_supervisor()
    store = open_store(configuration(data_dir, None))
    QueueWatchThread(store, lambda why: os._exit(0)).start()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(200, b"{}")

        def do_POST(self) -> None:
            prompt = self.rfile.read(int(self.headers["Content-Length"])).decode()
            name = uuid4().hex
            store.put(Frame(name, "generate", encode_prompt(prompt, STEPS.get(prompt, 2))))
            while (answer := store.wait(name, 60)) is None:
                pass
            self.reply(answer.status, answer.body)

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(os.environ[LISTEN_FD_VARIABLE]))
    server.serve_forever()


def work(data_dir: Path) -> int:
    """The real loop around the fake engine."""
    die_with_supervisor()
    term = float(os.environ.get(LEASE, LEASE_SECONDS))
    store = SqliteStore(data_dir / ".easel" / "queue.db", lease_seconds=term)
    name = WorkerId.of_process("cpu")
    pace = ExpectedPace(inherit_mark(), float(os.environ.get(HANG, 600)))
    worker = Worker(name, store, FakeEngine(), WorkerSettings(data_dir), pace=pace, log=start_log())
    worker.shutdown.listen_to_signals()
    return worker.run()


def main() -> int:
    """Run a command; the supervisor appends flags to those of its children."""
    command, data_dir = sys.argv[1], Path(sys.argv[2])
    if command == "serve":
        port = int(sys.argv[3]) if len(sys.argv) > 3 else None
        program = (sys.executable, __file__)
        return run(configuration(data_dir, port), [str(data_dir)], program)
    if command == "web":
        web(data_dir)
    return work(data_dir)


if __name__ == "__main__":
    sys.exit(main())
