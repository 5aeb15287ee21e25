"""The table of charges that wait for the ledger."""

CHARGE_TABLE = """
CREATE TABLE IF NOT EXISTS charges (
    "index" INTEGER PRIMARY KEY AUTOINCREMENT,
    facts TEXT NOT NULL             -- JSON object, see charge_codec.py
);
"""
