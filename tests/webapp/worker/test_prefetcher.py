"""While a job runs the checkpoint of the next one is read ahead; it ends when that changes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event

import pytest

from generator.errors import ModelNotFound
from generator.hooks import Watch
from generator.request import Generation, GenerationRequest
from tests.wait import wait_until
from tests.webapp.worker.worker_bench import WorkerThread, generation
from webapp.queues.contracts.frame import Frame
from webapp.queues.sqlite.store import SqliteStore
from webapp.worker.prefetcher import BLOCKS_A_LOOK, Prefetcher


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / ".easel" / "queue.db")
    yield opened
    opened.close()


class Reader:
    """Reads a file of 100 blocks, and tells which it was and how far it came."""

    def __init__(self, between: Callable[[int], None] = lambda _: None) -> None:
        self.between = between
        self.log: list[tuple[str, int]] = []

    def __call__(self, name: str, is_cancelled: Callable[[], bool]) -> bool:
        if name == "lost":
            raise ModelNotFound("There is no checkpoint 'lost'.")
        for block in range(100):
            if is_cancelled():
                break
            self.between(block)
        else:
            block = 100
        self.log.append((name, block))
        return block == 100


def prefetcher(
    store: SqliteStore, reader: Reader, loaded: Sequence[str] | None = ("sd",)
) -> Prefetcher:
    return Prefetcher(store, lambda: loaded, reader, logging.getLogger("test"))


def put(store: SqliteStore, name: str, priority: int = 0) -> None:
    store.put(Frame(name, "generate", b"", checkpoint=name, priority=priority))


def test_the_next_checkpoint_is_read_once(store: SqliteStore) -> None:
    reader = Reader()
    thread = prefetcher(store, reader)
    thread.look()
    put(store, "sdxl")
    thread.look()
    thread.look()
    assert reader.log == [("sdxl", 100)]
    put(store, "sd")  # in memory, so its job goes first
    thread.look()
    assert len(reader.log) == 1


def test_nothing_is_read_while_no_job_runs(store: SqliteStore) -> None:
    reader = Reader()
    put(store, "sdxl")
    prefetcher(store, reader, loaded=None).look()
    assert reader.log == []


def test_it_ends_when_another_comes_before(store: SqliteStore) -> None:
    reader = Reader(lambda block: put(store, "urgent", 5) if block == 20 else None)
    put(store, "sdxl")
    thread = prefetcher(store, reader)
    thread.look()
    assert reader.log == [("sdxl", 2 * BLOCKS_A_LOOK - 1)]
    thread.look()
    assert reader.log[1] == ("urgent", 100)


def test_what_cannot_be_read_is_no_error_of_the_worker(store: SqliteStore) -> None:
    reader = Reader()
    put(store, "lost")
    prefetcher(store, reader).look()
    assert reader.log == []


def test_a_worker_reads_ahead_while_it_draws(tmp_path: Path) -> None:
    begun, reader = Event(), Reader()
    bench = WorkerThread(tmp_path, read_ahead=reader)

    def run(request: GenerationRequest, watch: Watch) -> Generation:
        begun.set()
        wait_until(lambda: reader.log)
        return generation(request)

    bench.engine.act = run
    try:
        bench.put("first")
        bench.thread.start()
        wait_until(begun.is_set)
        put(bench.store, "sdxl")
        assert bench.answer("first")[0] == 200
    finally:
        bench.end()
    assert reader.log == [("sdxl", 100)]
