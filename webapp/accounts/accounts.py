"""``Accounts``: the database and what is done with it as one piece. No Flask.

Each change and the line of the audit log that tells of it are one transaction.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import sqlalchemy as sa

from webapp.access.credentials import Caller
from webapp.access.login_throttle import FailureCounter
from webapp.access.secret import Secret
from webapp.accounts import api_tokens, audit, groups, invitations, limits, logins, users
from webapp.accounts.api_tokens import ApiToken, TokenSpec
from webapp.accounts.audit import Actor
from webapp.accounts.database import AccountDatabase, open_database
from webapp.accounts.errors import AccountsUnusable, WrongOldPassword
from webapp.accounts.invitations import Invitation
from webapp.accounts.migrate import migrate
from webapp.accounts.passwords import AccountPasswords, check_password
from webapp.accounts.roles import Role
from webapp.accounts.users import User, UserChange
from webapp.errors import NothingThere, Refused, Unavailable
from webapp.queues.plans import Limits

WRONG_OLD_PASSWORD = "The old password is not right."
MAX_FAILURES_TOLD = 120  # lines a minute about wrong passwords; beyond them the throttle is enough


@dataclass(frozen=True, slots=True)
class Accounts:
    """Users and what opens their accounts. ``taken``: names that the flags' tokens have."""

    database: AccountDatabase
    taken: frozenset[str] = frozenset()
    passwords: AccountPasswords = field(default_factory=AccountPasswords)
    failures: FailureCounter = field(
        default_factory=lambda: FailureCounter(tries=MAX_FAILURES_TOLD)
    )

    def add_user(
        self, actor: Actor, name: str, role: Role, password: Secret | None, group: str = ""
    ) -> User:
        """A new user; without a password one who comes by a proxy or an OIDC provider.

        Raises ``Refused`` for the name or password, ``Conflict`` for a name that is taken,
        ``NothingThere`` for a group that there is not.
        """
        users.check_name(name, self.taken)
        encoded = self._checked_hash(password, name)
        with self.database.write() as connection:
            user = users.add_user(connection, name, role, encoded)
            groups.set_group(connection, user, group)
            told = f"role {role}, group {group}" if group else f"role {role}"
            audit.record(connection, actor, "user.add", name, told)
        return replace(user, group=group)

    def add_group(self, actor: Actor, name: str) -> None:
        """A new group. Raises ``Refused`` for its name, ``Conflict`` where there is one."""
        with self.database.write() as connection:
            groups.add_group(connection, name)
            audit.record(connection, actor, "group.add", name)

    def remove_group(self, actor: Actor, name: str) -> None:
        """Remove a group; its members are in none then. Raises ``NothingThere``."""
        with self.database.write() as connection:
            groups.remove_group(connection, name)
            audit.record(connection, actor, "group.remove", name)

    def set_group(self, actor: Actor, name: str, group: str) -> User:
        """The user, in that group from now on; "" for none. Raises ``NothingThere``."""
        with self.database.write() as connection:
            user = users.require_user(connection, name)
            groups.set_group(connection, user, group)
            audit.record(connection, actor, "user.change", name, _group_text(group))
        return replace(user, group=group)

    def set_limits(self, actor: Actor, kind: str, name: str, values: Limits) -> None:
        """What a user, group or role may take, in place of what was said before.

        Raises ``NothingThere`` where there is none of that kind and name.
        """
        with self.database.write() as connection:
            _check_bounded(connection, kind, name)
            limits.set_limits(connection, kind, name, values)
            told = ", ".join(f"{each} {value:g}" for each, value in values.told().items())
            audit.record(connection, actor, "limits.set", f"{kind} {name}", told or "none")

    def change_user(
        self,
        actor: Actor,
        name: str,
        role: Role | None = None,
        disabled: bool | None = None,
        password: Secret | None = None,
        group: str | None = None,
    ) -> User:
        """The user after a change; its logins end. Raises as :func:`users.change_user`.

        ``group``: as :meth:`set_group` takes it; None: as it is.
        """
        change = UserChange(role, disabled, self._checked_hash(password, name))
        told = [f"role {role}"] if role else []
        told += [] if disabled is None else ["disabled" if disabled else "enabled"]
        told += ["password"] if password else []
        told += [] if group is None else [_group_text(group)]
        with self.database.write() as connection:
            user = users.change_user(connection, name, change)
            if group is not None:
                groups.set_group(connection, user, group)
                user = replace(user, group=group)
            audit.record(connection, actor, "user.change", name, ", ".join(told))
        return user

    def remove_user(self, actor: Actor, name: str) -> None:
        """Remove a user; the log keeps what it did. Raises as :func:`users.remove_user`."""
        with self.database.write() as connection:
            users.remove_user(connection, name)
            audit.record(connection, actor, "user.remove", name)

    def change_password(
        self, actor: Actor, name: str, old: Secret, new: Secret, login: str
    ) -> None:
        """A user's own password; all its logins but ``login`` end.

        Raises ``WrongOldPassword`` for the old one, ``Refused`` for the new one.
        """
        user, encoded = users.password_hash(self.database, name)
        if not self.passwords.verify(encoded, old) or user is None:
            raise WrongOldPassword(WRONG_OLD_PASSWORD)
        changed = self._checked_hash(new, name)
        with self.database.write() as connection:
            users.set_password(connection, user, changed)
            logins.revoke_logins(connection, user, but=login)
            audit.record(connection, actor, "password.change", name)

    def authenticate(self, name: str, password: Secret, address: str) -> User | None:
        """The enabled user of this name and password; as slow for an unknown name."""
        user, encoded = users.password_hash(self.database, name)
        right = self.passwords.verify(encoded, password)
        if right and user is not None:
            return user
        if not self.failures.wait_seconds("all"):
            self.failures.add_failure("all")
            with suppress(Unavailable):  # logged; a full disk makes no guess free
                self.record(Actor(name, address), "login.fail")
        return None

    def start_login(self, user: User, address: str, agent: str) -> Secret:
        """What the cookie of a new login holds."""
        with self.database.write() as connection:
            secret = logins.start_login(connection, user, address, agent)
            audit.record(connection, Actor(user.name, address), "login.start", detail=agent)
        return secret

    def end_login(self, name: str, login_id: str) -> None:
        """End a login at its user's wish, if it has not ended."""
        with self.database.write() as connection:
            logins.end_login(connection, login_id)
            audit.record(connection, Actor(name), "login.end", detail=login_id)

    def revoke_login(self, actor: Actor, name: str, login_id: str) -> None:
        """End one login of a user. Raises ``NothingThere``."""
        with self.database.write() as connection:
            logins.revoke_login(connection, users.require_user(connection, name), login_id)
            audit.record(connection, actor, "login.revoke", name, login_id)

    def revoke_logins(self, actor: Actor, name: str) -> int:
        """End all logins of a user; how many. Raises ``NothingThere``."""
        with self.database.write() as connection:
            count = logins.revoke_logins(connection, users.require_user(connection, name))
            audit.record(connection, actor, "login.revoke", name, f"all {count}")
        return count

    def add_token(self, actor: Actor, name: str, spec: TokenSpec) -> tuple[Secret, ApiToken]:
        """A new token of a user. Raises as :func:`api_tokens.add_token`."""
        with self.database.write() as connection:
            user = users.require_user(connection, name)
            secret, made = api_tokens.add_token(connection, user, spec)
            detail = f"{made.id} {made.label}: {', '.join(made.scopes)}"
            audit.record(connection, actor, "token.add", name, detail)
        return secret, made

    def revoke_token(self, actor: Actor, name: str, token_id: str) -> None:
        """End a token of a user. Raises ``NothingThere``."""
        with self.database.write() as connection:
            user = users.require_user(connection, name)
            ended = api_tokens.revoke_token(connection, user, token_id)
            audit.record(connection, actor, "token.revoke", name, f"{ended.id} {ended.label}")

    def invite(
        self, actor: Actor, role: Role, name: str | None, hours: float
    ) -> tuple[Secret, Invitation]:
        """A new invitation. Raises ``Refused`` and ``Conflict`` for the name."""
        if name is not None:
            users.check_name(name, self.taken)
        with self.database.write() as connection:
            code, made = invitations.add_invitation(connection, role, name, actor.name, hours)
            audit.record(connection, actor, "invitation.add", name or "", f"{made.id} role {role}")
        return code, made

    def find_invitation(self, code: Secret) -> Invitation:
        """The open invitation of a code. Raises ``NothingThere``."""
        with self.database.read() as connection:
            return invitations.find_invitation(connection, code)

    def accept(self, code: Secret, name: str, password: Secret, address: str) -> User:
        """The user whom an invitation makes; it is void then.

        Raises ``NothingThere`` for the code, ``Refused`` and ``Conflict`` for name or password:
        then the invitation stays open.
        """
        invitation = self.find_invitation(code)
        name = invitation.name or users.normalize_name(name)
        users.check_name(name, self.taken)
        encoded = self._checked_hash(password, name)
        with self.database.write() as connection:
            invitations.use_invitation(connection, code)
            user = users.add_user(connection, name, invitation.role, encoded)
            detail = f"{invitation.id} of {invitation.created_by}, role {invitation.role}"
            audit.record(connection, Actor(name, address), "invitation.accept", name, detail)
        return user

    def revoke_invitation(self, actor: Actor, invitation_id: str) -> None:
        """Make an invitation void. Raises ``NothingThere``."""
        with self.database.write() as connection:
            invitations.revoke_invitation(connection, invitation_id)
            audit.record(connection, actor, "invitation.revoke", invitation_id)

    def record(self, actor: Actor, action: str, target: str = "", detail: str = "") -> None:
        """Add a line to the audit log."""
        with self.database.write() as connection:
            audit.record(connection, actor, action, target, detail)

    def invite_first_admin(self) -> Secret | None:
        """The code of an invitation for the first admin; None where there is one already."""
        with self.database.write() as connection:
            if users.has_admin(connection):
                return None
            audit.record(
                connection, Actor(invitations.START), "invitation.add", detail="first admin"
            )
            return invitations.replace_first_invitation(connection)

    def require_own(self, caller: Caller) -> User:
        """The user that a caller is. Raises ``NothingThere`` for the holder of a flag's token."""
        user = users.find_user(self.database, caller.name)
        if user is None or not caller.key:
            raise NothingThere("This credential is a token of the flags: it has no account.")
        return user

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def _checked_hash(self, password: Secret | None, name: str) -> str | None:
        if password is None:
            return None
        if api_tokens.is_token(password):
            raise Refused("This is an API token's form: choose another password.")
        check_password(password, name)
        return self.passwords.hash_password(password)


def _check_bounded(connection: sa.Connection, kind: str, name: str) -> None:
    if kind == limits.USER:
        users.require_user(connection, name)
    elif kind == limits.GROUP:
        groups.require_group(connection, name)
    elif kind != limits.ROLE or name not in set(Role):
        raise NothingThere(
            f"There is no {kind[:8]} {name[:32]!r}: limits are for a user, a group or a role "
            f"({', '.join(Role)})."
        )


def open_accounts(
    url: Secret | None, folder: Path, taken: frozenset[str] = frozenset()
) -> Accounts:
    """The accounts of a database (a file in ``folder`` without one), in this version's schema.

    Raises :class:`AccountsUnusable`, also where a user has a name of ``taken``.
    """
    database = open_database(url, folder)
    try:
        migrate(database)
        both = sorted(name for name in taken if users.find_user(database, name))
        if both:
            raise AccountsUnusable(
                f"The name {both[0]!r} is a user's and a token's: give the token another one."
            )
    except BaseException:
        database.close()
        raise
    return Accounts(database, taken)


def _group_text(group: str) -> str:
    return f"group {group}" if group else "no group"
