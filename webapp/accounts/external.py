"""Users whom somebody else has authenticated: a trusted proxy or an OIDC provider. No Flask."""

from dataclasses import dataclass

from webapp.accounts import audit, users
from webapp.accounts.accounts import Accounts
from webapp.accounts.audit import Actor
from webapp.accounts.roles import Role
from webapp.accounts.users import User
from webapp.errors import Conflict, Refused


@dataclass(frozen=True, slots=True)
class ExternalUser:
    """Who is said to ask. ``identity``: issuer and subject, which stay when a name changes.

    Without one the name itself is the identity; ``source`` is whose word it is, for the log.
    """

    name: str
    identity: str | None
    source: str


def external_user(
    accounts: Accounts, known: ExternalUser, role: Role | None, actor: Actor
) -> User | None:
    """The enabled user of somebody, made with ``role`` where there is none and that is not None.

    A user who has a password, or another identity, is not found by a provider's name for somebody:
    the provider could name anybody. An admin makes a user without password for that. None where
    nobody may come in.
    """
    with accounts.database.read() as connection:
        table = users.users
        if known.identity is not None:
            found = users.find_user_row(connection, table.c.identity == known.identity)
            if found is not None:
                return found if found.is_enabled else None
        if not users.is_name(known.name):
            return None
        found = users.find_user_row(connection, table.c.name == known.name)
    if found is None:
        return _make_user(accounts, known, role, actor) if role else None
    if not found.is_enabled:
        return None
    if known.identity is None:
        return found
    if found.has_password or found.identity is not None:
        return None
    with accounts.database.write() as connection:
        users.set_identity(connection, found, known.identity)
        audit.record(connection, actor, "user.link", found.name, known.source)
    return found


def _make_user(accounts: Accounts, known: ExternalUser, role: Role, actor: Actor) -> User | None:
    try:
        users.check_name(known.name, accounts.taken)
        with accounts.database.write() as connection:
            user = users.add_user(connection, known.name, role, None, known.identity)
            detail = f"role {role}, by {known.source}"
            audit.record(connection, actor, "user.add", known.name, detail)
    except (Refused, Conflict):
        return None
    return user
