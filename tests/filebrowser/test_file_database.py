"""Databases that can be made again: damage costs what they held, and never a start."""

import errno
import logging
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from filebrowser import database
from filebrowser.atomic_file import SQLITE_SUFFIXES
from filebrowser.database import (
    FileDatabase,
    FileDatabaseDamaged,
    FileDatabaseSchema,
    columns_of,
    file_identity,
    is_damage,
    lock_file,
    open_database,
)

NOTES = FileDatabaseSchema("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT);")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "notes.db"


def add(notes: FileDatabase, text: str) -> None:
    notes.call(lambda rows: rows.execute("INSERT INTO notes (text) VALUES (?)", (text,)))


def texts_in(notes: FileDatabase) -> list[str]:
    return [row[0] for row in notes.call(lambda r: r.execute("SELECT text FROM notes").fetchall())]


def put_aside_beside(path: Path) -> list[str]:
    """Names of damaged files, without what SQLite kept beside them."""
    names = (each.name for each in path.parent.glob("*.damaged-*"))
    return [name for name in names if not name.endswith(SQLITE_SUFFIXES)]


def test_what_is_written_is_there_for_the_next_process(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "kept")
    notes.close()
    assert texts_in(FileDatabase(path, NOTES)) == ["kept"]
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_call_is_done_as_a_whole_or_not_at_all(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "first")

    def half(rows: sqlite3.Connection) -> None:
        rows.execute("INSERT INTO notes (text) VALUES ('second')")
        raise KeyError("third")

    with pytest.raises(KeyError):
        notes.call(half)
    assert texts_in(notes) == ["first"]


def test_a_wrong_question_is_no_damage(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "kept")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        notes.call(lambda rows: rows.execute("SELECT * FROM others"))
    with pytest.raises(sqlite3.IntegrityError):
        notes.call(lambda rows: rows.execute("INSERT INTO notes VALUES (1, 'again')"))
    assert texts_in(notes) == ["kept"]
    assert put_aside_beside(path) == []


def test_a_closed_database_opens_again_when_it_is_asked(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "one")
    notes.close()
    notes.close()
    assert texts_in(notes) == ["one"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no database at all " * 500),
        lambda path: path.write_bytes(b"SQLite format 3\0" + os.urandom(5000)),
        lambda path: os.truncate(path, 1000),
        lambda path: set_version(path, 7),
        lambda path: replace_tables(path, "CREATE TABLE notes (id INTEGER PRIMARY KEY)"),
        lambda path: replace_tables(path, "CREATE VIEW notes AS SELECT 1 AS id"),
        lambda path: replace_by(path, lambda: path.mkdir()),
        lambda path: replace_by(path, lambda: path.symlink_to("nowhere")),
    ],
)
def test_whatever_is_wrong_with_the_file_an_empty_one_takes_its_place(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], object]
) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "lost")
    notes.close()
    spoil(path)
    with caplog.at_level(logging.ERROR):
        again = FileDatabase(path, NOTES)
        assert texts_in(again) == []
        add(again, "new")
    assert texts_in(again) == ["new"]
    (aside,) = put_aside_beside(path)
    assert aside in caplog.text
    assert len(caplog.records) == 1


def set_version(path: Path, version: int) -> None:
    with sqlite3.connect(path) as rows:
        rows.execute(f"PRAGMA user_version = {version}")
    rows.close()


def replace_tables(path: Path, script: str) -> None:
    with sqlite3.connect(path) as rows:
        rows.execute("DROP TABLE notes")
        rows.executescript(script)
    rows.close()


def replace_by(path: Path, make: Callable[[], object]) -> None:
    path.unlink()
    make()


def test_an_empty_file_is_said_to_have_lost_what_it_held(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.touch()
    with caplog.at_level(logging.ERROR):
        assert texts_in(FileDatabase(path, NOTES)) == []
    assert "is empty: what it held is lost" in caplog.text
    assert put_aside_beside(path) == []


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_a_folder_in_the_place_of_sqlites_own_files_goes_aside(path: Path, ending: str) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "kept")
    notes.close()
    Path(f"{path}{ending}").mkdir()
    assert texts_in(FileDatabase(path, NOTES)) == ["kept"]
    assert len(put_aside_beside(path)) == 1


def test_damage_that_shows_in_use_is_mended_and_the_work_done_again(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "before")
    calls = []

    def work(rows: sqlite3.Connection) -> int:
        calls.append(rows)
        if len(calls) == 1:
            raise FileDatabaseDamaged("a page is broken")
        return int(rows.execute("SELECT count(*) FROM notes").fetchone()[0])

    assert notes.call(work) == 0
    assert len(calls) == 2
    assert len(put_aside_beside(path)) == 1


def test_damage_that_does_not_go_away_is_told_and_ends(path: Path) -> None:
    notes = FileDatabase(path, NOTES)

    def always(_: sqlite3.Connection) -> None:
        raise FileDatabaseDamaged("again")

    with pytest.raises(FileDatabaseDamaged, match="again"):
        notes.call(always)
    assert texts_in(notes) == []


def test_a_file_that_another_process_has_mended_is_not_put_aside_again(path: Path) -> None:
    notes, other = FileDatabase(path, NOTES), FileDatabase(path, NOTES)
    add(notes, "old")
    texts_in(other)

    def fail_once(rows: sqlite3.Connection) -> list[tuple[str]]:
        if not failed:
            failed.append(True)
            raise FileDatabaseDamaged("both saw it")
        return rows.execute("SELECT text FROM notes").fetchall()

    failed: list[bool] = []
    notes.call(fail_once)
    add(notes, "new")
    failed.clear()
    assert other.call(fail_once) == [("new",)]
    assert len(put_aside_beside(path)) == 1


def test_text_that_is_no_utf_8_is_read_with_marks_in_its_place(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    notes.call(
        lambda rows: rows.execute("INSERT INTO notes (text) VALUES (CAST(x'61ff62' AS TEXT))")
    )
    assert texts_in(notes) == ["a\ufffdb"]


def test_a_file_of_an_earlier_layout_gets_the_tables_that_came_since(path: Path) -> None:
    add(FileDatabase(path, NOTES), "kept")
    wider = FileDatabaseSchema(NOTES.script + "CREATE TABLE IF NOT EXISTS tags (name TEXT);")
    notes = FileDatabase(path, wider)
    assert texts_in(notes) == ["kept"]
    assert notes.call(columns_of) == {"notes": ("id", "text"), "tags": ("name",)}


def test_a_file_too_large_to_be_read_through_is_trusted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = FileDatabase(path, NOTES)
    for number in range(500):
        add(notes, f"{number}" * 50)
    notes.close()
    content = bytearray(path.read_bytes())
    content[-4096:] = bytes(4096)
    path.write_bytes(content)
    monkeypatch.setattr(database, "MAX_CHECKED_BYTES", 4096)
    open_database(path, NOTES).close()
    assert put_aside_beside(path) == []
    monkeypatch.setattr(database, "MAX_CHECKED_BYTES", 1 << 30)
    open_database(path, NOTES).close()
    assert len(put_aside_beside(path)) == 1


def test_a_full_disk_is_no_damage(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "kept")

    def fill(rows: sqlite3.Connection) -> None:
        pages = rows.execute("PRAGMA page_count").fetchone()[0]
        rows.execute(f"PRAGMA max_page_count = {pages}")
        rows.execute("INSERT INTO notes (text) VALUES (?)", ("x" * 100_000,))

    with pytest.raises(sqlite3.OperationalError, match="full") as full:
        notes.call(fill)
    assert not is_damage(full.value)
    assert texts_in(notes) == ["kept"]


def test_threads_share_a_database(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    threads = [
        threading.Thread(target=lambda n=n: [add(notes, f"{n}-{i}") for i in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts_in(notes)) == sorted(f"{n}-{i}" for n in range(4) for i in range(20))


def test_a_forked_process_opens_the_file_for_itself(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "parent")
    inherited = notes._connection

    def use_in_child() -> None:
        add(notes, "child")
        assert notes._connection is not inherited
        notes.close()

    child = multiprocessing.get_context("fork").Process(target=use_in_child)
    child.start()
    child.join()
    assert child.exitcode == 0
    add(notes, "parent again")
    assert texts_in(notes) == ["parent", "child", "parent again"]


def test_only_one_holds_the_lock(path: Path) -> None:
    path.parent.mkdir()
    events: list[str] = []

    def wait_for_lock() -> None:
        with lock_file(path):
            events.append("second")

    with lock_file(path):
        thread = threading.Thread(target=wait_for_lock)
        thread.start()
        thread.join(0.1)
        events.append("first")
    thread.join()
    assert events == ["first", "second"]


def test_a_file_that_is_not_there_has_no_identity(path: Path) -> None:
    assert file_identity(path) == (0, 0)
    open_database(path, NOTES).close()
    assert file_identity(path) == (path.stat().st_dev, path.stat().st_ino)


MARKED = FileDatabaseSchema(
    "CREATE TABLE IF NOT EXISTS notes"
    " (id INTEGER PRIMARY KEY, text TEXT, mark TEXT NOT NULL DEFAULT '');",
    version=3,
    migrations={
        1: "ALTER TABLE notes ADD COLUMN mark TEXT NOT NULL DEFAULT ''",
        2: "UPDATE notes SET mark = 'old'; UPDATE notes SET text = upper(text);",
    },
)


def marks_in(notes: FileDatabase) -> list[tuple[str, str]]:
    return notes.call(lambda rows: rows.execute("SELECT text, mark FROM notes").fetchall())


def write_notes(path: Path) -> None:
    notes = FileDatabase(path, NOTES)
    add(notes, "kept")
    notes.close()


@pytest.mark.parametrize("version", [0, 1])
def test_a_file_of_an_earlier_version_is_migrated_and_kept_as_it_was(
    path: Path, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    write_notes(path)
    set_version(path, version)  # 0: of before the versions
    for _ in range(2):
        notes = FileDatabase(path, MARKED)
        assert marks_in(notes) == [("KEPT", "old")]
        notes.close()
    copy = path.with_name("notes.db.version-1")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert copy.name in caplog.text
    assert texts_in(FileDatabase(copy, NOTES)) == ["kept"]
    assert copy.stat().st_mode & 0o077 == 0
    assert put_aside_beside(path) == []


def test_of_copies_the_latest_is_kept(path: Path) -> None:
    write_notes(path)
    open_database(path, MARKED).close()
    later = {**MARKED.migrations, 3: "UPDATE notes SET mark = 'older'"}
    notes = FileDatabase(path, FileDatabaseSchema(MARKED.script, version=4, migrations=later))
    assert marks_in(notes) == [("KEPT", "older")]
    assert [copy.name for copy in path.parent.glob("*.version-*")] == ["notes.db.version-3"]


def test_many_open_a_file_of_an_earlier_version_at_once(path: Path) -> None:
    write_notes(path)
    threads = [
        threading.Thread(target=lambda: open_database(path, MARKED).close()) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert marks_in(FileDatabase(path, MARKED)) == [("KEPT", "old")]
    assert len(list(path.parent.glob("*.version-*"))) == 1
    assert put_aside_beside(path) == []


def test_a_step_that_fails_changes_nothing_and_the_file_is_put_aside(path: Path) -> None:
    write_notes(path)
    steps = {1: "UPDATE notes SET text = 'half'; INSERT INTO nowhere VALUES (1);", 2: "SELECT 1"}
    wrong = FileDatabaseSchema(MARKED.script, version=3, migrations=steps)
    assert marks_in(FileDatabase(path, wrong)) == []
    (aside,) = put_aside_beside(path)
    assert texts_in(FileDatabase(path.with_name(aside), NOTES)) == ["kept"]
    assert list(path.parent.glob("*.version-*")) == []


def test_without_room_for_the_copy_the_file_stays_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notes(path)

    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "rename", fill)
        with pytest.raises(OSError, match="No space"):
            open_database(path, MARKED)
    assert [each.name for each in path.parent.iterdir() if "version" in each.name] == []
    assert texts_in(FileDatabase(path, NOTES)) == ["kept"]
    assert marks_in(FileDatabase(path, MARKED)) == [("KEPT", "old")]
