"""Connections that only read the queue's file, lent to one thread at a time."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

BUSY_SECONDS = 30.0  # seconds that a connection waits for the lock of another
MAX_READERS = 8  # of a process, however many threads it has; each holds two open files


class ReaderPool:
    """At most ``MAX_READERS`` connections, opened when more are needed at once. Thread-safe.

    ``connect`` opens one more, or returns None where that cannot be done now: callers then wait
    for one that is lent. Nothing is lent before :meth:`start` and during a pause.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection | None]) -> None:
        self._connect = connect
        self._changed = threading.Condition()
        self._idle: list[sqlite3.Connection] = []
        self._count = 0  # open ones, without those that a pause found lent
        self._pauses = 0
        self._is_lending = False
        self._is_closed = False

    def start(self, first: sqlite3.Connection) -> None:
        """Lend ``first`` and others to the same file, until the next pause."""
        with self._changed:
            self._idle, self._count = [first], 1
            self._is_lending = True
            self._changed.notify_all()

    def pause(self) -> None:
        """Lend nothing until :meth:`start`, and close all; what is lent, when it comes back."""
        with self._changed:
            for connection in self._idle:
                connection.close()
            self._idle, self._count = [], 0
            self._pauses += 1
            self._is_lending = False

    def close(self) -> None:
        """Lend nothing any more: whoever waits or comes later gets ``sqlite3.ProgrammingError``."""
        self.pause()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """A connection for the block, in which every statement is read to its end."""
        connection, pauses = self._take()
        try:
            yield connection
        finally:
            with self._changed:
                if pauses == self._pauses:
                    self._idle.append(connection)
                    self._changed.notify()
                else:
                    connection.close()

    def _take(self) -> tuple[sqlite3.Connection, int]:
        with self._changed:
            while not self._is_closed:
                if self._is_lending and (connection := self._find_or_open()) is not None:
                    return connection, self._pauses
                self._changed.wait()
        raise sqlite3.ProgrammingError("Cannot operate on a closed database.")

    def _find_or_open(self) -> sqlite3.Connection | None:
        if self._idle:
            return self._idle.pop()
        if self._count >= MAX_READERS:
            return None
        connection = self._connect()
        self._count += connection is not None
        return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads a file that this process has open. Raises ``sqlite3.Error``.

    In autocommit: each statement sees what is committed when it begins, and waits for no writer.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",  # SQLite's own locks are taken while one reads
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA query_only=ON")
        # Opens the log beside the file as well, while both have the names of those that are open.
        connection.execute("PRAGMA user_version").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
