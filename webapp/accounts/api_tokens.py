"""API tokens of users: scopes, expiry, a digest in the database. No Flask."""

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import time

import sqlalchemy as sa

from webapp.access.scopes import AccessScope
from webapp.access.secret import Secret
from webapp.accounts.database import AccountDatabase, storable
from webapp.accounts.roles import TOKEN_SCOPES, excess_scopes
from webapp.accounts.schema import tokens, users
from webapp.accounts.users import COLUMNS, User, to_user
from webapp.errors import Conflict, Forbidden, NothingThere, Unavailable

PREFIX = "easel_"
"""What a token begins with, so that those who look for leaked ones know it."""

TOKEN = re.compile(rf"{PREFIX}[\w-]{{43}}", re.ASCII)
"""A whole token. One of 256 random bits is not guessed: a wrong one counts as no guess."""

MAX_TOKENS = 100  # of one user
MAX_LABEL_LENGTH = 64
MAX_DAYS, DEFAULT_DAYS = 3660, 90
USED_SECONDS = 300  # seconds after which it is written anew that a token is in use
DAY = 24 * 3600
ID_BYTES, SECRET_BYTES = 8, 32


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token without itself; times in seconds since 1970. ``expires`` is None for never."""

    id: str
    label: str
    scopes: tuple[AccessScope, ...]
    created: float
    expires: float | None
    used: float | None


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """A token to be made; ``days`` is None for one that never expires."""

    label: str
    scopes: tuple[AccessScope, ...]
    days: float | None = DEFAULT_DAYS


TOKEN_COLUMNS = (
    tokens.c.id, tokens.c.label, tokens.c.scopes, tokens.c.created, tokens.c.expires, tokens.c.used,
)  # fmt: skip


def add_token(connection: sa.Connection, user: User, spec: TokenSpec) -> tuple[Secret, ApiToken]:
    """A new token, which is told this once, and what is known of it.

    Raises ``Forbidden`` for scopes beyond the user's role, ``Conflict`` where there are too many.
    """
    if excess := excess_scopes(user.role, spec.scopes):
        raise Forbidden(
            f"A token of {user.name}, who is {user.role}, may not be for {', '.join(excess)}."
        )
    own = sa.select(sa.func.count()).select_from(tokens).where(tokens.c.user_id == user.id)
    if (connection.scalar(own) or 0) >= MAX_TOKENS:
        raise Conflict(f"{user.name} has {MAX_TOKENS} tokens already: revoke one first.")
    scopes = tuple(sorted(set(spec.scopes), key=TOKEN_SCOPES.index))
    now, secret = time(), Secret(PREFIX + secrets.token_urlsafe(SECRET_BYTES))
    made = ApiToken(
        secrets.token_hex(ID_BYTES), storable(spec.label, MAX_LABEL_LENGTH), scopes, now,
        None if spec.days is None else now + spec.days * DAY, None,
    )  # fmt: skip
    connection.execute(
        tokens.insert().values(
            id=made.id, digest=secret.full_digest(), user_id=user.id, label=made.label,
            scopes=" ".join(made.scopes), created=now, expires=made.expires,
        )
    )  # fmt: skip
    return secret, made


def find_token(database: AccountDatabase, secret: Secret) -> tuple[User, ApiToken] | None:
    """The enabled user of a token that holds, and the token.

    None too where the user's role has become narrower than the token's scopes.
    """
    if not is_token(secret):
        return None
    found = _find_token(database, tokens.c.digest == secret.full_digest())
    if found and time() - (found[1].used or 0) > USED_SECONDS:
        with suppress(Unavailable), database.write() as connection:  # on a full disk one reads on
            used = tokens.update().where(tokens.c.id == found[1].id).values(used=time())
            connection.execute(used)
    return found


def is_token(secret: Secret) -> bool:
    """Whether it has the form of a token, so that it is no user's password."""
    return TOKEN.fullmatch(secret.reveal()) is not None


def find_token_by_id(database: AccountDatabase, token_id: str) -> tuple[User, ApiToken] | None:
    """As :func:`find_token`, for a token that was let in before."""
    return _find_token(database, tokens.c.id == token_id)


def list_tokens(database: AccountDatabase, user: User) -> Sequence[ApiToken]:
    """A user's tokens, expired ones too, the latest first."""
    query = (
        sa.select(*TOKEN_COLUMNS)
        .where(tokens.c.user_id == user.id)
        .order_by(tokens.c.created.desc())
    )
    with database.read() as connection:
        return [_to_token(*row) for row in connection.execute(query)]


def revoke_token(connection: sa.Connection, user: User, token_id: str) -> ApiToken:
    """End one of a user's tokens. Raises ``NothingThere``."""
    own = sa.and_(tokens.c.user_id == user.id, tokens.c.id == storable(token_id, 16))
    row = connection.execute(sa.select(*TOKEN_COLUMNS).where(own)).one_or_none()
    if row is None:
        raise NothingThere("There is no such token.")
    connection.execute(tokens.delete().where(own))
    return _to_token(*row)


def _find_token(
    database: AccountDatabase, condition: sa.ColumnElement[bool]
) -> tuple[User, ApiToken] | None:
    query = (
        sa.select(*COLUMNS, *(column.label(f"token_{column.name}") for column in TOKEN_COLUMNS))
        .join(tokens, tokens.c.user_id == users.c.id)
        .where(
            condition,
            sa.or_(tokens.c.expires.is_(None), tokens.c.expires > time()),
            users.c.disabled.is_(None),
            users.c.removed.is_(None),
        )
    )
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    user = to_user(row)
    token = _to_token(*(getattr(row, f"token_{column.name}") for column in TOKEN_COLUMNS))
    return None if excess_scopes(user.role, token.scopes) else (user, token)


def _to_token(
    token_id: str,
    label: str,
    scopes: str,
    created: float,
    expires: float | None,
    used: float | None,
) -> ApiToken:
    found = tuple(AccessScope(scope) for scope in scopes.split())
    return ApiToken(token_id, label, found, created, expires, used)
