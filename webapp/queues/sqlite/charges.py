"""Charges, in the table ``charges``, until the ledger has them."""

import sqlite3
from collections.abc import Sequence

from webapp.queues.charge_codec import (
    DROPPED,
    busy_key,
    busy_name,
    decode_charge,
    encode_charge,
    parse_busy_key,
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

SELECT_LEASED = (
    f"SELECT {FRAME_COLUMNS}, worker, token, leased_at, expires,"
    ' (SELECT seconds FROM shares WHERE frame = "index" AND shares.token = frames.token) AS share'
    " FROM frames WHERE "
)
COUNT_CHARGES = 'SELECT COALESCE(MAX("index") - MIN("index") + 1, 0) FROM charges'


def add_charge(db: sqlite3.Connection, facts: Charge) -> None:
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
        add_charge(db, _unanswered(row, row["expires"] - term, Outcome.LOST, row["share"]))


def charge_returned(
    db: sqlite3.Connection, frame_id: str, token: str, now: float, gpu_seconds: float | None
) -> None:
    """Charge a delivery that its worker gives back; None: the worker was at nothing else."""
    row = db.execute(f"{SELECT_LEASED} id = ? AND token = ?", (frame_id, token)).fetchone()
    if row is not None:
        add_charge(db, _unanswered(row, now, Outcome.RETURNED, gpu_seconds))


def keep_share(db: sqlite3.Connection, frame_id: str, token: str, gpu_seconds: float) -> None:
    """Keep what a delivery has taken so far, in case that its worker dies."""
    db.execute(
        'INSERT OR REPLACE INTO shares (frame, token, seconds) SELECT "index", token, ?'
        " FROM frames WHERE id = ? AND token = ?",
        (gpu_seconds, frame_id, token),
    )


def _unanswered(
    row: sqlite3.Row, ended_at: float, outcome: Outcome, gpu_seconds: float | None
) -> Charge:
    worker, frame = WorkerId.parse(row["worker"]), frame_of(row, b"")
    lease = (row["token"], row["leased_at"], ended_at)
    return unanswered_charge(frame, worker, *lease, outcome, gpu_seconds)


class SqliteCharges(StorePart):
    """See the contract of ``Charges``."""

    def add_busy_time(self, busy: BusyTime) -> None:
        """Keep what a worker has measured."""
        with self.database.write_transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO busy_times (name, facts) VALUES (?, ?)",
                (busy_name(busy), encode_charge(busy)),
            )

    def read_charges(self, most: int) -> Sequence[StoredCharge]:
        """The oldest charges, and then what workers have measured; they stay."""
        query = 'SELECT "index", facts FROM charges ORDER BY "index" LIMIT ?'
        with self.database.read_connection() as db:
            rows = db.execute(query, (most,)).fetchall()
            told = db.execute(
                "SELECT name, facts FROM busy_times ORDER BY name LIMIT ?", (most - len(rows),)
            ).fetchall()
        found = [decode_charge(str(row["index"]), row["facts"]) for row in rows]
        times = (decode_charge(busy_key(row["name"], row["facts"]), row["facts"]) for row in told)
        return [*found, *times]

    def remove_charges(self, keys: Sequence[str]) -> None:
        """Forget what the ledger has."""
        times = [(key, parse_busy_key(key)) for key in keys]
        with self.database.write_transaction() as db:
            db.executemany(
                'DELETE FROM charges WHERE "index" = ?',
                [(int(key),) for key, busy in times if busy is None],
            )
            db.executemany(
                "DELETE FROM busy_times WHERE name = ? AND facts = ?",
                [busy for _, busy in times if busy is not None],
            )
