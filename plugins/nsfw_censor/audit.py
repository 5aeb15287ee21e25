"""How many pictures were withheld, for /metrics: counted by workers, read by the web process."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

FILE = "withheld.db"
PATIENCE = 1.0  # seconds for another worker's note
TABLE = """CREATE TABLE IF NOT EXISTS withheld (
    stage TEXT, action TEXT, user TEXT, count INTEGER, PRIMARY KEY (stage, action, user))"""
MORE = """INSERT INTO withheld VALUES (?, ?, ?, 1)
    ON CONFLICT DO UPDATE SET count = count + 1"""


def note(storage: Path, stage: str, action: str, user: str) -> None:
    """One picture more. Raises ``OSError`` and ``sqlite3.Error``."""
    storage.mkdir(parents=True, exist_ok=True)
    with _opened(storage / FILE) as book, book:
        book.execute(TABLE)
        book.execute(MORE, (stage, action, user))


def counts(storage: Path) -> Mapping[Sequence[str], float]:
    """How many by stage, action and user, whom "" names the owner."""
    if not (storage / FILE).exists():
        return {}
    with _opened(storage / FILE) as book:
        return {tuple(row[:3]): row[3] for row in book.execute("SELECT * FROM withheld")}


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=PATIENCE)) as book:
        yield book
