"""Counters stored in the queue database (jobs, seconds, cache hits), read by ``/metrics``."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from webapp.queues import counter_labels
from webapp.queues.contracts.counters import CounterValue
from webapp.queues.counter_labels import bounded_label_key, label_key
from webapp.queues.sqlite.part import StorePart

UPSERT_COUNTER = """
INSERT INTO tallies (name, labels, value) VALUES (:name, :labels, :amount)
ON CONFLICT (name, labels) DO UPDATE SET value = value + :amount
"""


def add(db: sqlite3.Connection, name: str, labels: Mapping[str, str], amount: float) -> None:
    """Add to a sum, inside a transaction."""
    facts = {"name": name, "labels": label_key(labels), "amount": amount}
    counts = db.execute(
        "SELECT EXISTS (SELECT 1 FROM tallies WHERE name = :name AND labels = :labels),"
        " (SELECT COUNT(*) FROM tallies WHERE name = :name)",
        facts,
    ).fetchone()
    if not counts[0] and counts[1] >= counter_labels.MAX_LABEL_SETS:
        facts["labels"] = bounded_label_key(labels)
    db.execute(UPSERT_COUNTER, facts)


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
