"""One SQLite file shared by processes and threads: opening, transactions, a broken file.

Write-ahead log with ``synchronous=NORMAL``: what was committed survives ``kill -9`` of any
process at any moment. A power cut may take the last commits, never the file's integrity.
"""

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webapp.queues.ballast import Ballast
from webapp.queues.errors import QueueFull, QueueUnwritable
from webapp.queues.identity import FileIdentity

VERSION = 1
BUSY_SECONDS = 30.0
WAL_BYTES = 64 * 2**20
CHECKED_BYTES = 128 * 2**20
BALLAST = "ballast"  # a file beside the database, see ballast.py
UNWRITABLE = ("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")

SCHEMA = """
CREATE TABLE IF NOT EXISTS frames (
    "index" INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    priority INTEGER NOT NULL,
    tags TEXT NOT NULL,             -- JSON object
    put_at REAL NOT NULL,           -- unix seconds, here and below
    deliveries INTEGER NOT NULL DEFAULT 0,
    worker TEXT,                    -- who holds the lease; NULL: waiting
    token TEXT,
    leased_at REAL,
    expires REAL,
    body BLOB NOT NULL              -- last, so that reading the rest does not page through it
);
CREATE INDEX IF NOT EXISTS frames_waiting
    ON frames (worker, owner, priority, checkpoint, "index", put_at);
CREATE TABLE IF NOT EXISTS answers (
    id TEXT PRIMARY KEY,
    "index" INTEGER NOT NULL,       -- of the frame
    status INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    made_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS deaths (
    id TEXT PRIMARY KEY,            -- of a frame that workers died of
    times INTEGER NOT NULL,
    how TEXT NOT NULL               -- how the last of them ended
);
CREATE INDEX IF NOT EXISTS answers_made ON answers (made_at);
CREATE TABLE IF NOT EXISTS ledger (
    owner TEXT PRIMARY KEY,
    gpu_seconds REAL NOT NULL,      -- as they counted at as_of
    as_of REAL NOT NULL,
    rode_at REAL NOT NULL DEFAULT 0 -- when age last overrode the order for this owner
);
CREATE TABLE IF NOT EXISTS sightings (
    job TEXT PRIMARY KEY,
    progress TEXT NOT NULL,         -- JSON object
    started_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    preview_id INTEGER NOT NULL DEFAULT 0,
    preview BLOB
);
CREATE TABLE IF NOT EXISTS stops (
    job TEXT PRIMARY KEY,
    stop TEXT NOT NULL,
    asked_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS workers (
    worker TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    state TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    job TEXT NOT NULL,
    memory TEXT NOT NULL,           -- JSON object
    seen_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS tallies (
    name TEXT NOT NULL,
    labels TEXT NOT NULL,           -- JSON object, keys in order
    value REAL NOT NULL,
    PRIMARY KEY (name, labels)
);
CREATE TABLE IF NOT EXISTS standings (
    worker TEXT PRIMARY KEY,
    plugins TEXT NOT NULL           -- JSON object
);
CREATE TABLE IF NOT EXISTS errands (
    worker TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    verb TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    asked_at REAL NOT NULL
);
"""


class Database:
    """One connection behind a lock: transactions are short, SQLite has one writer anyhow."""

    def __init__(self, path: Path, log: logging.Logger) -> None:
        """Open the file, make it where it is missing, put it aside where it is broken.

        Raises ``sqlite3.OperationalError`` where the folder cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.ballast = Ballast(path.with_name(BALLAST), log)
        self._lock = threading.RLock()
        with opening(path):  # one process at a time, or two would put the file aside
            try:
                self._connection = connect(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    if not self.ballast.give_up():
                        raise
                    self._connection = connect(path)
                    self._opened = identities(path)
                    return
                aside = put_aside(path)
                log.error(
                    "The queue %s cannot be read (%s). It was kept as %s and an empty queue was "
                    "made: requests that waited in it are lost.",
                    path,
                    error,
                    aside.name,
                )
                self._connection = connect(path)
            self._opened = identities(path)
        self.ballast.make()

    def lost(self) -> str:
        """Why the open file is not the one of that name any more; "" while it is."""
        changes = (opened.change() for opened in self._opened)
        return next(filter(None, changes), "")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: all of the block or nothing.

        Raises :class:`QueueFull` when the disk is full, :class:`QueueUnwritable` where it fails or
        may only be read.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                # SQLite has already rolled back after some errors (a full disk is one).
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                refused = refusal(error)
                if refused is not None:
                    raise refused from error
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for one statement that only reads; never waits for a writer."""
        with self._lock:
            yield self._connection

    def close(self) -> None:
        """Close the file; the last process to do so folds the log into it."""
        with self._lock:
            self._connection.close()


def identities(path: Path) -> tuple[FileIdentity, ...]:
    """What must stay the same while the file is open: its folder and itself."""
    return FileIdentity.of(path.parent), FileIdentity.of(path)


def connect(path: Path) -> sqlite3.Connection:
    """An open connection in autocommit, its tables made. Raises ``sqlite3.DatabaseError``."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        # Nothing below writes where the file is as it should be: the disk may be full.
        known = connection.execute("PRAGMA user_version").fetchone()[0] == VERSION
        if not known:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # before the first table, or never
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        check(connection, path)
        connection.executescript(SCHEMA)
        if not known:
            connection.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ``sqlite3.DatabaseError`` for a damaged file or one of another version of Easel."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found not in (0, VERSION):
        raise sqlite3.DatabaseError(f"its version is {found}, this Easel writes {VERSION}")
    if path.stat().st_size > CHECKED_BYTES:  # reading it all would hold up the start
        return
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Hold the right to open the file, across processes."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def put_aside(path: Path) -> Path:
    """Rename a broken file and its log so that they can be looked at; returns the new path."""
    aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def refusal(error: BaseException) -> QueueFull | None:
    """The error that callers know, where it is the disk that refused to be written."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return QueueFull(
            "The disk that holds the queue is full: the request was not stored. "
            "Free some space and send it again."
        )
    if name.startswith(UNWRITABLE):
        return QueueUnwritable(
            f"The disk that holds the queue cannot be written ({error}): the request was not "
            "stored. Send it again when the disk is well."
        )
    return None
