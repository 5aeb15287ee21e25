"""One SQLite file shared by processes and threads: opening, transactions, a broken file.

Write-ahead log with ``synchronous=NORMAL``: what was committed survives ``kill -9`` of any
process at any moment. A power cut may take the last commits, never the file's integrity.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from generator.atomic_file import put_aside
from generator.database import (
    CacheSchema,
    check_database,
    connect_file,
    file_identity,
    is_damage,
    lock_file,
    move_blocking_files,
)
from webapp.queues.errors import (
    QueueBusy,
    QueueDamaged,
    QueueError,
    QueueFull,
    QueueUnwritable,
)
from webapp.queues.sqlite.ballast_file import BallastFile
from webapp.queues.sqlite.charge_table import CHARGE_TABLE
from webapp.queues.sqlite.entry_schema import ENTRY_SCHEMA
from webapp.queues.sqlite.file_identity import FileIdentity
from webapp.queues.sqlite.match_tables import MATCH_TABLES
from webapp.queues.sqlite.migrations import MIGRATIONS
from webapp.queues.sqlite.reader_pool import BUSY_SECONDS, ReaderPool, connect_reader
from webapp.queues.sqlite.salvage import copy_readable_rows

T = TypeVar("T")
SCHEMA_VERSION = 4  # grows with each change that CREATE ... IF NOT EXISTS does not make
TIMEOUT_STEP = 0.1  # seconds, by which a wait for the lock may be shorter than asked
WAL_BYTES = 64 * 2**20
FOREIGN_TABLES_ERROR = "SQLITE_ERROR"  # the tables are of another program
BALLAST_NAME = "ballast"  # a file beside the database, see ballast_file.py
BUSY_ERROR = "SQLITE_BUSY"
BUSY = (
    "The queue is being written by another process for longer than a request waits: nothing was "
    "stored. Send the request again in a moment."
)
UNWRITABLE_ERRORS = ("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")

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
CREATE TABLE IF NOT EXISTS answers (
    id TEXT PRIMARY KEY,
    "index" INTEGER NOT NULL,       -- of the frame
    status INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    made_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS answered (
    "index" INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the sink, in the order of answers
    id TEXT NOT NULL UNIQUE,        -- of an answer that is kept
    owner TEXT NOT NULL,            -- its frame's, as the tags
    tags TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deaths (
    id TEXT PRIMARY KEY,            -- of a frame that workers died of
    times INTEGER NOT NULL,
    how TEXT NOT NULL               -- how the last of them ended
);
CREATE INDEX IF NOT EXISTS answers_made ON answers (made_at);
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
CREATE TABLE IF NOT EXISTS worker_facts (
    worker TEXT PRIMARY KEY,
    facts TEXT NOT NULL             -- JSON object: version, models_folder, joined
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
CREATE TABLE IF NOT EXISTS service_notice (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    data_id TEXT NOT NULL,          -- of the data directory that is served
    version TEXT NOT NULL,          -- of the Easel that serves
    at REAL NOT NULL,               -- by the clock of its process
    said_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS service_ends (
    service TEXT PRIMARY KEY,       -- that is ending
    said_at REAL NOT NULL
);
"""

LAYOUT = CacheSchema(
    SCHEMA + ENTRY_SCHEMA + MATCH_TABLES + CHARGE_TABLE,
    SCHEMA_VERSION,
    BUSY_SECONDS,
    migrations=MIGRATIONS,
)


class QueueDatabase:
    """One connection that writes, behind a lock, and a few that only read.

    SQLite has one writer anyhow. A reader waits for no writer, of this process or another.
    """

    def __init__(self, path: Path, log: logging.Logger) -> None:
        """Open the file, make it where it is missing, put it aside where it is broken.

        Raises ``sqlite3.OperationalError`` where the folder cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.ballast = BallastFile(path.with_name(BALLAST_NAME), log)
        self.log = log
        self._write_lock = threading.RLock()
        self._readers = ReaderPool(self._connect_another_reader)
        self._open()
        self.ballast.allocate()

    def retry_with_ballast(self, act: Callable[[], T]) -> T:
        """Call ``act``; on a full disk release the ballast file and call it once more.

        Used for answers and stop requests, which others wait for. Raises :class:`QueueFull`.
        """
        try:
            return act()
        except QueueFull:
            if not self.ballast.release():
                raise
            return act()

    def loss_reason(self) -> str:
        """How the file of that name differs from the open one; "" if it is the same."""
        changes = (opened.describe_change() for opened in self._opened)
        return next(filter(None, changes), "")

    def _open(self, damage: sqlite3.Error | None = None) -> None:
        """Open the file, or, where that is damaged, one that takes its place; then let it be read.

        Readers wait meanwhile: in a new file they would miss what is still being carried over.
        """
        with lock_file(self.path):  # one process at a time, or two would put the file aside
            self._writer = self._open_writer(damage)
            try:
                self._readers.start(connect_reader(self.path))
            except BaseException:
                self._writer.close()
                raise

    def _open_writer(self, damage: sqlite3.Error | None) -> sqlite3.Connection:
        move_blocking_files(self.path)
        if damage is None or file_identity(self.path) != self._file:  # another has mended it
            try:
                return self._connect()
            except sqlite3.Error as error:
                damage = error
            if (
                not is_damage(damage)
                and getattr(damage, "sqlite_errorname", "") != FOREIGN_TABLES_ERROR
            ):
                if not self.ballast.release():
                    raise damage
                return self._connect()
        aside = put_aside(self.path)
        connection = self._connect()
        jobs, answers = copy_readable_rows(aside, connection)
        self.log.error(
            "The queue %s is damaged (%s): it is kept as %s. Of its requests %d were taken "
            "over into a new one, and %d answers; what could not be read is lost.",
            self.path, damage, aside.name, jobs, answers,
        )  # fmt: skip
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self.path)
        self._timeout = int(BUSY_SECONDS * 1000)  # of the connection that writes
        self._file, self._opened = file_identity(self.path), file_identities(self.path)
        return connection

    def _connect_another_reader(self) -> sqlite3.Connection | None:
        """One more; None where the open file has lost its name, or none more can be opened."""
        if self.loss_reason():  # the file of that name is another's, who may just be making it
            return None
        try:
            connection = connect_reader(self.path)
        except sqlite3.OperationalError:  # the readers that there are tell what ails the file
            return None
        if self.loss_reason():
            connection.close()
            return None
        return connection

    @contextmanager
    def _replace_if_damaged(self) -> Iterator[None]:
        """Replace a database that turns out damaged; this caller gets :class:`QueueDamaged`."""
        opened = self._opened
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._replace(opened, error)
            raise QueueDamaged(
                "The queue was damaged and has been mended. Send the request again."
            ) from error

    def _replace(self, opened: tuple[FileIdentity, ...], error: sqlite3.Error) -> None:
        """Put another in the place of the file that was ``opened``."""
        with self._write_lock:
            if self._opened is not opened:  # another thread has met the same damage
                return
            self._readers.pause()
            self._writer.close()
            try:
                self._open(error)
            except BaseException:
                self._readers.close()
                raise

    @contextmanager
    def _hold_write_lock(self, seconds: float) -> Iterator[None]:
        """Of this process's threads; each then waits as long for other processes, not for all."""
        if not self._write_lock.acquire(timeout=seconds):
            raise QueueBusy(BUSY)
        try:
            yield
        finally:
            self._write_lock.release()

    @contextmanager
    def write_transaction(self, patience: float | None = None) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: all of the block or nothing.

        Raises :class:`QueueFull` when the disk is full, :class:`QueueUnwritable` where it fails or
        may only be read; :class:`QueueBusy` where others write for ``patience`` seconds
        (``BUSY_SECONDS``).
        """
        began = time.monotonic()
        seconds = BUSY_SECONDS if patience is None else patience
        with self._hold_write_lock(seconds), self._replace_if_damaged():
            try:
                left = seconds if patience is None else seconds - (time.monotonic() - began)
                self._begin_within(left)
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                # SQLite has already rolled back after some errors (a full disk is one).
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                queue_error = to_queue_error(error)
                if queue_error is not None:
                    raise queue_error from error
                raise

    def _begin_within(self, seconds: float) -> None:
        """Begin to write, if no other process does for so long, give or take a step."""
        timeout = max(int(seconds / TIMEOUT_STEP), 0) * int(TIMEOUT_STEP * 1000)
        if timeout != self._timeout:  # it stays: most that write one after another wait alike
            self._writer.execute(f"PRAGMA busy_timeout={timeout}")
            self._timeout = timeout
        self._writer.execute("BEGIN IMMEDIATE")

    @contextmanager
    def read_connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for statements that only read, each of which the block reads to its end.

        Never waits for a writer.
        """
        with self._replace_if_damaged(), self._readers.lend() as connection:
            yield connection

    def close(self) -> None:
        """Close the file; the last process to do so folds the log into it."""
        with self._write_lock:
            self._readers.close()
            self._writer.close()


def file_identities(path: Path) -> tuple[FileIdentity, ...]:
    """What must stay the same while the file is open: its folder and itself."""
    return FileIdentity.from_path(path.parent), FileIdentity.from_path(path)


def connect(path: Path) -> sqlite3.Connection:
    """An open connection in autocommit, its tables made. Raises ``sqlite3.DatabaseError``."""
    connection = connect_file(path, BUSY_SECONDS, autocommit=True)
    try:
        connection.row_factory = sqlite3.Row
        # Nothing below writes where the file is as it should be: the disk may be full.
        if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # before the first table, or never
        check_database(connection, path, LAYOUT)
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def to_queue_error(error: BaseException) -> QueueError | None:
    """The error of ours for a full, failing or busy file of SQLite, else None."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(BUSY_ERROR):
        return QueueBusy(BUSY)
    if name == "SQLITE_FULL":
        return QueueFull(
            "The disk that holds the queue is full: the request was not stored. "
            "Free some space and send it again."
        )
    if name.startswith(UNWRITABLE_ERRORS):
        return QueueUnwritable(
            "The disk that holds the queue cannot be written: the request was not "
            "stored. Send it again when the disk is well."
        )
    return None
