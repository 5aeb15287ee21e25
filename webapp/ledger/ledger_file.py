"""The ledger's own SQLite file: read through before it is used, put aside where it is damaged.

As with the other files beside the queue, no damage keeps the service from starting. A database that
``--database-url`` names may hold accounts too and is left alone.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from generator.database import (
    check_pages,
    connect_file,
    file_identity,
    is_damage,
    lock_file,
    move_blocking_files,
    set_aside,
)
from webapp.accounts.errors import AccountsUnusable

LEDGER_NAME, LEDGER = "ledger.db", "usage ledger's database"
LOCK_SECONDS = 10.0  # to wait for another writer

T = TypeVar("T")


def open_whole(path: Path, open_file: Callable[[], T]) -> T:
    """What ``open_file`` returns, called when ``path`` is a whole file or none.

    One process at a time: two would put aside each other's new file. Raises ``AccountsUnusable``
    where a folder is in its place, or the disk does not let the file be used.
    """
    if path.is_dir():
        raise AccountsUnusable(
            f"The {LEDGER} cannot be used: {path.name} is a folder. Move it away; charges wait."
        )
    try:
        with lock_file(path):
            move_blocking_files(path)
            _replace_damaged(path)
            return open_file()
    except (OSError, sqlite3.Error) as error:
        raise AccountsUnusable(f"The {LEDGER} cannot be used ({error}).") from error


def replace_in_use(path: Path, opened: tuple[int, int], error: BaseException) -> None:
    """Put aside a file in whose use ``error`` came, unless it is not the ``opened`` one any more.

    Raises ``OSError``.
    """
    with lock_file(path):
        if is_damage(error) and file_identity(path) == opened:
            set_aside(path, error)


def _replace_damaged(path: Path) -> None:
    if not path.exists():
        return
    try:
        with closing(connect_file(path, LOCK_SECONDS)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
            check_pages(connection, path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        set_aside(path, error)
