"""Shares on disk: one SQLite file, written before anybody hears of a link."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS shares (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, path TEXT NOT NULL, identity TEXT NOT NULL,
    folder INTEGER NOT NULL, made REAL NOT NULL, expires REAL, password TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shares_of ON shares (owner, made);
"""
PATIENCE = 10.0  # seconds to wait for another writer


@dataclass(frozen=True, slots=True)
class Share:
    """One link. ``path`` begins with a root's name, without a slash before it."""

    id: str
    owner: str
    path: str
    identity: str
    folder: bool
    made: float  # seconds since 1970
    expires: float | None  # None: when it is revoked
    password: str | None  # argon2's encoded hash


COLUMNS = ", ".join(field.name for field in fields(Share))


class ShareStore:
    """The table of shares in the file ``path``; threads and processes may use it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            database.executescript(SCHEMA)
        path.chmod(0o600)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.path, timeout=PATIENCE)
        try:
            with database:
                yield database
        finally:
            database.close()

    def add(self, share: Share) -> None:
        """Keep a share."""
        marks = ", ".join("?" for _ in fields(Share))
        with self._open() as database:
            database.execute(f"INSERT INTO shares ({COLUMNS}) VALUES ({marks})", astuple(share))

    def get(self, name: str) -> Share | None:
        """The share with exactly this id, over or not."""
        with self._open() as database:
            query = f"SELECT {COLUMNS} FROM shares WHERE id = ?"
            row = database.execute(query, (name,)).fetchone()
        return _share(row) if row else None

    def of(self, owner: str) -> tuple[Share, ...]:
        """One owner's shares, the newest first."""
        with self._open() as database:
            query = f"SELECT {COLUMNS} FROM shares WHERE owner = ? ORDER BY made DESC"
            rows = database.execute(query, (owner,)).fetchall()
        return tuple(map(_share, rows))

    def remove(self, name: str, owner: str) -> bool:
        """Forget a share of this owner; whether there was one."""
        with self._open() as database:
            query = "DELETE FROM shares WHERE id = ? AND owner = ?"
            return database.execute(query, (name, owner)).rowcount > 0

    def sweep(self, now: float) -> None:
        """Forget what is over."""
        with self._open() as database:
            database.execute("DELETE FROM shares WHERE expires <= ?", (now,))


def _share(row: tuple[object, ...]) -> Share:
    share = dict(zip((field.name for field in fields(Share)), row, strict=True))
    return Share(**share | {"folder": bool(share["folder"])})  # type: ignore[arg-type]
