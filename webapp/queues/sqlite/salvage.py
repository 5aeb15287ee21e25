"""Copies the readable rows of a damaged queue database into a new one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from webapp.queues.sqlite.workloads import count_held_frames


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
    """Copy a table's rows up to the first that cannot be read, then from its end backwards."""
    copied = 0
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error):
            rows = damaged.execute(f"SELECT * FROM {table} ORDER BY rowid {order}")
            placeholders = ", ".join("?" for _ in rows.description)
            for row in rows:
                with suppress(sqlite3.IntegrityError):
                    query = f"INSERT OR IGNORE INTO {table} VALUES ({placeholders})"
                    copied += queue.execute(query, tuple(row)).rowcount
            break
    return copied
