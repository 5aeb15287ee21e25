"""Share store: one SQLite file, written before a link is returned."""

from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from filebrowser.database import FileDatabase, FileDatabaseSchema

SCHEMA = """
CREATE TABLE IF NOT EXISTS shares (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, path TEXT NOT NULL, identity TEXT NOT NULL,
    folder INTEGER NOT NULL, made REAL NOT NULL, expires REAL, password TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shares_of ON shares (owner, made);
"""
LAYOUT = FileDatabaseSchema(SCHEMA, durable=True)  # a link that somebody was told of is on the disk


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

    def __init__(self, path: Path, shared: bool = False) -> None:
        self._database = FileDatabase(path, replace(LAYOUT, shared=shared))
        self._database.call(lambda rows: None)  # damage shows at the start

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def add(self, share: Share) -> None:
        """Keep a share."""
        marks = ", ".join("?" for _ in fields(Share))
        query = f"INSERT INTO shares ({COLUMNS}) VALUES ({marks})"
        self._database.call(lambda rows: rows.execute(query, astuple(share)))

    def get(self, name: str) -> Share | None:
        """The share with exactly this id, over or not."""
        query = f"SELECT {COLUMNS} FROM shares WHERE id = ?"
        row = self._database.call(lambda rows: rows.execute(query, (name,)).fetchone())
        return _share_from_row(row) if row else None

    def shares_of(self, owner: str) -> tuple[Share, ...]:
        """One owner's shares, the newest first."""
        query = f"SELECT {COLUMNS} FROM shares WHERE owner = ? ORDER BY made DESC"
        return tuple(
            map(
                _share_from_row,
                self._database.call(lambda rows: rows.execute(query, (owner,)).fetchall()),
            )
        )

    def remove(self, name: str, owner: str) -> bool:
        """Forget a share of this owner; whether there was one."""
        query = "DELETE FROM shares WHERE id = ? AND owner = ?"
        return self._database.call(lambda rows: rows.execute(query, (name, owner)).rowcount > 0)

    def sweep(self, now: float) -> None:
        """Forget what is over."""
        query = "DELETE FROM shares WHERE expires <= ?"
        self._database.call(lambda rows: rows.execute(query, (now,)))


def _share_from_row(row: tuple[object, ...]) -> Share:
    share = dict(zip((field.name for field in fields(Share)), row, strict=True))
    return Share(**share | {"folder": bool(share["folder"])})  # type: ignore[arg-type]
