"""Counters stored in the queue database (jobs, seconds, cache hits), read by ``/metrics``."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from webapp.queues.contracts import Tally

MOST = 500
"""Sets of labels a name keeps; beyond it users and models are counted together as ``OTHER``."""

LONGEST = 120  # characters of a label
FREE = frozenset({"user", "model"})
OTHER = "other"

ADD = """
INSERT INTO tallies (name, labels, value) VALUES (:name, :labels, :amount)
ON CONFLICT (name, labels) DO UPDATE SET value = value + :amount
"""


def add(rows: sqlite3.Connection, name: str, labels: Mapping[str, str], amount: float) -> None:
    """Add to a sum, inside a transaction."""
    key = written({label: value[:LONGEST] for label, value in labels.items()})
    facts = {"name": name, "labels": key, "amount": amount}
    known = rows.execute(
        "SELECT EXISTS (SELECT 1 FROM tallies WHERE name = :name AND labels = :labels),"
        " (SELECT COUNT(*) FROM tallies WHERE name = :name)",
        facts,
    ).fetchone()
    if not known[0] and known[1] >= MOST:
        rest = {label: OTHER if label in FREE else value for label, value in labels.items()}
        facts["labels"] = written(rest)
    rows.execute(ADD, facts)


def written(labels: Mapping[str, str]) -> str:
    """Labels as their key in the table."""
    return json.dumps(dict(sorted(labels.items())))


def read(rows: sqlite3.Connection) -> Sequence[Tally]:
    """Every sum, by name and labels."""
    found = rows.execute("SELECT name, labels, value FROM tallies ORDER BY name, labels").fetchall()
    return [Tally(row["name"], json.loads(row["labels"]), row["value"]) for row in found]
