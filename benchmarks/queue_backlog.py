"""What a backlog costs: ``put``, ``take`` and others beside few and beside 100,000 waiting frames.

``python -m benchmarks.queue_backlog [FRAMES]`` prints a table. The frames are of 20 owners with 5
checkpoints, of as many in both queues, with bodies of 1 kB; calls go to both in turn.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

from generator.data_folders import STATE_FOLDER
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.sqlite.frame_rows import insert_frame
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.sqlite.workloads import insert_workload
from webapp.queues.worker_id import WorkerId

OWNERS, CHECKPOINTS = 20, 5
BODY = b"x" * 1000
ROUNDS, WARM_UP = 100, 10
FEW, MANY = 100, 100_000
WORKER = WorkerId("bench")
ANSWER = Answer(200, b"{}")

Act = Callable[[int], object]


def frame(number: int) -> Frame:
    """A frame of one of the owners, for one of the checkpoints."""
    owner, checkpoint = f"user {number % OWNERS}", f"sd{number // OWNERS % CHECKPOINTS}"
    return Frame(uuid4().hex, "generate", BODY, owner, checkpoint, work=5.0)


def fill(store: SqliteStore, backlog: int) -> None:
    """Put the backlog, in one transaction."""
    with store.database.write_transaction() as db:
        for number in range(backlog):
            each = frame(number)
            insert_workload(db, insert_frame(db, each, time.time()), each)


def acts_of(store: SqliteStore) -> Mapping[str, Act]:
    """What is measured, in this order: a frame is answered that was taken before."""
    leases: list[Lease] = []

    def take(number: int) -> None:
        lease = store.take(WORKER, ("sd1",), 0)
        if lease is None:
            raise LookupError("nothing waits, where a backlog should")
        leases.append(lease)

    return {
        "owner_depth, before each put": lambda n: store.owner_depth("user 1", "generate"),
        "put": lambda n: store.put(frame(n)),
        "take": take,
        "answer": lambda n: store.answer(leases.pop(), ANSWER, 1.0),
        "next_checkpoint": lambda n: store.next_checkpoint(("sd1",)),
        "depth": lambda n: store.depth(),
    }


def compare(one: Act, other: Act) -> tuple[float, float]:
    """Median milliseconds of each."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM_UP + ROUNDS):
        for act, taken in zip((one, other), seconds, strict=True):
            begun = time.perf_counter()
            act(number)
            taken.append(time.perf_counter() - begun)
    first, second = (statistics.median(taken[WARM_UP:]) * 1000 for taken in seconds)
    return first, second


def main() -> None:
    """Print the figures."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    with tempfile.TemporaryDirectory(prefix="easel-backlog-") as folder:
        stores = [
            SqliteStore(Path(folder) / str(backlog) / STATE_FOLDER / "queue.db")
            for backlog in (FEW, many)
        ]
        fill(stores[0], FEW)
        fill(stores[1], many)
        few_acts, many_acts = map(acts_of, stores)
        print(
            f"| median ms | {FEW} frames wait | {many:,} frames wait | ratio |\n|---|---|---|---|"
        )
        for name, act in few_acts.items():
            few_ms, many_ms = compare(act, many_acts[name])
            ratio = many_ms / few_ms
            print(f"| {name} | {few_ms:.2f} | {many_ms:.2f} | {ratio:.2f} × |", flush=True)
        for store in stores:
            store.close()


if __name__ == "__main__":
    main()
