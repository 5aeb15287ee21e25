"""Groups of users: a user is in one at most, so that what it takes counts once. No Flask."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import time

import sqlalchemy as sa

from webapp.accounts.database import AccountDatabase
from webapp.accounts.limits import GROUP, remove_limits
from webapp.accounts.schema import groups, users
from webapp.accounts.users import MAX_NAME_LENGTH, User, is_name
from webapp.errors import Conflict, NothingThere, Refused

MAX_GROUPS = 1000


@dataclass(frozen=True, slots=True)
class Group:
    """A group; ``created`` in seconds since 1970."""

    name: str
    created: float
    members: tuple[str, ...]


def add_group(connection: sa.Connection, name: str) -> None:
    """Make a group. Raises ``Refused`` for the name, ``Conflict`` where there is one."""
    if not is_name(name):
        raise Refused(
            f"A group's name has 1 to {MAX_NAME_LENGTH} characters of a-z, 0-9, _, - and single "
            f"dots, and begins with a letter or digit; not {name[:MAX_NAME_LENGTH]!r}."
        )
    count = connection.scalar(sa.select(sa.func.count()).select_from(groups)) or 0
    if count >= MAX_GROUPS:
        raise Conflict(f"There are {MAX_GROUPS} groups already.")
    if _find_id(connection, name) is not None:
        raise Conflict(f"There is a group {name!r} already.")
    connection.execute(groups.insert().values(name=name, created=time()))


def remove_group(connection: sa.Connection, name: str) -> None:
    """Remove a group and its limits; its members are in none then. Raises ``NothingThere``."""
    found = require_group(connection, name)
    in_it = users.c.group_id == found
    connection.execute(users.update().where(in_it).values(group_id=None))
    remove_limits(connection, GROUP, name)
    connection.execute(groups.delete().where(groups.c.id == found))


def set_group(connection: sa.Connection, user: User, name: str) -> None:
    """Put a user into a group, out of any other; "" into none. Raises ``NothingThere``."""
    found = require_group(connection, name) if name else None
    connection.execute(users.update().where(users.c.id == user.id).values(group_id=found))


def require_group(connection: sa.Connection, name: str) -> int:
    """The number of a group. Raises ``NothingThere``."""
    found = _find_id(connection, name)
    if found is None:
        raise NothingThere(f"There is no group {name[:MAX_NAME_LENGTH]!r}.")
    return found


def list_groups(database: AccountDatabase) -> Sequence[Group]:
    """All groups by name, with their members' names."""
    joined = groups.outerjoin(
        users, sa.and_(users.c.group_id == groups.c.id, users.c.removed.is_(None))
    )
    query = (
        sa.select(groups.c.name, groups.c.created, users.c.name.label("member"))
        .select_from(joined)
        .order_by(groups.c.name, users.c.name)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    members: dict[tuple[str, float], list[str]] = {}
    for name, created, member in rows:
        members.setdefault((name, created), []).extend([member] if member else [])
    return [Group(name, created, tuple(who)) for (name, created), who in members.items()]


def _find_id(connection: sa.Connection, name: str) -> int | None:
    return connection.scalar(sa.select(groups.c.id).where(groups.c.name == name))
