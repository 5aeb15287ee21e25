"""What owners have used, in the table ``ledger``."""

import sqlite3
from collections.abc import Mapping

from webapp.queues.scheduler import HALF_LIFE, OwnerUsage, decay


def charge_owner(db: sqlite3.Connection, owner: str, gpu_seconds: float, now: float) -> None:
    """Add GPU seconds to an owner's usage, the older part decayed."""
    row = db.execute("SELECT gpu_seconds, as_of FROM ledger WHERE owner = ?", (owner,)).fetchone()
    before = decay(row["gpu_seconds"], now - row["as_of"]) if row else 0.0
    db.execute(
        "INSERT INTO ledger (owner, gpu_seconds, as_of) VALUES (:owner, :used, :now)"
        " ON CONFLICT (owner) DO UPDATE SET gpu_seconds = :used, as_of = :now",
        {"owner": owner, "used": before + gpu_seconds, "now": now},
    )


def read_accounts(db: sqlite3.Connection, now: float) -> Mapping[str, OwnerUsage]:
    """What owners have used, with the time that their running frames have taken so far."""
    running: dict[str, float] = dict(
        db.execute(
            "SELECT owner, SUM(? - leased_at) FROM frames WHERE worker IS NOT NULL GROUP BY owner",
            (now,),
        ).fetchall()
    )
    accounts = {owner: OwnerUsage(seconds) for owner, seconds in running.items()}
    for row in db.execute("SELECT * FROM ledger WHERE as_of > ?", (now - 20 * HALF_LIFE,)):
        owner, used = row["owner"], decay(row["gpu_seconds"], now - row["as_of"])
        accounts[owner] = OwnerUsage(used + running.get(owner, 0.0), row["rode_at"])
    return accounts
