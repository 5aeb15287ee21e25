"""Counts withheld pictures in SQLite: workers write, the web process reads for /metrics."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from generator.database import CacheDatabase, CacheSchema

FILE = "withheld.db"
LOCK_TIMEOUT = 1.0  # seconds for another worker's note
TABLE = """CREATE TABLE IF NOT EXISTS withheld (
    stage TEXT, action TEXT, user TEXT, count INTEGER, PRIMARY KEY (stage, action, user))"""
INCREMENT = """INSERT INTO withheld VALUES (?, ?, ?, 1)
    ON CONFLICT DO UPDATE SET count = count + 1"""


def count_withheld(storage: Path, stage: str, action: str, user: str) -> None:
    """One picture more. Raises ``OSError`` and ``sqlite3.Error``."""
    with _open_audit(storage) as database:
        database.call(lambda rows: rows.execute(INCREMENT, (stage, action, user)))


def read_counts(storage: Path) -> Mapping[Sequence[str], float]:
    """How many by stage, action and user, whom "" names the owner."""
    if not (storage / FILE).exists():
        return {}
    with _open_audit(storage) as database:
        rows = database.call(lambda rows: rows.execute("SELECT * FROM withheld").fetchall())
    return {tuple(row[:3]): row[3] for row in rows}


def _open_audit(storage: Path) -> closing[CacheDatabase]:
    return closing(CacheDatabase(storage / FILE, CacheSchema(TABLE, lock_timeout=LOCK_TIMEOUT)))
