"""Latency that the queue adds to one synchronous request: put, take, answer, wait.

The worker is a process of its own, as in the service, and does nothing.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from generator.data_folders import STATE_FOLDER
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

BODY = b"x" * 3_000  # a txt2img request
PICTURE = b"x" * 500_000  # one 512x512 PNG in base64
WARM_UP = 10
NAME = "benchmarks.queue_detour"  # of this module, for the worker


def work(path: Path) -> None:
    """Answer every frame at once, until one is called "stop"."""
    store = SqliteStore(path)
    while True:
        lease = store.take(WorkerId("bench"), (), 1.0)
        if lease is not None:
            store.answer(lease, Answer(200, PICTURE), 0.0)
            if lease.frame.id == "stop":
                return


def measure_rounds(rounds: int = 200) -> list[float]:
    """Seconds of each round, a few rounds of warming up left out."""
    with tempfile.TemporaryDirectory(prefix="easel-detour-") as folder:
        path = Path(folder) / STATE_FOLDER / "queue.db"
        store = SqliteStore(path)
        worker = subprocess.Popen([sys.executable, "-m", NAME, str(path)])
        try:
            seconds = [time_detour(store) for _ in range(WARM_UP + rounds)]
            store.put(Frame("stop", "generate", b""))
            worker.wait(10)
        finally:
            worker.kill()
            worker.wait()
            store.close()
    return seconds[WARM_UP:]


def time_detour(store: QueueStore) -> float:
    """Seconds that one request spends on the way."""
    frame = Frame(uuid4().hex, "generate", BODY)
    begun = time.perf_counter()
    store.put(frame)
    if store.wait(frame.id, 60) is None:
        raise TimeoutError("the worker did not answer within a minute")
    seconds = time.perf_counter() - begun
    store.delete_answer(frame.id)
    return seconds


def main() -> None:
    """Print the figures, or be the worker when a path is given."""
    if len(sys.argv) > 1:
        work(Path(sys.argv[1]))
        return
    seconds = measure_rounds()
    p95 = statistics.quantiles(seconds, n=20)[-1]
    print(
        f"queue detour: median {statistics.median(seconds) * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms"
    )


if __name__ == "__main__":
    main()
