"""Users: added, found, changed, removed. No Flask."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from time import time

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from webapp.access.credentials import OWNER
from webapp.accounts.database import AccountDatabase, inserted_id
from webapp.accounts.errors import BadUserName, OnlyAdmin, UserNameTaken
from webapp.accounts.roles import Role
from webapp.accounts.schema import groups, limits, logins, tokens, users
from webapp.errors import Conflict, NothingThere

USER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")
MAX_NAME_LENGTH = 32
MAX_USERS = 10_000
RESERVED_NAMES = frozenset({OWNER, "easel", "public"})
"""Who has the service's token; names that could be taken for the service's own."""


@dataclass(frozen=True, slots=True)
class User:
    """A user; times in seconds since 1970. ``has_password``: else it comes by another way."""

    id: int
    name: str
    role: Role
    created: float
    disabled: float | None
    has_password: bool
    identity: str | None
    group: str = ""  # "": in none

    @property
    def is_enabled(self) -> bool:
        """Whether the account opens anything."""
        return self.disabled is None


@dataclass(frozen=True, slots=True)
class UserChange:
    """What of a user changes; None: nothing. ``password``: argon2's encoded hash."""

    role: Role | None = None
    disabled: bool | None = None
    password: str | None = None


COLUMNS = (
    users.c.id, users.c.name, users.c.role, users.c.created, users.c.disabled,
    users.c.password.is_not(None).label("has_password"), users.c.identity,
    sa.select(groups.c.name).where(groups.c.id == users.c.group_id).correlate(users)
    .scalar_subquery().label("in_group"),
)  # fmt: skip


def to_user(row: sa.Row) -> User:
    """The user of a row of ``COLUMNS``."""
    return User(
        row.id, row.name, Role(row.role), row.created, row.disabled, bool(row.has_password),
        row.identity, row.in_group or "",
    )  # fmt: skip


def normalize_name(text: str) -> str:
    """A name as it is compared: who logs in may write capitals."""
    return text.strip().lower()


def is_name(text: str) -> bool:
    """Whether it could be a user's name."""
    return len(text) <= MAX_NAME_LENGTH and USER_NAME.fullmatch(text) is not None


def check_name(name: str, taken: frozenset[str] = frozenset()) -> None:
    """Raise ``BadUserName``, and ``UserNameTaken`` for the service's own and one of ``taken``."""
    if not is_name(name):
        raise BadUserName(
            f"A user's name has 1 to {MAX_NAME_LENGTH} characters of a-z, 0-9, _, - and single "
            f"dots, and begins with a letter or digit; not {name[:MAX_NAME_LENGTH]!r}."
        )
    if name in RESERVED_NAMES or name in taken:
        raise UserNameTaken(f"The name {name!r} is taken; choose another.")


def add_user(
    connection: sa.Connection,
    name: str,
    role: Role,
    password: str | None,
    identity: str | None = None,
) -> User:
    """A new user; ``password`` is a hash. Raises ``Conflict`` where the name was ever used."""
    count = connection.scalar(sa.select(sa.func.count()).select_from(users))
    if count is not None and count >= MAX_USERS:
        raise Conflict(f"There are {MAX_USERS} users already, removed ones counted.")
    before = connection.scalar(sa.select(users.c.id).where(users.c.name == name))
    if before is not None:
        raise UserNameTaken(f"The name {name!r} is taken, or was by a user who is removed.")
    values = {
        "name": name, "role": role.value, "password": password, "created": time(),
        "identity": identity,
    }  # fmt: skip
    try:
        made = connection.execute(users.insert().values(**values))
    except IntegrityError as error:  # another process was quicker
        raise UserNameTaken(f"The name {name!r} is taken; choose another.") from error
    return get_user(connection, inserted_id(made))


def get_user(connection: sa.Connection, user_id: int) -> User:
    """A user by its number. Raises ``NothingThere``."""
    row = connection.execute(
        sa.select(*COLUMNS).where(users.c.id == user_id, users.c.removed.is_(None))
    ).one_or_none()
    if row is None:
        raise NothingThere("There is no such user.")
    return to_user(row)


def find_user(database: AccountDatabase, name: str) -> User | None:
    """The user of a name who was not removed."""
    if not is_name(name):
        return None
    with database.read() as connection:
        return find_user_row(connection, users.c.name == name)


def find_user_row(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> User | None:
    """The one user for whom a condition holds."""
    row = connection.execute(
        sa.select(*COLUMNS).where(condition, users.c.removed.is_(None))
    ).one_or_none()
    return to_user(row) if row else None


def is_gone(database: AccountDatabase, name: str) -> bool:
    """Whether a user of this name was disabled or removed; False for a name of nobody's."""
    if not is_name(name):
        return False
    gone = sa.or_(users.c.disabled.is_not(None), users.c.removed.is_not(None))
    with database.read() as connection:
        query = sa.select(users.c.id).where(users.c.name == name, gone)
        return connection.scalar(query) is not None


def require_user(connection: sa.Connection, name: str) -> User:
    """The user of a name. Raises ``NothingThere``."""
    user = find_user_row(connection, users.c.name == name) if is_name(name) else None
    if user is None:
        raise NothingThere(f"There is no user {name[:MAX_NAME_LENGTH]!r}.")
    return user


def password_hash(database: AccountDatabase, name: str) -> tuple[User | None, str | None]:
    """An enabled user and the hash of the password; twice None where there is none."""
    if not is_name(name):
        return None, None
    with database.read() as connection:
        row = connection.execute(
            sa.select(*COLUMNS, users.c.password).where(
                users.c.name == name, users.c.removed.is_(None), users.c.disabled.is_(None)
            )
        ).one_or_none()
    return (to_user(row), row.password) if row else (None, None)


def list_users(database: AccountDatabase) -> Sequence[User]:
    """All who were not removed, by name."""
    query = sa.select(*COLUMNS).where(users.c.removed.is_(None)).order_by(users.c.name)
    with database.read() as connection:
        return [to_user(row) for row in connection.execute(query)]


def has_admin(connection: sa.Connection) -> bool:
    """Whether anybody can look after the accounts."""
    query = sa.select(users.c.id).where(_is_admin()).limit(1)
    return connection.scalar(query) is not None


def change_user(connection: sa.Connection, name: str, change: UserChange) -> User:
    """The user after a change. A new role, password or being disabled ends all its logins.

    Raises ``NothingThere``, and ``Conflict`` where no admin would be left.
    """
    user = require_user(connection, name)
    loses_admin = change.disabled or (change.role is not None and change.role is not Role.ADMIN)
    if loses_admin:
        _check_other_admin(connection, user)
    values: dict[str, object] = {}
    if change.role is not None:
        values["role"] = change.role.value
    if change.disabled is not None:
        values["disabled"] = (user.disabled or time()) if change.disabled else None
    if change.password is not None:
        values["password"] = change.password
    if values:
        connection.execute(users.update().where(users.c.id == user.id).values(**values))
    if change.disabled or change.password is not None or change.role not in (None, user.role):
        connection.execute(logins.delete().where(logins.c.user_id == user.id))
    return get_user(connection, user.id)


def set_password(connection: sa.Connection, user: User, password: str | None) -> None:
    """Put another hash in place of a user's."""
    connection.execute(users.update().where(users.c.id == user.id).values(password=password))


def set_identity(connection: sa.Connection, user: User, identity: str) -> None:
    """Remember as whom a provider knows a user."""
    connection.execute(users.update().where(users.c.id == user.id).values(identity=identity))


def remove_user(connection: sa.Connection, name: str) -> User:
    """Remove a user with all that opens the account. Its name stays in the log, and taken.

    Raises ``NothingThere``, and ``Conflict`` where no admin would be left.
    """
    user = require_user(connection, name)
    _check_other_admin(connection, user)
    for table in (logins, tokens):
        connection.execute(table.delete().where(table.c.user_id == user.id))
    connection.execute(limits.delete().where(limits.c.kind == "user", limits.c.name == user.name))
    gone = {"removed": time(), "password": None, "identity": None, "group_id": None}
    connection.execute(users.update().where(users.c.id == user.id).values(**gone))
    return user


def _is_admin() -> sa.ColumnElement[bool]:
    return sa.and_(
        users.c.role == Role.ADMIN.value, users.c.disabled.is_(None), users.c.removed.is_(None)
    )


def _check_other_admin(connection: sa.Connection, user: User) -> None:
    """Two who would demote each other at once wait here for one another."""
    admins = connection.scalars(sa.select(users.c.id).where(_is_admin()).with_for_update()).all()
    if list(admins) == [user.id]:
        raise OnlyAdmin(f"{user.name} is the only admin: make another user one first.")
