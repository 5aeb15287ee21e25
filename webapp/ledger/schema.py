"""The tables of the ledger, as this version reads and writes them.

Times are seconds since 1970, days are UTC's ("2026-11-30"). A change here needs a step in
``migrations/versions`` and its number in ``HEAD``; a test compares them.
"""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, String, Table

HEAD = "0001"
"""The last step of ``migrations/versions``."""

VERSION_TABLE = "ledger_version"
NAMING = {"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}
METADATA = MetaData(naming_convention=NAMING)
DAY, NAME, DEVICE, TITLE = String(10), String(64), String(200), String(300)

charges = Table(
    "ledger_charges",
    METADATA,
    Column("job", String(64), primary_key=True),
    Column("delivery", String(32), primary_key=True),
    Column("ended_at", Double, nullable=False, index=True),
    Column("user", NAME, nullable=False),
    Column("user_group", NAME, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("model", TITLE, nullable=False),
    Column("device", DEVICE, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("status", Integer, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("drawing_seconds", Double, nullable=False),
    Column("queue_seconds", Double, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("megapixel_steps", Double, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Index("ix_ledger_charges_user", "user", "ended_at"),
    Index("ix_ledger_charges_user_group", "user_group", "ended_at"),
)
"""Deliveries one by one, for some months."""

days = Table(
    "ledger_days",
    METADATA,
    Column("day", DAY, primary_key=True),
    Column("user", NAME, primary_key=True),
    Column("user_group", NAME, primary_key=True),
    Column("model", TITLE, primary_key=True),
    Column("device", DEVICE, primary_key=True),
    Column("jobs", BigInteger, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("drawing_seconds", Double, nullable=False),
    Column("queue_seconds", Double, nullable=False),
    Column("pictures", BigInteger, nullable=False),
    Column("megapixel_steps", Double, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("unbilled_jobs", BigInteger, nullable=False),
    Column("unbilled_seconds", Double, nullable=False),
    Index("ix_ledger_days_user", "user", "day"),
    Index("ix_ledger_days_user_group", "user_group", "day"),
)
"""Sums of the charges of each day, for ever. What was not billed counts in its own columns only."""

busy_times = Table(
    "ledger_busy",
    METADATA,
    Column("worker", DEVICE, primary_key=True),
    Column("day", DAY, primary_key=True),
    Column("device", DEVICE, nullable=False),
    Column("seconds", Double, nullable=False),
    Index("ix_ledger_busy_day", "day"),
)
"""How long each run of a worker has worked on a day, measured apart from the charges."""
