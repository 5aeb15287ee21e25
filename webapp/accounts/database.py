"""The accounts' database: SQLite in the data directory, or PostgreSQL. No Flask.

Reads see each row as it is now. Writes are transactions; SQLite's take the lock at once, so that
what a writer reads stays true until it is done.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from webapp.access.secret import Secret
from webapp.accounts.errors import AccountsUnusable
from webapp.errors import Unavailable

DATABASE_NAME = "accounts.db"
ACCOUNTS = "accounts' database"
PRIVATE_MODE = 0o600
LOCK_SECONDS = 10  # seconds to wait for another writer, a connection, the first answer
POOL_SIZE, POOL_OVERFLOW = 5, 15  # connections kept, and opened more under load
RETRY_SECONDS = 5
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
KINDS = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"

log = logging.getLogger("easel.accounts")


class AccountDatabase:
    """Connections to one database, for all threads of a process. ``content``: what it holds."""

    def __init__(self, engine: sa.Engine, content: str = ACCOUNTS) -> None:
        self.engine = engine
        self.content = content
        self.writer = engine.execution_options(easel_writes=True)
        self.reader = (
            engine
            if engine.dialect.name == "sqlite"  # each statement is by itself there anyway
            else engine.execution_options(isolation_level="AUTOCOMMIT")
        )

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for statements that change nothing. Raises ``Unavailable``."""
        with translated_errors(self.content), self.reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A connection in a transaction, which is on the disk after the block.

        Raises ``Unavailable``; then, and after any exception, nothing was written.
        """
        with translated_errors(self.content), self.writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


@contextmanager
def translated_errors(content: str) -> Iterator[None]:
    """The database's own errors as 503; their texts go to the log."""
    try:
        yield
    except SQLAlchemyError as error:
        log.error("the %s: %s", content, describe(error))
        raise Unavailable(
            f"The {content} does not answer; the log says why. Try again in a moment.",
            RETRY_SECONDS,
        ) from error


def describe(error: SQLAlchemyError) -> str:
    """The driver's sentence alone: no statement, no value."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).strip().splitlines()[0] if str(cause) else ''}"


def storable(text: str, most: int) -> str:
    """``text`` as every database takes it: without NUL and halves of characters, ``most`` long."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")[:most]


def inserted_id(result: sa.CursorResult[Any]) -> int:
    """The number that a new row was given."""
    key = result.inserted_primary_key
    if key is None:
        raise TypeError("The statement inserted no row.")
    return int(key[0])


def open_database(
    url: Secret | None,
    folder: Path,
    name: str = DATABASE_NAME,
    content: str = ACCOUNTS,
    *,
    shared: bool = False,
) -> AccountDatabase:
    """The database of an address; without one, a file in ``folder``. Nothing is connected yet.

    ``shared``: processes of several machines use the file, for which SQLite's log is not made.
    Raises :class:`AccountsUnusable` for an address that is none, with no part of it.
    """
    default = sa.URL.create("sqlite", database=str(folder / name))
    address = parse_address(url) if url else default
    if address.get_backend_name() == "sqlite":
        return AccountDatabase(_sqlite_engine(address, "DELETE" if shared else "WAL"), content)
    return AccountDatabase(
        sa.create_engine(
            address,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=LOCK_SECONDS,
            connect_args={"connect_timeout": LOCK_SECONDS},
        ),
        content,
    )


def parse_address(url: Secret) -> sa.URL:
    """An address with the driver that Easel brings. Raises :class:`AccountsUnusable`."""
    try:
        address = sa.make_url(url.reveal())
    except (ArgumentError, ValueError):
        raise AccountsUnusable(f"--database-url takes {KINDS}; this is no address.") from None
    name = DRIVERS.get(address.drivername, address.drivername)
    if name not in ("sqlite", *DRIVERS.values()):
        raise AccountsUnusable(
            f"--database-url takes {KINDS}, and no database of the kind {address.drivername!r}."
        )
    if name == "sqlite" and address.database in (None, "", ":memory:"):
        raise AccountsUnusable("--database-url names no file: sqlite:////absolute/path is one.")
    return address.set(drivername=name)


def _sqlite_engine(address: sa.URL, journal: str) -> sa.Engine:
    engine = sa.create_engine(
        address,
        hide_parameters=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=LOCK_SECONDS,
        connect_args={"timeout": LOCK_SECONDS},
    )
    event.listen(engine, "do_connect", _create_private_file)
    event.listen(engine, "connect", partial(_prepare_sqlite, journal))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private_file(dialect: Any, record: Any, arguments: list[Any], options: Any) -> None:
    """The file is its user's alone from its first byte."""
    os.close(os.open(arguments[0], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE))


def _prepare_sqlite(journal: str, connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    for pragma in (f"journal_mode = {journal}", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("easel_writes"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
