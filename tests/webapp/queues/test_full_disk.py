"""A disk that is full: a real small one, the real web process, and a worker that goes on.

Needs the right to mount; elsewhere the tests are skipped.
"""

import base64
import json
import random
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generator.hooks import Watch
from generator.request import Generation, GenerationRequest, Progress, Stop
from tests.wait import TIMEOUT, join_thread, result_of, wait_until
from tests.webapp.web_process import WebProcess, web_process
from tests.webapp.worker.worker_bench import WorkerThread, generation, stepping
from webapp.queues.sqlite.ballast_file import BALLAST_BYTES
from webapp.worker.lease_keeper import encode_png

DISK = 48 * 2**20
Reply = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 48 MiB."""
    place = tmp_path_factory.mktemp("disk")
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="module")
def web(disk: Path) -> Iterator[WebProcess]:
    """The web process of a data directory on that disk."""
    with web_process(disk / "data", "--upload-spare=0") as process:  # or nothing is drawn at all
        yield process


@pytest.fixture
def bench(disk: Path, web: WebProcess) -> Iterator[WorkerThread]:
    """A worker of the same data directory, not begun; the disk is empty afterwards."""
    made = WorkerThread(disk / "data")
    yield made
    (disk / "filler").unlink(missing_ok=True)
    made.end()


def fill(disk: Path) -> None:
    """Take every byte that is left."""
    with suppress(OSError), (disk / "filler").open("ab", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)


def post_json(web: WebProcess, path: str, body: object) -> Reply:
    """Status and body of a POST."""
    request = urllib.request.Request(
        web.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def noise(side: int) -> Image.Image:
    """A picture that cannot be packed."""
    return Image.frombytes("RGB", (side, side), random.Random(1).randbytes(3 * side * side))


def draw(web: WebProcess, **fields: object) -> "Future[Reply]":
    """A drawing asked for in another thread."""
    pool = ThreadPoolExecutor(1)
    drawn = pool.submit(
        post_json, web, "/sdapi/v1/txt2img", {"prompt": "house", "steps": 2, **fields}
    )
    pool.shutdown(wait=False)
    return drawn


def when(
    filled: Callable[[], None], side: int = 16
) -> Callable[[GenerationRequest, Watch], Generation]:
    """An engine that takes a step, and the disk is full before it ends."""

    def run(request: GenerationRequest, watch: Watch) -> Generation:
        watch(Progress("a", 0, 1, 1, 4), None)
        filled()
        drawn = generation(request)
        return replace(drawn, pictures=(replace(drawn.pictures[0], image=noise(side)),))

    return run


def test_a_disk_that_fills_in_mid_job_is_told_to_its_caller(
    disk: Path, web: WebProcess, bench: WorkerThread
) -> None:
    """507, stored in the room that was kept; the worker lives, and draws when there is room."""
    ballast = disk / "data" / ".easel" / "ballast"
    assert ballast.stat().st_size == BALLAST_BYTES
    bench.engine.act = when(lambda: fill(disk))
    bench.thread.start()
    status, body = result_of(draw(web, save_images=True))
    assert status == 507
    assert "full" in body["detail"]
    assert bench.thread.is_alive()

    fill(disk)  # what was freed is gone as well
    ballast.unlink(missing_ok=True)
    fill(disk)
    large = base64.b64encode(
        encode_png(noise(1000))
    ).decode()  # more than the queue's file has room for
    status, body = post_json(web, "/sdapi/v1/img2img", {"init_images": [large], "steps": 2})
    assert (status, body["error"]) == (507, "QueueFull")
    assert "not stored" in body["detail"]

    (disk / "filler").unlink()
    bench.engine.act = when(lambda: None)
    assert result_of(draw(web))[0] == 200
    assert bench.thread.is_alive()
    wait_until(lambda: ballast.is_file() and ballast.stat().st_size == BALLAST_BYTES)


def test_a_job_is_stopped_on_a_full_disk(disk: Path, web: WebProcess, bench: WorkerThread) -> None:
    wait_until(bench.store.database.ballast.allocate)
    seen: list[Stop] = []
    bench.engine.act = stepping(bench, seen)
    bench.thread.start()
    drawn = draw(web)
    wait_until(lambda: seen)
    fill(disk)
    assert post_json(web, "/sdapi/v1/interrupt", {})[0] == 200
    assert result_of(drawn)[0] == 200
    assert Stop.INTERRUPT in seen


def test_without_room_for_any_answer_the_worker_waits_for_some(
    disk: Path, web: WebProcess, bench: WorkerThread, caplog: pytest.LogCaptureFixture
) -> None:
    ballast = disk / "data" / ".easel" / "ballast"

    def refill_disk() -> None:
        ballast.unlink()
        fill(disk)

    tried = threading.Event()

    def pause(seconds: float) -> bool:
        tried.set()
        return bench.worker.shutdown.draining.wait(0.05)

    bench.worker.pause = pause
    bench.engine.act = when(refill_disk, side=2000)
    bench.thread.start()
    drawn = draw(web)
    wait_until(tried.is_set)
    assert bench.thread.is_alive()
    (disk / "filler").unlink()
    status, body = result_of(drawn)
    assert status == 507
    assert "Free some space" in body["detail"]
    bench.worker.shutdown.draining.set()
    join_thread(bench.thread)
