"""The table of charges that wait for the ledger."""

CHARGE_TABLE = """
CREATE TABLE IF NOT EXISTS charges (
    "index" INTEGER PRIMARY KEY AUTOINCREMENT,
    facts TEXT NOT NULL             -- JSON object, see charge_codec.py
);
CREATE TABLE IF NOT EXISTS busy_times (
    name TEXT PRIMARY KEY,          -- of a worker's run and a day
    facts TEXT NOT NULL
);
"""
