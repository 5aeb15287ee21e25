"""Invitations: a link by which somebody makes an account of a given role. No Flask."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from time import time

import sqlalchemy as sa

from webapp.access.secret import Secret
from webapp.accounts.database import AccountDatabase, storable
from webapp.accounts.roles import Role
from webapp.accounts.schema import invitations
from webapp.errors import Conflict, NothingThere

MAX_INVITATIONS = 1000  # that are open
MAX_HOURS, DEFAULT_HOURS = 30 * 24, 7 * 24
ID_BYTES, SECRET_BYTES = 8, 24
START = "start"
"""Who invites the first admin: the start of the service."""

VOID = "This invitation was used, revoked or has expired: ask for a new one."


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open invitation; times in seconds since 1970. ``name`` is None where the guest chooses."""

    id: str
    role: Role
    name: str | None
    created: float
    created_by: str
    expires: float


COLUMNS = (
    invitations.c.id, invitations.c.role, invitations.c.name, invitations.c.created,
    invitations.c.created_by, invitations.c.expires,
)  # fmt: skip


def add_invitation(
    connection: sa.Connection, role: Role, name: str | None, by: str, hours: float = DEFAULT_HOURS
) -> tuple[Secret, Invitation]:
    """A new invitation's code, which is told this once, and what is known of it.

    Expired ones are forgotten. Raises ``Conflict`` where too many are open.
    """
    now = time()
    connection.execute(invitations.delete().where(invitations.c.expires < now))
    count = connection.scalar(sa.select(sa.func.count()).select_from(invitations))
    if (count or 0) >= MAX_INVITATIONS:
        raise Conflict(f"There are {MAX_INVITATIONS} open invitations: revoke some first.")
    code = Secret(secrets.token_urlsafe(SECRET_BYTES))
    made = Invitation(secrets.token_hex(ID_BYTES), role, name, now, by, now + hours * 3600)
    connection.execute(
        invitations.insert().values(
            id=made.id, digest=code.full_digest(), role=role.value, name=name, created=now,
            created_by=storable(by, 64), expires=made.expires,
        )
    )  # fmt: skip
    return code, made


def find_invitation(connection: sa.Connection, code: Secret) -> Invitation:
    """The open invitation of a code. Raises ``NothingThere``, whatever is wrong with it."""
    query = sa.select(*COLUMNS).where(
        invitations.c.digest == code.full_digest(), invitations.c.expires > time()
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NothingThere(VOID)
    return _to_invitation(row)


def use_invitation(connection: sa.Connection, code: Secret) -> Invitation:
    """Take an open invitation: it is void then. Raises ``NothingThere``; one of two who try."""
    invitation = find_invitation(connection, code)
    done = connection.execute(invitations.delete().where(invitations.c.id == invitation.id))
    if not done.rowcount:
        raise NothingThere(VOID)
    return invitation


def list_invitations(database: AccountDatabase) -> Sequence[Invitation]:
    """The open ones, the latest first."""
    query = (
        sa.select(*COLUMNS)
        .where(invitations.c.expires > time())
        .order_by(invitations.c.created.desc())
    )
    with database.read() as connection:
        return [_to_invitation(row) for row in connection.execute(query)]


def revoke_invitation(connection: sa.Connection, invitation_id: str) -> None:
    """Make an invitation void. Raises ``NothingThere``."""
    wanted = invitations.c.id == storable(invitation_id, 16)
    done = connection.execute(invitations.delete().where(wanted))
    if not done.rowcount:
        raise NothingThere("There is no such invitation.")


def replace_first_invitation(connection: sa.Connection) -> Secret:
    """A code for the first admin; those of earlier starts are void."""
    connection.execute(invitations.delete().where(invitations.c.created_by == START))
    return add_invitation(connection, Role.ADMIN, None, START)[0]


def _to_invitation(row: sa.Row) -> Invitation:
    return Invitation(row.id, Role(row.role), row.name, row.created, row.created_by, row.expires)
