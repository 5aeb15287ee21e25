"""Charges, in the table ``charges``, until the ledger has them."""

import sqlite3
from collections.abc import Sequence

from webapp.queues.charge_codec import (
    DROPPED,
    decode_charge,
    encode_charge,
    unanswered_charge,
)
from webapp.queues.contracts.charges import (
    MAX_CHARGES,
    BusyTime,
    Charge,
    Outcome,
    StoredCharge,
)
from webapp.queues.sqlite import counters
from webapp.queues.sqlite.frame_rows import FRAME_COLUMNS, frame_of
from webapp.queues.sqlite.part import StorePart
from webapp.queues.worker_id import WorkerId

SELECT_LEASED = f"SELECT {FRAME_COLUMNS}, worker, token, leased_at, expires FROM frames WHERE "
COUNT_CHARGES = 'SELECT COALESCE(MAX("index") - MIN("index") + 1, 0) FROM charges'


def add_charge(db: sqlite3.Connection, facts: Charge | BusyTime) -> None:
    """Keep a charge for the ledger, in the transaction of what it tells of."""
    (kept,) = db.execute(COUNT_CHARGES).fetchone()
    if kept >= MAX_CHARGES:
        counters.add(db, DROPPED, {}, 1.0)
        return
    db.execute("INSERT INTO charges (facts) VALUES (?)", (encode_charge(facts),))


def charge_lost(db: sqlite3.Connection, condition: str, value: object, term: float) -> None:
    """Charge deliveries whose worker is dead until it was heard of last.

    ``condition`` is SQL with ``:value`` in it; ``term``: seconds of a lease.
    """
    query = f"{SELECT_LEASED} worker IS NOT NULL AND {condition}"
    for row in db.execute(query, {"value": value}).fetchall():
        add_charge(db, _unanswered(row, row["expires"] - term, Outcome.LOST))


def charge_returned(db: sqlite3.Connection, frame_id: str, token: str, now: float) -> None:
    """Charge a delivery that its worker gives back."""
    row = db.execute(f"{SELECT_LEASED} id = ? AND token = ?", (frame_id, token)).fetchone()
    if row is not None:
        add_charge(db, _unanswered(row, now, Outcome.RETURNED))


def _unanswered(row: sqlite3.Row, ended_at: float, outcome: Outcome) -> Charge:
    worker, frame = WorkerId.parse(row["worker"]), frame_of(row, b"")
    return unanswered_charge(frame, worker, row["token"], row["leased_at"], ended_at, outcome)


class SqliteCharges(StorePart):
    """See the contract of ``Charges``."""

    def add_busy_time(self, busy: BusyTime) -> None:
        """Keep what a worker has measured."""
        with self.database.write_transaction() as db:
            add_charge(db, busy)

    def read_charges(self, most: int) -> Sequence[StoredCharge]:
        """The oldest charges; they stay."""
        query = 'SELECT "index", facts FROM charges ORDER BY "index" LIMIT ?'
        with self.database.read_connection() as db:
            rows = db.execute(query, (most,)).fetchall()
        return [decode_charge(str(row["index"]), row["facts"]) for row in rows]

    def remove_charges(self, keys: Sequence[str]) -> None:
        """Forget charges that the ledger has."""
        with self.database.write_transaction() as db:
            db.executemany('DELETE FROM charges WHERE "index" = ?', [(int(key),) for key in keys])
