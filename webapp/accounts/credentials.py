"""Credentials where accounts are on: the flags' tokens, and users with theirs. No Flask."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from webapp.access.credentials import (
    OWNER,
    TOKEN_ACCOUNT,
    Caller,
    Credentials,
    HeaderLookup,
    PresentedCredential,
    guess,
)
from webapp.access.eas_signature import SignedRequest
from webapp.access.forwarded import Network, is_in_networks, parse_networks
from webapp.access.login_throttle import LoginThrottle
from webapp.access.secret import Secret
from webapp.access.tokens import MIN_TOKEN_LENGTH
from webapp.accounts.accounts import Accounts
from webapp.accounts.api_tokens import ApiToken, find_token, find_token_by_id, is_token
from webapp.accounts.audit import Actor
from webapp.accounts.external import ExternalUser, external_user
from webapp.accounts.logins import Login, find_login, find_login_by_id
from webapp.accounts.roles import ROLE_SCOPES, Role, excess_scopes
from webapp.accounts.users import User, find_user, is_gone, normalize_name

LOGIN_KEY, TOKEN_KEY, NAME_KEY = "login/", "token/", "name/"
"""What a caller's key begins with who came by a cookie, a token, or a password or a proxy.

A name follows, or the id of a row, which opens nothing by itself.
"""

LOGIN_PREFIX = "account/"
"""What cookies of accounts' logins hold before their secret; those by a token hold its key.

No name of the flags' tokens has a slash.
"""


@dataclass(frozen=True, slots=True)
class TrustedProxy:
    """A proxy that has authenticated whom ``header`` names, when it asks from ``networks``.

    ``role``: of a user that is made for a name that has none; None: such a name is refused.
    """

    header: str
    networks: tuple[Network, ...]
    role: Role | None = None

    def vouches_from(self, address: str) -> bool:
        """Whether the proxy is at this address."""
        return is_in_networks(address, self.networks)


def trusted_proxy(header: str, networks: Iterable[str], role: str) -> TrustedProxy | None:
    """The proxy of the flags; None where they name no header."""
    if not header:
        return None
    return TrustedProxy(header, parse_networks(networks), Role(role) if role else None)


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """Who may come in: as :class:`CredentialSource` says."""

    accounts: Accounts
    flags: Credentials
    proxy: TrustedProxy | None = None

    @property
    def open_to_all(self) -> bool:
        """Never: there are accounts."""
        return False

    @property
    def any_host(self) -> bool:
        """Whoever asks needs a credential, under every name."""
        return True

    def by_name(self, name: str) -> Caller | None:
        """Who could come in under this name now."""
        user = None if name in self.accounts.taken else find_user(self.accounts.database, name)
        if user is not None:
            return caller_of(user, "") if user.is_enabled else None
        return None if self.flags.open_to_all else self.flags.by_name(name)

    def admit(
        self, credential: PresentedCredential, throttle: LoginThrottle | None, address: str
    ) -> Caller | None:
        """Who may come in with this. Raises ``TooManyTries``, ``Unavailable``.

        A token is taken as any user's password too, but for one that could be guessed.
        """
        name, secret = normalize_name(credential.name), credential.secret
        token = self.flags.by_token(secret)
        if token and (throttle is None or len(secret) >= MIN_TOKEN_LENGTH):
            return token
        if is_token(secret):
            found = find_token(self.accounts.database, secret)
            return self._user(caller_of_token(*found)) if found else None

        def check() -> Caller | None:
            user = self.accounts.authenticate(name, secret, address)
            return self._user(caller_of(user, f"{NAME_KEY}{user.name}")) if user else None

        if throttle is None:
            return check()
        if name == TOKEN_ACCOUNT:  # a token of nobody's: no password to compare
            return guess(name, throttle, address, lambda: token)
        return guess(name, throttle, address, check)

    def admit_signed(
        self, signed: SignedRequest, throttle: LoginThrottle | None, address: str
    ) -> Caller | None:
        """The flags' tokens alone sign: of the users' ones no more is known than a digest."""
        return self.flags.admit_signed(signed, throttle, address)

    def by_request(self, address: str, header: HeaderLookup) -> Caller | None:
        """For whom the trusted proxy vouches, as a browser's login: see ``Caller.by_cookie``."""
        if self.proxy is None or not self.proxy.vouches_from(address):
            return None
        name = normalize_name(header(self.proxy.header) or "")
        if not name:
            return None
        known = ExternalUser(name, None, f"the proxy at {address}")
        user = external_user(self.accounts, known, self.proxy.role, Actor(name, address))
        caller = caller_of(user, f"{NAME_KEY}{user.name}") if user else None
        return self._user(replace(caller, by_cookie=True)) if caller else None

    def login_loader(self) -> Callable[[str], Caller | None]:
        """Finds the caller as of now by the id of a login."""
        find_flags_caller = self.flags.login_loader()

        def find(login_id: str) -> Caller | None:
            if login_id.startswith(LOGIN_PREFIX):
                secret = Secret(login_id.removeprefix(LOGIN_PREFIX))
                found = find_login(self.accounts.database, secret)
                return self._user(caller_of_login(*found)) if found else None
            if login_id.startswith(TOKEN_KEY):
                return self.recheck(Caller("", by_cookie=True, key=login_id))
            return find_flags_caller(login_id)

        return find

    def start_login(self, caller: Caller, address: str, agent: str) -> str:
        """The id of a new login. One with a token opens what the token does, as long as it."""
        if caller.key.startswith(TOKEN_KEY):
            return caller.key
        user = find_user(self.accounts.database, caller.name) if caller.key else None
        if user is None:
            return self.flags.start_login(caller, address, agent)
        secret = self.accounts.start_login(user, address, agent)
        return f"{LOGIN_PREFIX}{secret.reveal()}"

    def stop_login(self, caller: Caller) -> None:
        """End the login of the cookie."""
        if caller.key.startswith(LOGIN_KEY):
            self.accounts.end_login(caller.name, caller.key.removeprefix(LOGIN_KEY))

    def recheck(self, caller: Caller) -> Caller | None:
        """The caller as of now. One without a key was known by name before, in another request."""
        if caller.name == OWNER or caller.name in self.accounts.taken:
            return None if caller.key else self.flags.recheck(caller)
        database = self.accounts.database
        if caller.key.startswith(LOGIN_KEY):
            login = find_login_by_id(database, caller.key.removeprefix(LOGIN_KEY))
            return caller_of_login(*login) if login else None
        if caller.key.startswith(TOKEN_KEY):
            token = find_token_by_id(database, caller.key.removeprefix(TOKEN_KEY))
            known = self._user(caller_of_token(*token)) if token else None
            return known and replace(known, by_cookie=caller.by_cookie)
        if caller.key.startswith(NAME_KEY):
            user = find_user(database, caller.key.removeprefix(NAME_KEY))
            if user is None or not user.is_enabled:
                return None
            return replace(caller, scope=ROLE_SCOPES[user.role])
        user = find_user(database, caller.name)
        if user is None:
            is_removed = is_gone(database, caller.name)
        else:
            is_removed = not user.is_enabled or bool(excess_scopes(user.role, caller.scopes))
        return None if is_removed else self.flags.recheck(caller)

    def _user(self, caller: Caller) -> Caller | None:
        """The caller, unless a flag's token has the name of this user.

        One can be added so at the command line, beside the service; jobs and files of a name are
        the token's then.
        """
        return None if caller.name in self.accounts.taken else caller


def caller_of(user: User, key: str) -> Caller:
    """The caller that a user is, with all that its role opens."""
    return Caller(user.name, ROLE_SCOPES[user.role], key=key)


def caller_of_login(user: User, login: Login) -> Caller:
    """The caller that a user is with a cookie."""
    return replace(caller_of(user, f"{LOGIN_KEY}{login.id}"), by_cookie=True)


def caller_of_token(user: User, token: ApiToken) -> Caller:
    """The caller that a user is with a token."""
    first, *others = token.scopes
    return Caller(user.name, first, more_scopes=tuple(others), key=f"{TOKEN_KEY}{token.id}")
