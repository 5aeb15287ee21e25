"""Counters stored in the queue database (jobs, seconds, cache hits), read by ``/metrics``."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from webapp.queues.contracts.counters import CounterValue
from webapp.queues.sqlite.part import StorePart

MAX_LABEL_SETS = 500
"""Sets of labels a name keeps; beyond it users and models are counted together as ``OTHER``."""

MAX_LABEL_LENGTH = 120  # characters of a label
UNBOUNDED_LABELS = frozenset({"user", "model"})
OTHER = "other"

UPSERT_COUNTER = """
INSERT INTO tallies (name, labels, value) VALUES (:name, :labels, :amount)
ON CONFLICT (name, labels) DO UPDATE SET value = value + :amount
"""


def add(db: sqlite3.Connection, name: str, labels: Mapping[str, str], amount: float) -> None:
    """Add to a sum, inside a transaction."""
    key = label_key({label: value[:MAX_LABEL_LENGTH] for label, value in labels.items()})
    facts = {"name": name, "labels": key, "amount": amount}
    counts = db.execute(
        "SELECT EXISTS (SELECT 1 FROM tallies WHERE name = :name AND labels = :labels),"
        " (SELECT COUNT(*) FROM tallies WHERE name = :name)",
        facts,
    ).fetchone()
    if not counts[0] and counts[1] >= MAX_LABEL_SETS:
        bounded_labels = {
            label: OTHER if label in UNBOUNDED_LABELS else value for label, value in labels.items()
        }
        facts["labels"] = label_key(bounded_labels)
    db.execute(UPSERT_COUNTER, facts)


def label_key(labels: Mapping[str, str]) -> str:
    """Labels as their key in the table."""
    return json.dumps(dict(sorted(labels.items())))


def read_all(db: sqlite3.Connection) -> Sequence[CounterValue]:
    """Every sum, by name and labels."""
    records = db.execute("SELECT name, labels, value FROM tallies ORDER BY name, labels").fetchall()
    return [CounterValue(row["name"], json.loads(row["labels"]), row["value"]) for row in records]


class SqliteCounters(StorePart):
    """See the contract of ``Counters``."""

    def add_to_counter(self, name: str, labels: Mapping[str, str], amount: float = 1.0) -> None:
        """Add to a sum."""
        with self.database.write_transaction() as db:
            add(db, name, labels, amount)

    def counters(self) -> Sequence[CounterValue]:
        """Every sum."""
        with self.database.read_connection() as db:
            return read_all(db)
