"""Entries in files that are damaged, full, or of an Easel that had no entries."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from webapp.queues.contracts.entries import INPUT, SINK, Entry, EntryFilter, EntryQuery
from webapp.queues.contracts.frame import Frame
from webapp.queues.sqlite.store import SqliteStore

COUNT = 50


def test_of_a_damaged_file_the_readable_entries_are_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    store = SqliteStore(path)
    for n in range(COUNT):
        store.entries.queue(SINK).put(Entry(f"r{n}", b"y" * 3000, {"n": str(n)}))
    store.close()
    with path.open("r+b") as file:
        file.seek(path.read_bytes().index(b"y" * 2000, path.stat().st_size // 2) // 4096 * 4096)
        file.write(os.urandom(8192))
    store = SqliteStore(path)
    sink = store.entries.queue(SINK)
    left = sink.get(EntryQuery(length=1000))
    assert COUNT - 10 < len(left) < COUNT
    assert sink.count(EntryFilter()) == len(left)
    for entry in left:
        assert entry.tags == {"n": entry.request_id[1:], "requestId": entry.request_id}
    store.close()


def test_file_of_an_earlier_easel_gets_the_tables_and_keeps_its_jobs(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    store = SqliteStore(path)
    store.put(Frame("waits", "generate", b"x"))
    store.close()
    with closing(sqlite3.connect(path)) as old, old:
        for kind in ("trigger", "table"):
            query = "SELECT name FROM sqlite_master WHERE type = ? AND name LIKE 'entr%'"
            for (name,) in old.execute(query, (kind,)).fetchall():
                old.execute(f"DROP {kind} {name}")
    store = SqliteStore(path)
    assert [frame.id for frame in store.list_frames()] == ["waits"]
    assert store.entries.queue(INPUT).put(Entry("r", b"x")) > 0
    assert store.entries.queue(INPUT).status().length == 1
    assert list(tmp_path.glob("*.damaged-*")) == []
    store.close()
