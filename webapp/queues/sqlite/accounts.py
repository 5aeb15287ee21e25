"""Owners' accounts in the match rule, in the table ``turns``."""

import sqlite3
from collections.abc import Mapping

from webapp.queues.contracts.frame import Frame
from webapp.queues.scheduler import Account, AccountKey, MatchTerms, Turns

UPSERT_ACCOUNT = """
INSERT INTO turns (priority, owner, deficit, round, age_override_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (priority, owner) DO UPDATE
SET deficit = excluded.deficit, round = excluded.round, age_override_at = excluded.age_override_at
"""
DELETE_SETTLED = """
DELETE FROM turns AS t
WHERE age_override_at < :since
AND deficit + :quantum *
    ((SELECT MAX(round) FROM turns WHERE priority = t.priority) - round - 1) > 0
AND NOT EXISTS (SELECT 1 FROM frames WHERE frames.owner = t.owner AND worker IS NULL
    AND frames.priority = t.priority)
"""


def turns_of(db: sqlite3.Connection) -> Turns:
    """The accounts in the file; each is read once, when it is asked for."""
    accounts: dict[AccountKey, Account | None] = {}

    def account(priority: int, owner: str) -> Account | None:
        if (priority, owner) not in accounts:
            row = db.execute(
                "SELECT deficit, round, age_override_at FROM turns"
                " WHERE priority = ? AND owner = ?",
                (priority, owner),
            ).fetchone()
            accounts[priority, owner] = Account(*row) if row else None
        return accounts[priority, owner]

    def current_round(priority: int) -> int:
        query = "SELECT MAX(round) FROM turns WHERE priority = ?"
        return int(db.execute(query, (priority,)).fetchone()[0] or 0)

    return Turns(account, current_round)


def store_accounts(db: sqlite3.Connection, accounts: Mapping[AccountKey, Account]) -> None:
    """Write accounts as the match rule left them, inside a transaction."""
    db.executemany(
        UPSERT_ACCOUNT,
        [
            (*key, account.deficit, account.round, account.age_override_at)
            for key, account in accounts.items()
        ],
    )


def correct_charge(db: sqlite3.Connection, frame: Frame, gpu_seconds: float) -> None:
    """Charge what a job took in place of what was predicted when it was leased."""
    db.execute(
        "UPDATE turns SET deficit = deficit + ? WHERE priority = ? AND owner = ?",
        (frame.predicted_seconds - gpu_seconds, frame.priority, frame.owner),
    )


def delete_settled_accounts(db: sqlite3.Connection, terms: MatchTerms, now: float) -> None:
    """Forget owners who wait for nothing and would come back as new ones; ``now``: unix seconds."""
    db.execute(DELETE_SETTLED, {"since": now - terms.age_cap, "quantum": terms.quantum})
