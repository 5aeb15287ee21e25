"""Who asks, and the credentials that prove it: those of the flags, and what others must offer.

No Flask.
"""

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from webapp.access.eas_signature import SignedRequest
from webapp.access.login_throttle import LoginThrottle
from webapp.access.scopes import ALLOWED_SCOPES, AccessScope
from webapp.access.secret import Secret
from webapp.access.tokens import MIN_TOKEN_LENGTH, NarrowToken

HeaderLookup = Callable[[str], str | None]
"""A request's header by its name, in any case; None where there is none."""

OWNER = "owner"
DECOY = Secret(secrets.token_hex())
"""What an unknown name's password is compared with: nobody knows it."""

TOKEN_ACCOUNT = ""
"""The account at which a wrong token guesses."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes the request. The owner sees and stops everybody's jobs; others their own.

    ``by_cookie``: the browser proves it by itself, so that other sites' pages must not ask.
    """

    name: str
    scope: AccessScope = AccessScope.USER
    by_cookie: bool = False
    more_scopes: tuple[AccessScope, ...] = ()  # of a token for several things
    key: str = ""  # which account's login or token it is, for ``CredentialSource.recheck``

    @property
    def is_owner(self) -> bool:
        """Whether the service is this caller's."""
        return self.scope is AccessScope.OWNER

    @property
    def scopes(self) -> tuple[AccessScope, ...]:
        """All that the credential is for."""
        return (self.scope, *self.more_scopes)

    @property
    def purpose(self) -> str:
        """The same in words."""
        return ", ".join(self.scopes)

    def may(self, scope: AccessScope) -> bool:
        """Whether the credential opens routes of this scope; public ones are open anyway."""
        return any(scope in ALLOWED_SCOPES[each] for each in self.scopes)


OWNER_CALLER = Caller(OWNER, AccessScope.OWNER)


@dataclass(frozen=True, slots=True)
class PresentedCredential:
    """A credential: a name and a password, or a token under the name ``TOKEN_ACCOUNT``."""

    name: str
    secret: Secret


def parse_authorization(header: str) -> PresentedCredential | None:
    """The credential in an ``Authorization`` header: Basic, ``Bearer TOKEN`` or a bare token.

    None for a Basic header that cannot be parsed. An empty secret counts as no credential.
    """
    kind, _, rest = header.strip().partition(" ")
    if kind.lower() != "basic":
        token = rest.strip() if kind.lower() == "bearer" else header.strip()
        return PresentedCredential(TOKEN_ACCOUNT, Secret(token))
    try:
        name, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return PresentedCredential(name, Secret(password))


class CredentialSource(Protocol):
    """Who may come in: by the flags' :class:`Credentials`, or by accounts as well."""

    @property
    def open_to_all(self) -> bool:
        """True if no credential is asked for: whoever reaches the service is its owner."""
        ...

    @property
    def any_host(self) -> bool:
        """Whether the service answers under every name although it is open to all."""
        ...

    def by_name(self, name: str) -> Caller | None:
        """Who could come in under this name now; asked for what a caller left to others."""
        ...

    def admit(
        self, credential: PresentedCredential, throttle: LoginThrottle | None, address: str
    ) -> Caller | None:
        """Who may come in with this; None if it is wrong. Raises ``TooManyTries``."""
        ...

    def admit_signed(
        self, signed: SignedRequest, throttle: LoginThrottle | None, address: str
    ) -> Caller | None:
        """Who may come in by a signature; None if it is wrong. Raises ``TooManyTries``."""
        ...

    def by_request(self, address: str, header: HeaderLookup) -> Caller | None:
        """For whom a trusted proxy at ``address`` vouches; None where none does."""
        ...

    def login_loader(self) -> Callable[[str], Caller | None]:
        """Finds the caller as of now by the id of a login; none whose login has ended."""
        ...

    def start_login(self, caller: Caller, address: str, agent: str) -> str:
        """The id of a new login of ``caller``, from ``address`` with the browser ``agent``."""
        ...

    def stop_login(self, caller: Caller) -> None:
        """The login by which ``caller`` came is over."""
        ...

    def recheck(self, caller: Caller) -> Caller | None:
        """The caller as of now; None once the login, token or account behind it is no more."""
        ...


def guess(
    name: str, throttle: LoginThrottle, address: str, check: Callable[[], Caller | None]
) -> Caller | None:
    """Whom ``check`` lets in, as a throttled and counted guess. Raises ``TooManyTries``."""
    throttle.check(name, address)
    caller = check()
    if caller:
        throttle.record_success(name, address)
    else:
        for account in {name, TOKEN_ACCOUNT}:
            throttle.record_failure(account, address)
    return caller


@dataclass(frozen=True, slots=True)
class Credentials:
    """The configured credentials. ``open_to_all`` holds only when nothing is configured."""

    token: Secret | None = None
    passwords: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))
    any_host: bool = False  # --insecure, or a door that asks for credentials anyway
    narrow: tuple[NarrowToken, ...] = ()

    @property
    def open_to_all(self) -> bool:
        """True if no credential is configured: whoever reaches the service is its owner."""
        return not self.token and not self.passwords and not self.narrow

    def by_name(self, name: str) -> Caller | None:
        """Who could come in under this name now; asked for what a caller left to others."""
        if name == OWNER:
            return OWNER_CALLER if self.token or self.open_to_all else None
        return Caller(name) if name in self.passwords else None

    def by_token(self, secret: Secret) -> Caller | None:
        """The owner or who holds a narrower token. Takes as long for every wrong one."""
        caller = OWNER_CALLER if self.token and self.token == secret else None
        for narrow in self.narrow:
            if narrow.token == secret:
                caller = caller or Caller(narrow.name, narrow.scope)
        return caller

    def by_signature(self, signed: SignedRequest) -> Caller | None:
        """Whose token a request was signed with; tokens that could be guessed sign nothing."""
        owner = () if self.token is None else ((OWNER_CALLER, self.token),)
        narrow = ((Caller(each.name, each.scope), each.token) for each in self.narrow)
        for caller, token in (*owner, *narrow):
            if len(token) >= MIN_TOKEN_LENGTH and signed.is_signed_with(token):
                return caller
        return None

    def admit_signed(
        self, signed: SignedRequest, throttle: LoginThrottle | None, address: str
    ) -> Caller | None:
        """Who may come in by a signature; None, and a guess more counted, if it is wrong.

        Raises ``TooManyTries``.
        """
        caller = self.by_signature(signed)
        if caller is None and throttle is not None:
            throttle.check(TOKEN_ACCOUNT, address)
            throttle.record_failure(TOKEN_ACCOUNT, address)
        return caller

    def by_password(self, name: str, secret: Secret) -> Caller | None:
        """The caller of this name and password. Takes as long for an unknown name."""
        expected = self.passwords.get(name)
        right = secret == (expected if expected is not None else DECOY)
        return Caller(name) if right and expected is not None else None

    def admit(
        self, credential: PresentedCredential, throttle: LoginThrottle | None, address: str
    ) -> Caller | None:
        """Who may come in with this; None, and a guess more counted, if it is wrong.

        Raises ``TooManyTries``. A right token that cannot be guessed never waits for others'
        guesses. A token is taken as any user's password too; a short one not while guesses at
        tokens wait, else new names would guess on.
        """
        user, token = (
            self.by_password(credential.name, credential.secret),
            self.by_token(credential.secret),
        )
        if throttle is None or (token and len(credential.secret) >= MIN_TOKEN_LENGTH):
            return user or token
        with_token = None if throttle.wait_seconds(TOKEN_ACCOUNT, address) else token
        return guess(credential.name, throttle, address, lambda: user or with_token)

    def by_request(self, address: str, header: HeaderLookup) -> Caller | None:
        """Nobody: flags name no proxy that could vouch for anybody."""
        return None

    def login_loader(self) -> Callable[[str], Caller | None]:
        """Finds a caller by the id of a login."""
        return login_ids(self).get

    def start_login(self, caller: Caller, address: str, agent: str) -> str:
        """The id of a login of ``caller``: it is the same each time."""
        wanted = replace(caller, by_cookie=True)
        return next(name for name, one in login_ids(self).items() if one == wanted)

    def stop_login(self, caller: Caller) -> None:
        """A login of ``caller`` has ended; ``RevokedLogins`` remembers it."""

    def recheck(self, caller: Caller) -> Caller | None:
        """The same caller: what flags configure holds as long as the process lives."""
        return caller


def login_ids(credentials: Credentials) -> dict[str, Caller]:
    """Everybody who can log in, by the id that their cookie holds.

    It is the name and a digest of the secret, and outlives no change of the secret.
    """
    callers = [(Caller(name), password) for name, password in credentials.passwords.items()]
    callers += [(Caller(each.name, each.scope), each.token) for each in credentials.narrow]
    if credentials.token:
        callers.append((OWNER_CALLER, credentials.token))
    return {
        f"{caller.name}:{secret.fingerprint()}": replace(caller, by_cookie=True)
        for caller, secret in callers
    }


def build_credentials(
    token: str | Secret | None,
    api_auth: tuple[tuple[str, str | Secret], ...] = (),
    page_auth: tuple[tuple[str, str | Secret], ...] = (),
    *,
    insecure: bool = False,
    narrow: tuple[NarrowToken, ...] = (),
) -> Credentials:
    """What the flags configure. Users of ``--api-auth`` and ``--gradio-auth`` are one circle."""
    passwords = MappingProxyType(
        {name: as_secret(password) for name, password in (*page_auth, *api_auth)}
    )
    return Credentials(as_secret(token) if token else None, passwords, insecure, narrow)


def as_secret(text: str | Secret) -> Secret:
    """A secret of what may be one already."""
    return text if isinstance(text, Secret) else Secret(text)
