"""Logins: what a browser's cookie stands for, listed and ended one by one. No Flask."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import time

import sqlalchemy as sa

from webapp.access.revoked_logins import LOGIN_SECONDS
from webapp.access.secret import Secret
from webapp.accounts.database import AccountDatabase, storable
from webapp.accounts.schema import logins, users
from webapp.accounts.users import COLUMNS, User, to_user
from webapp.errors import NothingThere, Unavailable

MAX_LOGINS = 50  # of one user; with one more the oldest ends
SEEN_SECONDS = 300  # seconds after which it is written anew that a login is in use
ID_BYTES, SECRET_BYTES = 8, 32


@dataclass(frozen=True, slots=True)
class Login:
    """A login as its user sees it; times in seconds since 1970."""

    id: str
    began: float
    seen: float
    expires: float
    address: str
    agent: str


LOGIN_COLUMNS = (
    logins.c.id, logins.c.began, logins.c.seen, logins.c.expires, logins.c.address, logins.c.agent,
)  # fmt: skip


def start_login(connection: sa.Connection, user: User, address: str, agent: str) -> Secret:
    """A new login; what its cookie holds. The user's expired and too many ones end."""
    now, secret = time(), Secret(secrets.token_urlsafe(SECRET_BYTES))
    own = logins.c.user_id == user.id
    kept = sa.select(logins.c.id).where(own).order_by(logins.c.began.desc()).limit(MAX_LOGINS - 1)
    old = sa.or_(logins.c.expires < now, logins.c.id.not_in(list(connection.scalars(kept))))
    connection.execute(logins.delete().where(own, old))
    connection.execute(
        logins.insert().values(
            id=secrets.token_hex(ID_BYTES), digest=secret.full_digest(), user_id=user.id,
            began=now, seen=now, expires=now + LOGIN_SECONDS, address=storable(address, 64),
            agent=storable(agent, 200),
        )
    )  # fmt: skip
    return secret


def find_login(database: AccountDatabase, secret: Secret) -> tuple[User, Login] | None:
    """The enabled user of a login that has not ended, and the login."""
    return _find_login(database, logins.c.digest == secret.full_digest())


def find_login_by_id(database: AccountDatabase, login_id: str) -> tuple[User, Login] | None:
    """As :func:`find_login`, for a login that was let in before."""
    return _find_login(database, logins.c.id == login_id)


def _find_login(
    database: AccountDatabase, condition: sa.ColumnElement[bool]
) -> tuple[User, Login] | None:
    now = time()
    query = (
        sa.select(*COLUMNS, *(column.label(f"login_{column.name}") for column in LOGIN_COLUMNS))
        .join(logins, logins.c.user_id == users.c.id)
        .where(
            condition,
            logins.c.expires > now,
            users.c.disabled.is_(None),
            users.c.removed.is_(None),
        )
    )
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    login = Login(*(getattr(row, f"login_{column.name}") for column in LOGIN_COLUMNS))
    if now - login.seen > SEEN_SECONDS:
        with suppress(Unavailable), database.write() as connection:  # on a full disk one reads on
            connection.execute(logins.update().where(logins.c.id == login.id).values(seen=now))
    return to_user(row), login


def end_login(connection: sa.Connection, login_id: str) -> None:
    """End a login, if it is there."""
    connection.execute(logins.delete().where(logins.c.id == login_id))


def list_logins(database: AccountDatabase, user: User) -> Sequence[Login]:
    """A user's logins, the latest first."""
    query = (
        sa.select(*LOGIN_COLUMNS)
        .where(logins.c.user_id == user.id, logins.c.expires > time())
        .order_by(logins.c.began.desc())
    )
    with database.read() as connection:
        return [Login(*row) for row in connection.execute(query)]


def revoke_login(connection: sa.Connection, user: User, login_id: str) -> None:
    """End one of a user's logins. Raises ``NothingThere``."""
    done = connection.execute(
        logins.delete().where(logins.c.user_id == user.id, logins.c.id == storable(login_id, 16))
    )
    if not done.rowcount:
        raise NothingThere("There is no such login.")


def revoke_logins(connection: sa.Connection, user: User, but: str = "") -> int:
    """End all of a user's logins, except the one with the id ``but``; how many."""
    done = connection.execute(
        logins.delete().where(logins.c.user_id == user.id, logins.c.id != but)
    )
    return int(done.rowcount)
