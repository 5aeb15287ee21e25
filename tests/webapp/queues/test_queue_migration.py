"""A queue's file that another version wrote: what waits in it is answered."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from generator.request import GenerationRequest, Sampling, Seeds
from tests.webapp.worker.worker_bench import WorkerThread
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.queue import OwnerDepth
from webapp.queues.contracts.service_notices import ServiceNotice
from webapp.queues.contracts.worker_commands import WorkerCommand
from webapp.queues.job_codec import QueuedGeneration, encode_job
from webapp.queues.sqlite.database import LAYOUT, SCHEMA_VERSION
from webapp.queues.sqlite.migrations import MIGRATIONS
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

GONE = WorkerId("cuda:0", "gone", 4711)
PUT_1 = """
INSERT INTO frames (id, kind, owner, checkpoint, priority, tags, put_at, body)
VALUES (?, 'generate', ?, 'sd', ?, ?, ?, ?)
"""
ANSWER_1 = """
INSERT INTO answers (id, "index", status, content_type, made_at, body)
VALUES (?, ?, 200, 'text/x', ?, ?)
"""

COUNT_3 = """
INSERT INTO workloads SELECT "index", 0, 1, 1, LENGTH(body) FROM frames;
INSERT INTO holdings
SELECT owner, kind, COUNT(*), SUM(LENGTH(body)) FROM frames GROUP BY owner, kind;
"""
COMMAND = ("cpu", "1", "load", "sd", 1e12)


def job(prompt: str) -> bytes:
    request = GenerationRequest(prompt, Seeds(7), sampling=Sampling(steps=4))
    return encode_job(QueuedGeneration(request, "txt2img", {"prompt": prompt}))


def tables_of(version: int) -> str:
    """The tables as the service wrote them in that version."""
    path = Path(__file__).with_name(f"queue_version_{version}.sql")
    return path.read_text(encoding="utf-8")


def write_version(path: Path, version: int) -> None:
    """As a service of that version that was killed: two jobs wait, one runs."""
    path.parent.mkdir(parents=True)
    now = time.time()
    with closing(sqlite3.connect(path, isolation_level=None)) as rows:
        rows.execute("PRAGMA auto_vacuum=INCREMENTAL")
        rows.execute("PRAGMA journal_mode=WAL")
        rows.executescript(tables_of(version))
        for name, owner, priority in (("gone", "x", 0), ("a", "ann", 0), ("b", "bob", 3)):
            tags = json.dumps({"task": f"task of {name}"})
            rows.execute(PUT_1, (name, owner, priority, tags, now - 5, job(name)))
        rows.execute(
            "UPDATE frames SET worker = ?, token = 't', leased_at = ?, expires = ?, deliveries = 1"
            " WHERE id = 'gone'",
            (str(GONE), now - 4, now + 6),
        )
        if version < 3:
            rows.execute("INSERT INTO ledger VALUES ('ann', 12.5, ?, 0)", (now,))
        else:
            rows.executescript(COUNT_3)
        notice = ("service", "of-the-folder", "service", '{"data_id": "of-the-folder"}', now)
        rows.executemany("INSERT INTO errands VALUES (?, ?, ?, ?, ?)", [notice, COMMAND])


def write_version_1(path: Path) -> None:
    """One of version 1 with two answers, too."""
    write_version(path, 1)
    now = time.time()
    with closing(sqlite3.connect(path, isolation_level=None)) as rows:
        for name, index, made in (("second", 11, now - 1), ("first", 12, now - 2)):
            rows.execute(ANSWER_1, (name, index, made, name.encode()))
        rows.execute("INSERT INTO answered VALUES ('second', 'ann', '{\"task\": \"t\"}')")
        rows.execute("INSERT INTO tallies VALUES ('restarts', '{}', 3.0)")


def write_later_version(path: Path) -> None:
    """As a later service might: with a column that this one does not know."""
    store = SqliteStore(path)
    for name in ("gone", "a", "b"):
        store.put(Frame(name, "generate", job(name)))
    store.close()
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("ALTER TABLE frames ADD COLUMN plan TEXT NOT NULL DEFAULT 'gold'")
        rows.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")


def write_unreadable_version_1(path: Path) -> None:
    """Of version 1, with a number that leads nowhere."""
    write_version_1(path)
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("PRAGMA user_version=-1")


def answer_facts(store: SqliteStore, *names: str) -> list[tuple[int, Mapping[str, str]]]:
    """Index and tags of kept answers."""
    answers = [answer for name in names if (answer := store.wait(name, 0)) is not None]
    assert [answer.request_id for answer in answers] == list(names)
    return [(answer.index, answer.tags) for answer in answers]


def answer_all(folder: Path, names: str = "gone a b") -> None:
    """Let a worker draw what waits."""
    bench = WorkerThread(folder)
    bench.store.release_worker(GONE, "was killed")  # as a supervisor does
    for name in names.split():
        status, body = bench.answer(name)
        assert status == 200
        assert body["images"]
    assert bench.store.list_frames() == []
    bench.end()


def test_there_is_a_step_from_every_earlier_version() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))
    assert (LAYOUT.version, LAYOUT.migrations) == (SCHEMA_VERSION, MIGRATIONS)


def test_jobs_of_version_1_are_answered(tmp_path: Path) -> None:
    path = tmp_path / ".easel" / "queue.db"
    write_version_1(path)
    store = SqliteStore(path)
    assert [(f.id, f.owner, f.priority, f.index, f.deliveries) for f in store.list_frames()] == [
        ("gone", "x", 0, 1, 1),
        ("a", "ann", 0, 2, 0),
        ("b", "bob", 3, 3, 0),
    ]
    assert store.list_frames("bob")[0].tags == {"task": "task of b"}
    assert store.lease_holders() == [GONE]
    assert [(sum_.name, sum_.value) for sum_ in store.counters()] == [("restarts", 3.0)]
    assert store.wait("second", 0) == Answer(200, b"second", "text/x")
    assert answer_facts(store, "first", "second") == [(1, {}), (2, {"task": "t"})]
    store.close()
    answer_all(tmp_path)
    store = SqliteStore(path)
    assert store.find_answered("task", "task of a", "ann") == "a"
    facts = answer_facts(store, "gone", "a", "b")
    assert sorted(index for index, _ in facts) == [3, 4, 5]
    assert [tags["task"] for _, tags in facts] == ["task of gone", "task of a", "task of b"]
    store.close()
    assert not list(path.parent.glob("*.damaged-*"))


@pytest.mark.parametrize("version", sorted(MIGRATIONS))
def test_jobs_of_every_earlier_version_are_counted_and_matched(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / ".easel" / "queue.db"
    write_version(path, version)
    store = SqliteStore(path)
    assert not list(path.parent.glob("*.damaged-*"))
    for owner in ("x", "ann", "bob"):
        assert store.owner_depth(owner, "generate").frames == 1
    assert store.owner_depth("ann", "generate").body_bytes == len(job("a"))
    assert [frame.predicted_seconds for frame in store.list_frames()] == [1.0] * 3
    store.put(Frame("c", "generate", job("c"), owner="ann", work=99.0))
    store.put(Frame("d", "generate", job("d"), owner="bob"))
    taken = [store.take(WorkerId("cpu"), ("sd",), 0) for _ in range(4)]
    assert [lease.frame.id for lease in taken if lease is not None] == ["b", "a", "d", "c"]
    for lease in filter(None, taken):
        store.answer(lease, Answer(200, b""), 1.0)
    assert store.owner_depth("ann", "generate") == OwnerDepth(0, 0)
    with store.database.read_connection() as rows:
        old = "SELECT name FROM sqlite_master WHERE name IN ('ledger', 'frames_waiting')"
        assert rows.execute(old).fetchall() == []
    store.close()
    answer_all(tmp_path, "gone")


@pytest.mark.parametrize("version", sorted(MIGRATIONS))
def test_the_notice_of_before_its_table_is_no_command(tmp_path: Path, version: int) -> None:
    path = tmp_path / "old" / "queue.db"
    write_version(path, version)
    store = SqliteStore(path)
    assert store.read_notice() is None  # until the web process of this version says its own
    assert store.pending_command(WorkerId("service")) is None
    assert store.pending_command(WorkerId("cpu")) == WorkerCommand("1", "load", "sd")
    store.publish_notice(notice := ServiceNotice("id", "1", 2.5))
    assert store.read_notice() == notice
    store.close()


@pytest.mark.parametrize("version", sorted(MIGRATIONS))
def test_an_earlier_version_has_all_tables_of_a_new_file(tmp_path: Path, version: int) -> None:
    """Indexes and triggers too: without them a queue would be slow, or count wrongly."""
    names = []
    for folder in (tmp_path / "old", tmp_path / "new"):
        if folder.name == "old":
            write_version(folder / "queue.db", version)
        store = SqliteStore(folder / "queue.db")
        with store.database.read_connection() as rows:
            found = rows.execute("SELECT name FROM sqlite_master").fetchall()
        names.append({row["name"] for row in found})
        store.close()
    assert names[0] == names[1]


def test_the_file_of_version_1_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "queue.db"
    write_version_1(path)
    SqliteStore(path).close()
    copy = path.with_name("queue.db.version-1")
    kept = copy.stat()
    assert kept.st_mode & 0o077 == 0
    with closing(sqlite3.connect(copy)) as rows:
        assert rows.execute("PRAGMA user_version").fetchone() == (1,)
        assert rows.execute("SELECT COUNT(*) FROM frames").fetchone() == (3,)
        assert rows.execute("SELECT * FROM answered").fetchall() == [
            ("second", "ann", '{"task": "t"}')
        ]
    SqliteStore(path).close()
    assert copy.stat().st_ino == kept.st_ino
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("write", [write_later_version, write_unreadable_version_1])
def test_jobs_of_a_version_from_which_nothing_leads_here_are_carried_over(
    tmp_path: Path, write: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ".easel" / "queue.db"
    write(path)
    store = SqliteStore(path)
    assert [frame.id for frame in store.list_frames()] == ["gone", "a", "b"]
    assert store.put(Frame("c", "generate", job("c"))) == 4
    held = [store.owner_depth(owner, "generate").frames for owner in ("", "x", "ann", "bob")]
    assert sum(held) == 4  # caps know of those that were carried over
    store.close()
    assert "3 were taken over" in caplog.text
    assert len(list(path.parent.glob("queue.db.damaged-*[0-9]"))) == 1
    answer_all(tmp_path, "gone a b c")


def test_indexes_go_on_where_a_file_that_was_put_aside_stood(tmp_path: Path) -> None:
    """Whoever has seen the fifth answer waits for the sixth."""
    path = tmp_path / "queue.db"
    store = SqliteStore(path)
    for name in "abcde":
        store.put(Frame(name, "generate", b""))
        store.answer_waiting(name, Answer(200, b""))
        store.delete_answer(name)
    store.close()
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("PRAGMA user_version=99")
    store = SqliteStore(path)
    assert store.put(Frame("f", "generate", b"")) == 6
    store.answer_waiting("f", Answer(200, b""))
    assert answer_facts(store, "f") == [(6, {})]
    store.close()
