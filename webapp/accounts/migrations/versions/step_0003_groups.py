"""Groups of users, and limits of users, groups and roles."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Make two tables, and add a column to users."""
    op.create_table(
        "groups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
        sa.UniqueConstraint("name", name="uq_groups_name"),
    )
    op.create_table(
        "limits",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("weight", sa.Double()),
        sa.Column("priority", sa.Integer()),
        sa.Column("running_jobs", sa.Integer()),
        sa.Column("waiting_jobs", sa.Integer()),
        sa.Column("job_megapixel_steps", sa.Double()),
        sa.Column("gpu_seconds_day", sa.Double()),
        sa.Column("gpu_seconds_month", sa.Double()),
        sa.Column("pictures_day", sa.Integer()),
        sa.Column("pictures_month", sa.Integer()),
        sa.Column("stored_bytes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_limits"),
    )
    op.add_column("users", sa.Column("group_id", sa.Integer()))
    op.create_index("ix_users_group_id", "users", ["group_id"])
