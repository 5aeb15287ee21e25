"""The tables of the accounts, as this version reads and writes them.

Times are seconds since 1970. What opens something is stored as a digest alone. A change here needs
a step in ``migrations/versions`` and its number in ``HEAD``; a test compares them.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

HEAD = "0003"
"""The last step of ``migrations/versions``."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
METADATA = MetaData(naming_convention=NAMING)
DIGEST = String(64)  # SHA-256 in hexadecimal digits
NAME = String(32)

groups = Table(
    "groups",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("created", Double, nullable=False),
)

limits = Table(  # columns: the fields of webapp.queues.plans.Limits; null: nothing is said
    "limits",
    METADATA,
    Column("kind", String(8), primary_key=True),  # user, group or role
    Column("name", NAME, primary_key=True),
    Column("weight", Double),
    Column("priority", Integer),
    Column("running_jobs", Integer),
    Column("waiting_jobs", Integer),
    Column("job_megapixel_steps", Double),
    Column("gpu_seconds_day", Double),
    Column("gpu_seconds_month", Double),
    Column("pictures_day", Integer),
    Column("pictures_month", Integer),
    Column("stored_bytes", BigInteger),
)

users = Table(
    "users",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("password", String(200)),  # argon2's encoded hash; null: none opens
    Column("created", Double, nullable=False),
    Column("disabled", Double),  # since when
    Column("removed", Double),  # since when; the name stays taken
    Column("identity", String(500), unique=True, index=True),  # issuer and subject of an OIDC login
    Column("group_id", Integer, index=True),  # of ``groups``; null: in none
)

logins = Table(
    "logins",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("digest", DIGEST, nullable=False, unique=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False, index=True),
    Column("began", Double, nullable=False),
    Column("seen", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
)

tokens = Table(
    "tokens",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("digest", DIGEST, nullable=False, unique=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False, index=True),
    Column("label", String(64), nullable=False),
    Column("scopes", String(100), nullable=False),  # with blanks between
    Column("created", Double, nullable=False),
    Column("expires", Double),  # null: never
    Column("used", Double),
)

invitations = Table(
    "invitations",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("digest", DIGEST, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("name", NAME),  # of the user to be; null: the guest chooses
    Column("created", Double, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires", Double, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(200), nullable=False),
    Column("detail", String(500), nullable=False),
    Column("address", String(64), nullable=False),
    Column("request", String(64), nullable=False),
    Index("ix_audit_actor", "actor", "id"),
)
