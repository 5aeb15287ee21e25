"""Counts withheld pictures in SQLite: workers write, the web process reads for /metrics."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from generator.database import Database, Layout

FILE = "withheld.db"
PATIENCE = 1.0  # seconds for another worker's note
TABLE = """CREATE TABLE IF NOT EXISTS withheld (
    stage TEXT, action TEXT, user TEXT, count INTEGER, PRIMARY KEY (stage, action, user))"""
MORE = """INSERT INTO withheld VALUES (?, ?, ?, 1)
    ON CONFLICT DO UPDATE SET count = count + 1"""


def note(storage: Path, stage: str, action: str, user: str) -> None:
    """One picture more. Raises ``OSError`` and ``sqlite3.Error``."""
    with _opened(storage) as book:
        book.call(lambda rows: rows.execute(MORE, (stage, action, user)))


def counts(storage: Path) -> Mapping[Sequence[str], float]:
    """How many by stage, action and user, whom "" names the owner."""
    if not (storage / FILE).exists():
        return {}
    with _opened(storage) as book:
        rows = book.call(lambda rows: rows.execute("SELECT * FROM withheld").fetchall())
    return {tuple(row[:3]): row[3] for row in rows}


def _opened(storage: Path) -> closing[Database]:
    return closing(Database(storage / FILE, Layout(TABLE, patience=PATIENCE)))
