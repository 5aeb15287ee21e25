"""Limits and quotas of users, groups and roles, in the accounts' database. No Flask."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from webapp.accounts.database import AccountDatabase
from webapp.accounts.schema import groups, limits, users
from webapp.errors import Refused
from webapp.queues.plans import LIMIT_NAMES, UNBOUNDED, Limits

USER, GROUP, ROLE = "user", "group", "role"
MOST_JOBS, MOST_SECONDS, MOST_COUNT, MOST_BYTES = 100_000, 1e10, 2**31 - 1, 2**60
RANGES: Mapping[str, tuple[float, float]] = {
    "weight": (0.01, 100),
    "priority": (-100, 100),
    "running_jobs": (1, MOST_JOBS),
    "waiting_jobs": (1, MOST_JOBS),
    "job_megapixel_steps": (0, 1e12),
    "gpu_seconds_day": (0, MOST_SECONDS),
    "gpu_seconds_month": (0, MOST_SECONDS),
    "pictures_day": (0, MOST_COUNT),
    "pictures_month": (0, MOST_COUNT),
    "stored_bytes": (0, MOST_BYTES),
}
"""The least and the greatest value of each limit."""

WHOLE = frozenset(RANGES) - {
    "weight", "job_megapixel_steps", "gpu_seconds_day", "gpu_seconds_month",
}  # fmt: skip
"""Limits that count something."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """Limits, and for whom. ``kind``: user, group or role."""

    kind: str
    name: str
    limits: Limits


def set_limits(connection: sa.Connection, kind: str, name: str, values: Limits) -> None:
    """Put limits in place of what was said before."""
    remove_limits(connection, kind, name)
    if values != UNBOUNDED:
        connection.execute(limits.insert().values(kind=kind, name=name, **asdict(values)))


def remove_limits(connection: sa.Connection, kind: str, name: str) -> None:
    """Say nothing of somebody any more."""
    connection.execute(limits.delete().where(*_is_of(kind, name)))


def list_limits(database: AccountDatabase) -> Sequence[Bounded]:
    """All that is said, by kind and name."""
    query = sa.select(limits).order_by(limits.c.kind, limits.c.name)
    with database.read() as connection:
        return [Bounded(row.kind, row.name, to_limits(row)) for row in connection.execute(query)]


def read_limits(database: AccountDatabase, kind: str, name: str) -> Limits:
    """What is said of somebody."""
    with database.read() as connection:
        row = connection.execute(sa.select(limits).where(*_is_of(kind, name))).one_or_none()
    return to_limits(row) if row else UNBOUNDED


@dataclass(frozen=True, slots=True)
class FoundPlan:
    """What the accounts say of a user."""

    user: Limits
    role: Limits
    group: str
    of_group: Limits


def find_plan(database: AccountDatabase, name: str) -> FoundPlan | None:
    """What is said of a user, its role and its group; None where there is no such user."""
    of_user = sa.and_(limits.c.kind == USER, limits.c.name == users.c.name)
    of_role = sa.and_(limits.c.kind == ROLE, limits.c.name == users.c.role)
    of_group = sa.and_(limits.c.kind == GROUP, limits.c.name == groups.c.name)
    query = (
        sa.select(groups.c.name.label("in_group"), limits)
        .select_from(
            users.outerjoin(groups, groups.c.id == users.c.group_id).outerjoin(
                limits, sa.or_(of_user, of_role, of_group)
            )
        )
        .where(users.c.name == name, users.c.removed.is_(None))
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    if not rows:
        return None
    said = {row.kind: to_limits(row) for row in rows if row.kind}
    return FoundPlan(
        said.get(USER, UNBOUNDED),
        said.get(ROLE, UNBOUNDED),
        rows[0].in_group or "",
        said.get(GROUP, UNBOUNDED),
    )


def _is_of(kind: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return limits.c.kind == kind, limits.c.name == name


def to_limits(row: sa.Row) -> Limits:
    """The limits of a row of the table."""
    return Limits(*(getattr(row, name) for name in LIMIT_NAMES))


def checked_limits(kind: str, values: Mapping[str, float | None]) -> Limits:
    """Limits by name, in their ranges; None: nothing is said. Raises ``Refused``."""
    known: dict[str, float | int | None] = {}
    for name, value in values.items():
        if name not in RANGES:
            raise Refused(f"There is no limit {name[:40]!r}; there are {', '.join(RANGES)}.")
        least, most = RANGES[name]
        if value is None:
            continue
        if not least <= value <= most:
            raise Refused(f"{name} takes {least:g} to {most:g}, not {value:g}.")
        if name in WHOLE and value != int(value):
            raise Refused(f"{name} takes a whole number, not {value:g}.")
        known[name] = int(value) if name in WHOLE else float(value)
    if kind == GROUP and "stored_bytes" in known:
        raise Refused("stored_bytes bounds one user's own files: set it for users and roles.")
    return Limits(**known)  # type: ignore[arg-type]
