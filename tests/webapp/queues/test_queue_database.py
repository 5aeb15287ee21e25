"""What the SQLite file does when the disk or the file is bad."""

import logging
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from webapp.errors import status_of
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.errors import QueueDamaged, QueueFull, QueueUnwritable
from webapp.queues.sqlite.ballast_file import BALLAST_BYTES
from webapp.queues.sqlite.database import QueueDatabase
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

LARGE = b"x" * 1_000_000


def limit(store: SqliteStore, pages: int) -> None:
    """Let the file grow by this many pages of 4 KiB only: a full disk, for SQLite."""
    rows = store.database._writer
    now = rows.execute("PRAGMA page_count").fetchone()[0]
    rows.execute(f"PRAGMA max_page_count={now + pages}")


def test_a_full_disk_is_said_and_nothing_is_half_stored(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "queue.db")
    limit(store, 20)
    with pytest.raises(QueueFull, match=r"full.*not stored.*Free some space"):
        store.put(Frame("big", "generate", LARGE))
    assert store.list_frames() == []
    store.put(Frame("small", "generate", b"x"))
    lease = store.take(WorkerId("cpu"), [], 0)
    assert lease is not None
    with pytest.raises(QueueFull):
        store.answer(lease, Answer(200, LARGE), 1.0)
    assert [frame.id for frame in store.list_frames()] == ["small"]
    assert store.answer(lease, Answer(507, b"full"), 1.0)
    store.close()


def test_a_disk_that_may_only_be_read_is_said(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "queue.db")
    store.put(Frame("a", "generate", b"x"))
    store.database._writer.execute("PRAGMA query_only=ON")
    with pytest.raises(QueueUnwritable, match=r"cannot be written.*not stored"):
        store.put(Frame("b", "generate", b"x"))
    assert status_of(QueueUnwritable("")) == 507
    store.delete_answer("a")  # whoever has read his answer is not told of it
    store.database._writer.execute("PRAGMA query_only=OFF")
    assert [frame.id for frame in store.list_frames()] == ["a"]
    store.close()


def test_a_full_queue_opens_without_writing(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "queue.db").close()
    first = SqliteStore(tmp_path / "queue.db")
    log = tmp_path / "queue.db-wal"
    before = log.stat().st_size if log.exists() else 0
    second = SqliteStore(tmp_path / "queue.db")
    assert (log.stat().st_size if log.exists() else 0) == before
    first.close()
    second.close()


def test_the_ballast_is_made_where_there_is_room_and_freed_for_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "queue.db")
    ballast = store.database.ballast
    assert ballast.path.stat().st_blocks * 512 >= BALLAST_BYTES
    store.put(Frame("a", "generate", b"x"))
    lease = store.take(WorkerId("cpu"), [], 0)
    assert lease is not None
    limit(store, 0)
    with pytest.raises(QueueFull):
        store.answer(lease, Answer(200, LARGE), 1.0)
    assert not ballast.is_allocated
    monkeypatch.setattr("webapp.queues.sqlite.ballast_file.MIN_FREE_FACTOR", 2**40)
    assert not ballast.allocate()  # it would fill what is left
    monkeypatch.undo()
    store.record_heartbeat(WorkerState(WorkerId("cpu"), "idle", "", "", 0.0))
    assert ballast.is_allocated
    store.close()


@pytest.mark.parametrize(
    "content", [b"not a database" * 1000, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_broken_file_is_put_aside(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "queue.db"
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        store = SqliteStore(path)
    assert store.put(Frame("a", "generate", b"")) == 1
    store.close()
    (aside,) = tmp_path.glob("queue.db.damaged-*")
    assert aside.read_bytes() == content
    assert aside.name in caplog.text
    assert "lost" in caplog.text


def test_of_a_file_damaged_inside_the_readable_requests_are_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    store = SqliteStore(path)
    for i in range(50):
        store.put(Frame(str(i), "generate", b"y" * 3000))
    lease = store.take(WorkerId("cpu"), [], 0)
    assert lease is not None
    store.answer(lease, Answer(200, b"drawn"), 1.0)
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(os.urandom(8192))
    store = SqliteStore(path)
    assert 40 < len(store.list_frames()) < 49
    assert store.wait("0", 0) == Answer(200, b"drawn")
    assert len(list(tmp_path.glob("queue.db.damaged-*"))) == 1
    store.close()


def test_a_file_of_another_version_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    with sqlite3.connect(path) as rows:
        rows.execute("PRAGMA user_version=99")
    rows.close()
    SqliteStore(path).close()
    assert len(list(tmp_path.glob("queue.db.damaged-*"))) == 1


def test_a_folder_that_cannot_be_made_is_the_callers_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        SqliteStore(tmp_path / "file" / "queue.db")


def test_many_open_at_once(tmp_path: Path) -> None:
    """Eight threads open one broken file: one puts it aside, all get the same new one."""
    path = tmp_path / "queue.db"
    path.write_bytes(b"broken" * 1000)
    stores: list[SqliteStore] = []
    threads = [threading.Thread(target=lambda: stores.append(SqliteStore(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[0].put(Frame("a", "generate", b""))
    assert [len(store.list_frames()) for store in stores] == [1] * 8
    assert len(list(tmp_path.glob("queue.db.damaged-*"))) == 1
    for store in stores:
        store.close()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    database = QueueDatabase(tmp_path / "queue.db", logging.getLogger("test"))
    with pytest.raises(RuntimeError), database.write_transaction() as rows:
        rows.execute("INSERT INTO stops VALUES ('a', 'skip', 0)")
        raise RuntimeError
    with database.read_connection() as rows:
        assert rows.execute("SELECT COUNT(*) FROM stops").fetchone()[0] == 0
    database.close()


@pytest.mark.parametrize("verb", ["put", "waiting"])
def test_damage_that_shows_in_use_costs_one_request(tmp_path: Path, verb: str) -> None:
    path = tmp_path / "queue.db"
    store = SqliteStore(path)
    store.put(Frame("a", "generate", b"y" * 3000))
    with store.database.read_connection() as reader:
        for rows in (store.database._writer, reader):
            rows.execute("PRAGMA cache_size=0")
    store.database._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in (path, path.with_name("queue.db-wal")):
        with name.open("r+b") as file:
            file.write(b"\xff" * max(name.stat().st_size, 4096))
    with pytest.raises(QueueDamaged, match="Send the request again"):
        store.put(Frame("b", "generate", b"y")) if verb == "put" else store.list_frames()
    store.put(Frame("c", "generate", b"y"))
    assert [frame.id for frame in store.list_frames()] == ["c"]
    assert len(list(tmp_path.glob("queue.db.damaged-*"))) == 1
    store.close()
