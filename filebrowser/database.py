"""Recreatable SQLite files: opened, checked, migrated, and replaced when damaged.

No tree depends on what stands in them, so damage never keeps a process from starting:
the file is renamed ``NAME.damaged-<time>``, the log says so once, and an empty one takes its place.
A file of an earlier version is brought to this one's tables; as it was it is kept as
``NAME.version-<n>``. One of a later version counts as damaged.

``generator/database.py`` is the same code, as neither package may import the other; a test
compares them.
"""

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from errno import EACCES
from glob import escape
from pathlib import Path
from typing import TypeVar

from filebrowser.atomic_file import PRIVATE, SQLITE_SUFFIXES, put_aside

T = TypeVar("T")

MAX_CHECKED_BYTES = 64 * 2**20  # a larger file is not read through when it is opened
DAMAGE_CODES = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")

log = logging.getLogger(__name__)


class FileDatabaseDamaged(sqlite3.DatabaseError):
    """The file can be read and is none of ours: another version, other tables, broken pages."""


@dataclass(frozen=True, slots=True)
class FileDatabaseSchema:
    """The tables of a file (SQL that may be repeated), and the number of that form.

    ``migrations``: by version, the SQL that makes of a file of that version one of the next. A file
    from whose version no steps lead here counts as damaged.
    """

    script: str
    version: int = 1
    lock_timeout: float = 10.0  # seconds to wait for another writer
    durable: bool = False  # whether each change is on the disk before its call returns
    shared: bool = False  # whether machines may share it: SQLite's log is for one machine alone
    migrations: Mapping[int, str] = field(default_factory=dict)


class FileDatabase:
    """One file for all threads of a process: opened when it is first asked, and after a fork.

    Damage that shows in use is mended once: the work is done again on the new file.
    """

    def __init__(self, path: Path, layout: FileDatabaseSchema) -> None:
        self.path = path
        self._layout = layout
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened = (0, 0, 0)  # by which process; device and inode

    def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work`` returns, done in one transaction. Raises ``OSError``, ``sqlite3.Error``."""
        with self._lock:
            try:
                return self._run(work)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._replace_damaged(error)
                return self._run(work)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None and self._opened[0] == os.getpid():
                self._connection.close()
            self._connection = None

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None or self._opened[0] != os.getpid():
            self._connection = open_database(self.path, self._layout)
            self._opened = (os.getpid(), *file_identity(self.path))
        with self._connection:
            return work(self._connection)

    def _replace_damaged(self, error: sqlite3.Error) -> None:
        self.close()
        with lock_file(self.path):
            if file_identity(self.path) == self._opened[1:]:  # else somebody else has done it
                set_aside(self.path, error)


def open_database(path: Path, layout: FileDatabaseSchema) -> sqlite3.Connection:
    """A connection to a whole file with its tables, for one thread at a time.

    Several processes may do it at once. Raises ``OSError`` and ``sqlite3.Error`` where the disk
    does not let the file be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock_file(path):
        move_blocking_files(path)
        try:
            return _connect(path, layout)
        except sqlite3.Error as error:
            other_tables = getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR"
            if not is_damage(error) and not other_tables:
                raise
            set_aside(path, error)
            return _connect(path, layout)


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file itself is broken, and not the disk or the question."""
    error_name = getattr(error, "sqlite_errorname", None) or ""
    return isinstance(error, FileDatabaseDamaged) or error_name.startswith(DAMAGE_CODES)


def set_aside(path: Path, error: BaseException) -> None:
    """Rename a damaged file, and say so."""
    aside = put_aside(path)
    log.error("%s cannot be used (%s): it is kept as %s, and made anew", path, error, aside.name)


def move_blocking_files(path: Path) -> None:
    """Put aside what stands where the file, or what SQLite keeps beside it, belongs."""
    for ending in ("", *SQLITE_SUFFIXES):
        path_in_the_way = Path(f"{path}{ending}")
        if not os.path.lexists(path_in_the_way):
            continue
        if path_in_the_way.is_file() and not os.access(path_in_the_way, os.R_OK | os.W_OK):
            with suppress(OSError):
                path_in_the_way.chmod(PRIVATE)
        if not path_in_the_way.is_file():
            set_aside(path_in_the_way, OSError("it is no file"))
        elif not os.access(path_in_the_way, os.R_OK) and os.access(path.parent, os.W_OK):
            set_aside(path_in_the_way, OSError("it cannot be read"))
    if path.is_file() and not path.stat().st_size and not os.path.lexists(f"{path}-wal"):
        log.error("%s is empty: what it held is lost, and it is made anew", path)


def file_identity(path: Path) -> tuple[int, int]:
    """Device and inode; zeros where there is nothing."""
    try:
        facts = path.stat()
    except OSError:
        return 0, 0
    return facts.st_dev, facts.st_ino


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """One process at a time: two would put aside each other's new file."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def connect_file(
    path: Path, lock_timeout: float, *, autocommit: bool = False
) -> sqlite3.Connection:
    """A connection for one thread at a time; the file is made, for its user alone. Not checked.

    A file that is there is not opened here: when a descriptor of it is closed, this process loses
    the locks that its other connections hold on it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES), str(path)) from None
    return sqlite3.connect(
        path,
        timeout=lock_timeout,
        isolation_level=None if autocommit else "DEFERRED",
        check_same_thread=False,
    )


def _connect(path: Path, layout: FileDatabaseSchema) -> sqlite3.Connection:
    connection = connect_file(path, layout.lock_timeout)
    try:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        check_database(connection, path, layout)
    except BaseException:
        connection.close()
        raise
    return connection


def check_database(connection: sqlite3.Connection, path: Path, layout: FileDatabaseSchema) -> None:
    """Make the tables, or bring those of an earlier version to this one's.

    Raises :class:`FileDatabaseDamaged` and its kin. Nothing is written where the file is as it
    should be: the disk may be full.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not 0 <= version <= layout.version:
        raise FileDatabaseDamaged(f"its version is {version}, this Easel writes {layout.version}")
    if path.stat().st_size <= MAX_CHECKED_BYTES:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise FileDatabaseDamaged(verdict)
    connection.execute(f"PRAGMA journal_mode = {'DELETE' if layout.shared else 'WAL'}")
    connection.execute(f"PRAGMA synchronous = {'FULL' if layout.durable else 'NORMAL'}")
    if version == layout.version:
        connection.executescript(layout.script)  # for tables that came since, of the same version
        _check_columns(connection, layout)
    else:
        _migrate(connection, path, layout, version)


def _migrate(
    connection: sqlite3.Connection, path: Path, layout: FileDatabaseSchema, version: int
) -> None:
    """Bring a file of an earlier version, or an empty one, to this one's, as one transaction."""
    # A file of before the versions has tables and says 0.
    first = version or (1 if columns_of(connection) else layout.version)
    steps = [layout.migrations.get(number, "") for number in range(first, layout.version)]
    if not all(steps):
        raise FileDatabaseDamaged(f"nothing leads from its version {version} to {layout.version}")
    stamp = f"PRAGMA user_version = {layout.version}"
    try:
        connection.executescript(";\n".join(("BEGIN IMMEDIATE", *steps, layout.script, stamp)))
        _check_columns(connection, layout)
        if steps:
            copy = keep_copy(path, first)
            log.warning(
                "%s is of version %d and is brought to %d; as it was it is kept as %s",
                path, first, layout.version, copy.name,
            )  # fmt: skip
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def keep_copy(path: Path, version: int) -> Path:
    """Copy what is committed in a database to ``NAME.version-<n>``; returns the copy.

    The copy of an earlier version goes. Raises ``OSError``, ``sqlite3.Error``.
    """
    copy = path.with_name(f"{path.name}.version-{version}")
    draft = Path(f"{copy}.part")
    _remove(draft)
    try:
        with (
            closing(connect_file(draft, 0.0)) as target,
            closing(sqlite3.connect(path)) as source,  # one of its own, which sees no open change
        ):
            source.backup(target)
        draft.rename(copy)
    except BaseException:
        _remove(draft)
        raise
    for older in path.parent.glob(f"{escape(path.name)}.version-*"):
        if older != copy:
            older.unlink(missing_ok=True)
    return copy


def _remove(path: Path) -> None:
    for ending in ("", *SQLITE_SUFFIXES):
        Path(f"{path}{ending}").unlink(missing_ok=True)


def _check_columns(connection: sqlite3.Connection, layout: FileDatabaseSchema) -> None:
    """See that the tables have the columns of ``layout``. Raises :class:`FileDatabaseDamaged`."""
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(layout.script)
        if not columns_of(model).items() <= columns_of(connection).items():
            raise FileDatabaseDamaged("its tables are not those of this Easel")


def columns_of(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """The columns of every table, in their order."""
    columns_by_table: dict[str, tuple[str, ...]] = {}
    for table, column in connection.execute(
        "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c "
        "WHERE t.type = 'table' ORDER BY t.name, c.cid"
    ):
        columns_by_table[table] = (*columns_by_table.get(table, ()), column)
    return columns_by_table
