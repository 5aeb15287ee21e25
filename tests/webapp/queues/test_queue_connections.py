"""Who reads the queue waits for nobody who writes it, and a process reads with few connections."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.wait import POLL_SECONDS, TIMEOUT, result_of, wait_until
from tests.webapp.web_process import WebProcess, web_process
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.errors import QueueDamaged
from webapp.queues.sqlite import queue
from webapp.queues.sqlite.frame_rows import insert_frame
from webapp.queues.sqlite.reader_pool import MAX_READERS
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

HOLD_THE_LOCK = """
import sqlite3, sys
rows = sqlite3.connect(sys.argv[1], isolation_level=None)
rows.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
READ_AND_CLOSE = """
import sqlite3, sys
rows = sqlite3.connect(sys.argv[1])
rows.execute("SELECT count(*) FROM frames").fetchone()
rows.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".easel" / "queue.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A queue in which a job waits, and an answer for its reader."""
    opened = SqliteStore(path)
    opened.put(Frame("done", "generate", b""))
    lease = opened.take(WorkerId("cpu"), [], 0)
    assert lease is not None
    opened.answer(lease, Answer(200, b"drawn"), 0.0)
    opened.put(Frame("a", "generate", b"y" * 3000))
    yield opened
    opened.close()


@contextmanager
def another_process_writes(path: Path) -> Iterator[None]:
    """A process holds the lock for writing during the block."""
    words = [sys.executable, "-c", HOLD_THE_LOCK, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            process.communicate()


def is_writing(store: SqliteStore) -> bool:
    """Whether a thread is in a transaction that writes, or waits for SQLite to begin one."""
    lock = store.database._write_lock
    if lock.acquire(blocking=False):
        lock.release()
        return False
    return True


def waiting_readers(store: SqliteStore) -> int:
    """How many threads wait for a connection that others have."""
    return len(vars(store.database._readers._changed)["_waiters"])


def open_files_of(path: Path) -> int:
    """Descriptors that this process has of the database and of what lies beside it."""
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # the one that listed them
            continue
    return sum(name.startswith(str(path)) and not name.endswith(".lock") for name in names)


def read_everything(store: SqliteStore) -> None:
    """Ask all that a web process asks while it waits."""
    assert store.depth().waiting == 1
    assert store.owner_depth("", "generate").frames == 1
    assert [frame.id for frame in store.list_frames()] == ["a"]
    assert store.wait("done", 0) == Answer(200, b"drawn")
    assert store.is_queued("a")
    assert not store.workers()
    assert store.counters()


def test_a_reader_answers_while_another_process_holds_the_lock(
    store: SqliteStore, path: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        with another_process_writes(path):
            putting = pool.submit(store.put, Frame("b", "generate", b""))
            wait_until(lambda: is_writing(store))
            result_of(pool.submit(read_everything, store))
            assert not putting.done()
        assert result_of(putting) == 3


def test_a_reader_answers_while_100_mib_are_put(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted, answered = threading.Event(), threading.Event()

    def insert_and_wait(db: sqlite3.Connection, frame: Frame, now: float) -> int:
        index = insert_frame(db, frame, now)
        inserted.set()
        assert answered.wait(TIMEOUT)
        return index

    monkeypatch.setattr(queue, "insert_frame", insert_and_wait)
    with ThreadPoolExecutor(2) as pool:
        putting = pool.submit(store.put, Frame("big", "generate", bytes(100 * 2**20)))
        try:
            wait_until(inserted.is_set)
            result_of(pool.submit(read_everything, store))
        finally:
            answered.set()
        assert result_of(putting) == 3
    assert store.depth().waiting == 2


def test_many_readers_share_a_few_connections(store: SqliteStore, path: Path) -> None:
    with ThreadPoolExecutor(100) as pool:
        for reading in [pool.submit(read_everything, store) for _ in range(300)]:
            result_of(reading)
        with ExitStack() as lent:
            for _ in range(MAX_READERS):
                lent.enter_context(store.database.read_connection())
            most = open_files_of(path)
            waiting = pool.submit(store.depth)
            wait_until(lambda: waiting_readers(store))
            assert open_files_of(path) == most <= 2 * (MAX_READERS + 1) + 1  # one -shm
        assert result_of(waiting).waiting == 1
    store.close()
    assert open_files_of(path) == 0
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store.depth()


def test_a_connection_that_is_lent_when_the_store_closes_is_closed_when_it_comes_back(
    store: SqliteStore, path: Path
) -> None:
    with store.database.read_connection() as rows:
        store.close()
        assert rows.execute("SELECT COUNT(*) FROM frames").fetchone()[0] == 1
    assert open_files_of(path) == 0


def test_a_further_reader_reads_no_other_file_that_took_the_name(
    store: SqliteStore, path: Path
) -> None:
    path.parent.rename(path.parent.with_name("old"))
    other = SqliteStore(path)
    with ThreadPoolExecutor(1) as pool:
        with store.database.read_connection():
            reading = pool.submit(store.list_frames)
            wait_until(lambda: waiting_readers(store))
        assert [frame.id for frame in result_of(reading)] == ["a"]
    other.close()


def test_damage_that_many_readers_meet_is_mended_once(store: SqliteStore, path: Path) -> None:
    with ExitStack() as lent:
        for _ in range(MAX_READERS):
            rows = lent.enter_context(store.database.read_connection())
            rows.execute("PRAGMA cache_size=0")
    store.database._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(b"\xff" * path.stat().st_size)
    together = threading.Barrier(MAX_READERS, timeout=TIMEOUT)

    def read() -> bool:
        together.wait()
        try:
            return store.list_frames() == []
        except QueueDamaged:
            return False

    with ThreadPoolExecutor(MAX_READERS) as pool:
        outcomes = [result_of(each) for each in [pool.submit(read) for _ in range(MAX_READERS)]]
    assert False in outcomes
    assert len(list(path.parent.glob("queue.db.damaged-*"))) == 1
    store.put(Frame("b", "generate", b""))
    assert [frame.id for frame in store.list_frames()] == ["b"]


def test_a_second_opening_leaves_the_locks_of_the_first(store: SqliteStore, path: Path) -> None:
    """Or whoever closes the file last by its lights removes the log that this process writes."""
    second = SqliteStore(path)
    subprocess.run([sys.executable, "-c", READ_AND_CLOSE, str(path)], check=True)
    assert path.with_name("queue.db-wal").exists()
    store.put(Frame("b", "generate", b""))
    assert len(second.list_frames()) == 2
    second.close()


def test_who_waits_too_long_for_other_writers_is_told(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that threads behind a lock that another process holds do not wait one after another."""
    monkeypatch.setattr("webapp.queues.sqlite.database.BUSY_SECONDS", 0.05)
    with ThreadPoolExecutor(1) as pool, store.database.write_transaction():
        putting = pool.submit(store.put, Frame("b", "generate", b""))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            result_of(putting)
    assert store.put(Frame("b", "generate", b"")) == 3


def get_status(web: WebProcess, path: str, body: bytes | None = None) -> int:
    request = urllib.request.Request(web.url + path, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


READS = {
    "/internal/pending-tasks": 200,
    "/sdapi/v1/progress": 200,
    "/metrics": 200,  # counts what plugins took
    "/readyz": 503,  # no worker
}


def test_the_web_process_answers_while_another_process_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / ".easel" / "queue.db"
    with web_process(tmp_path) as web, ThreadPoolExecutor(1) as pool:
        with another_process_writes(path):
            drawing = pool.submit(get_status, web, "/sdapi/v1/txt2img", b'{"prompt": "house"}')
            for _ in range(10):  # in the midst of them the request comes to the queue
                assert get_status(web, "/internal/pending-tasks") == 200
                time.sleep(POLL_SECONDS)
            assert {name: get_status(web, name) for name in READS} == READS
            assert not drawing.done()
        store = SqliteStore(path)
        (waiting,) = wait_until(store.list_frames)
        store.answer_waiting(waiting.id, Answer(200, b"{}"))
        assert result_of(drawing) == 200
        store.close()
