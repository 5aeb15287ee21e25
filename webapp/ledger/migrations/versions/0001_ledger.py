"""Charges, their sums by day, and what workers have measured."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ledger_charges",
        _key("job", 64),
        _key("delivery", 32),
        _number("ended_at"),
        _key("user", 64),
        _key("user_group", 64),
        _key("kind", 32),
        _key("model", 300),
        _key("device", 200),
        _key("outcome", 16),
        sa.Column("status", sa.Integer(), nullable=False),
        *(_number(name) for name in ("gpu_seconds", "drawing_seconds", "queue_seconds")),
        sa.Column("pictures", sa.Integer(), nullable=False),
        _number("megapixel_steps"),
        _count("stored_bytes"),
        sa.PrimaryKeyConstraint("job", "delivery", name="pk_ledger_charges"),
    )
    op.create_index("ix_ledger_charges_ended_at", "ledger_charges", ["ended_at"])
    op.create_index("ix_ledger_charges_user", "ledger_charges", ["user", "ended_at"])
    op.create_index("ix_ledger_charges_user_group", "ledger_charges", ["user_group", "ended_at"])
    keys = ("day", "user", "user_group", "model", "device")
    op.create_table(
        "ledger_days",
        *(_key(name, length) for name, length in zip(keys, (10, 64, 64, 300, 200), strict=True)),
        _count("jobs"),
        *(_number(name) for name in ("gpu_seconds", "drawing_seconds", "queue_seconds")),
        _count("pictures"),
        _number("megapixel_steps"),
        _count("stored_bytes"),
        _count("unbilled_jobs"),
        _number("unbilled_seconds"),
        sa.PrimaryKeyConstraint(*keys, name="pk_ledger_days"),
    )
    op.create_index("ix_ledger_days_user", "ledger_days", ["user", "day"])
    op.create_index("ix_ledger_days_user_group", "ledger_days", ["user_group", "day"])
    op.create_table(
        "ledger_busy",
        _key("worker", 200),
        _key("day", 10),
        _key("device", 200),
        _number("seconds"),
        sa.PrimaryKeyConstraint("worker", "day", name="pk_ledger_busy"),
    )
    op.create_index("ix_ledger_busy_day", "ledger_busy", ["day"])


def _key(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False)


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.Double(), nullable=False)


def _count(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)
