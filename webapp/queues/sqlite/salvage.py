"""Copies the readable rows of a damaged queue database into a new one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from webapp.queues.sqlite.workloads import count_held_frames

MAX_INDEX = 2**53  # a larger number is damage


def copy_readable_rows(aside: Path, queue: sqlite3.Connection) -> tuple[int, int]:
    """Copy readable requests and answers; returns the number of requests and of answers copied.

    A request whose answer is already stored is left out, so that nothing is drawn twice.
    """
    try:
        with (
            suppress(sqlite3.Error),
            closing(_open_read_only(aside)) as damaged,
            _transaction(queue),
        ):
            answers = _copy_table(damaged, queue, "answers")
            _copy_table(damaged, queue, "answered")
            jobs = _copy_table(damaged, queue, "frames")
            _copy_table(damaged, queue, "entries")
            _copy_table(damaged, queue, "charges")
            _copy_table(damaged, queue, "busy_times")
            _copy_last_indexes(damaged, queue)
            duplicates = queue.execute("DELETE FROM frames WHERE id IN (SELECT id FROM answers)")
            count_held_frames(queue)
            return jobs - duplicates.rowcount, answers
        return 0, 0
    finally:
        _remove_leftovers(aside)


def _remove_leftovers(aside: Path) -> None:
    """Remove what reading has left beside the file."""
    log = Path(f"{aside}-wal")
    with suppress(OSError):
        Path(f"{aside}-shm").unlink(missing_ok=True)
        if log.exists() and not log.stat().st_size:
            log.unlink()


@contextmanager
def _transaction(queue: sqlite3.Connection) -> Iterator[None]:
    """The connection is in autocommit: what was copied before an error stays."""
    queue.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        queue.execute("COMMIT")


def _open_read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)


def _copy_table(damaged: sqlite3.Connection, queue: sqlite3.Connection, table: str) -> int:
    """Copy a table's rows up to the first that cannot be read, then from its end backwards.

    The columns are those that both have: the file may be of another version.
    """
    copied = 0
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error):
            known = _columns_of(damaged, table)
            columns = [column for column in _columns_of(queue, table) if column in known]
            if not columns:
                return 0
            names, placeholders = ", ".join(columns), ", ".join("?" for _ in columns)
            for row in damaged.execute(f"SELECT {names} FROM {table} ORDER BY rowid {order}"):
                with suppress(sqlite3.IntegrityError):
                    query = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({placeholders})"
                    copied += queue.execute(query, tuple(row)).rowcount
            break
    return copied


def _columns_of(db: sqlite3.Connection, table: str) -> list[str]:
    """Names of a table's columns, quoted."""
    return [f'"{row[0]}"' for row in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _copy_last_indexes(damaged: sqlite3.Connection, queue: sqlite3.Connection) -> None:
    """Go on counting where the other file stood: no index is given twice."""
    query = "SELECT MAX(seq) FROM sqlite_sequence WHERE name = ?"
    with suppress(sqlite3.Error):
        for (table,) in damaged.execute("SELECT name FROM sqlite_sequence").fetchall():
            (last,) = damaged.execute(query, (table,)).fetchone()
            (here,) = queue.execute(query, (table,)).fetchone()
            is_index = isinstance(last, int) and (here or 0) < last < MAX_INDEX
            if is_index and _columns_of(queue, table):
                queue.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
                queue.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))
