"""Authentication: tokens, Basic passwords, the page's login cookie; one check before every route.

Without a configured credential, and listening on this machine only, every caller is the owner.
Then, and for cookies, foreign ``Host`` and ``Origin`` headers are refused, so that a web page
elsewhere cannot act through the browser of somebody here (DNS rebinding, cross-site requests).
"""

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from flask import Flask, current_app, g, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from webapp.access.cors import AllowedOrigins
from webapp.access.eas_signature import SignedRequest, read_signed_request
from webapp.access.login_throttle import LoginThrottle
from webapp.access.page_origin import SAFE_METHODS, check_host, check_origin, is_untrusted_page
from webapp.access.revoked_logins import RevokedLogins
from webapp.access.scopes import ALLOWED_SCOPES, AccessScope, scope_of
from webapp.access.secret import Secret
from webapp.access.signed_urls import EXPIRES, SIGNATURE, UrlSigner
from webapp.access.tokens import MIN_TOKEN_LENGTH, NarrowToken
from webapp.errors import Forbidden, NotAuthenticated, TooLarge, WrongCredential
from webapp.http.body_pace import body_is_coming
from webapp.logs import bind

OWNER = "owner"
NULL_ORIGIN_FORMS = frozenset({"shared.enter"})
"""Forms on pages that tell nobody where they come from: a browser then says ``Origin: null``."""

MAX_FORM_BYTES = 64 * 1024
"""Bytes of a body posted without a credential (login, a share's password), read in full first."""

LOGIN_KEY, REVOKED_KEY = "login", "easel.ended"
"""Where a cookie has its login's name, and the app the ended ones."""

FILEBROWSER_TOKEN = "X-Auth"
"""The header in which filebrowser's clients send their token."""

SIGNED_ENDPOINTS = frozenset({"files.by_path", "files.by_absolute_path"})
"""What a signed link opens without a credential."""

NO_ORIGINS = AllowedOrigins()
INNER_CALLER, PREDICT_PATH = "easel.caller", "easel.predict_path"
"""Keys of a request's environment that no client can set: for whom the service itself asks;
the path of a request to ``/api/predict`` as it came."""

DECOY = Secret(secrets.token_hex())
"""What an unknown name's password is compared with: nobody knows it."""

TOKEN_ACCOUNT = ""
"""The account at which a wrong token guesses."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes the request. The owner sees and stops everybody's jobs; others their own."""

    name: str
    scope: AccessScope = AccessScope.USER
    by_cookie: bool = False

    @property
    def is_owner(self) -> bool:
        """Whether the service is this caller's."""
        return self.scope is AccessScope.OWNER


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
        throttle.check(credential.name, address)
        caller = user or (None if throttle.wait_seconds(TOKEN_ACCOUNT, address) else token)
        if caller:
            throttle.record_success(credential.name, address)
        else:
            for account in {credential.name, TOKEN_ACCOUNT}:
                throttle.record_failure(account, address)
        return caller


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


class LoginUser(UserMixin):
    """Flask-Login's idea of a caller; the id outlives no change of the password behind it."""

    def __init__(self, caller: Caller, secret: Secret) -> None:
        self.caller = caller
        self.secret = secret

    def get_id(self) -> str:
        """What the signed cookie holds: the name and a digest of the secret."""
        return f"{self.caller.name}:{self.secret.fingerprint()}"


def login_users(credentials: Credentials) -> dict[str, LoginUser]:
    """Everybody who can log in, by the id of their cookie."""
    users = [
        LoginUser(Caller(name, by_cookie=True), password)
        for name, password in credentials.passwords.items()
    ]
    users += [
        LoginUser(Caller(narrow.name, narrow.scope, by_cookie=True), narrow.token)
        for narrow in credentials.narrow
    ]
    if credentials.token:
        users.append(LoginUser(replace(OWNER_CALLER, by_cookie=True), credentials.token))
    return {visitor.get_id(): visitor for visitor in users}


def login_user_of(caller: Caller, credentials: Credentials) -> LoginUser:
    """The visitor to log in as ``caller``."""
    users = login_users(credentials).values()
    return next(one for one in users if one.caller == replace(caller, by_cookie=True))


def install(
    app: Flask,
    credentials: Credentials,
    throttle: LoginThrottle,
    revoked: RevokedLogins,
    origins: AllowedOrigins,
    signer: UrlSigner,
) -> None:
    """Install the access check before every route; ``throttle`` counts wrong credentials."""
    manager = LoginManager(app)
    users = login_users(credentials)
    manager.user_loader(users.get)
    app.extensions[REVOKED_KEY] = revoked
    app.before_request(lambda: check_access(credentials, throttle, origins, signer))


def check_access(
    credentials: Credentials, throttle: LoginThrottle, origins: AllowedOrigins, signer: UrlSigner
) -> None:
    """Let a request through or raise: 401 without a credential, 403 from a foreign page.

    Also 403 where the credential is too narrow for the route, and for a link that is not valid;
    429 after too many wrong credentials.
    """
    scope = scope_of(current_app.view_functions.get(request.endpoint or ""))
    if scope is AccessScope.PUBLIC:
        if request.method not in SAFE_METHODS:
            check_form()
            if not is_null_origin_form():
                check_origin(origins)
        return
    inner = request.environ.get(INNER_CALLER)
    if isinstance(inner, Caller):  # an entry that this caller has put
        g.caller = inner
        bind(user=inner.name)
        check_scope(inner, scope)
        return
    if SIGNATURE in request.args and request.endpoint in SIGNED_ENDPOINTS:
        g.caller = check_signed_link(signer)
        return
    g.caller = identify(credentials, throttle, origins)
    bind(user=g.caller.name)
    if credentials.open_to_all:
        if not credentials.any_host:
            check_host()
        if not origins.admits(request.headers.get("Origin", "")):
            check_origin(origins)
    elif g.caller.by_cookie and request.method not in SAFE_METHODS:
        check_origin(origins)
    check_scope(g.caller, scope)


def check_scope(caller: Caller, scope: AccessScope) -> None:
    """Raise ``Forbidden`` where a credential is too narrow for the route that is asked."""
    if request.endpoint is not None and scope not in ALLOWED_SCOPES[caller.scope]:
        raise Forbidden(
            f"This credential is for {caller.scope}; {request.method} {request.path} takes "
            f"one for {scope}. See docs/access.md."
        )


def check_signed_link(signer: UrlSigner) -> Caller:
    """Who comes by a signed link: nobody, for one file. Raises ``Forbidden``."""
    names = (EXPIRES, SIGNATURE)
    expires, signature = (request.args.get(name, "") for name in names)
    path = request.path.removeprefix("/file=")
    if not signer.verify(path, expires, signature):
        raise Forbidden("This link has expired or was changed; ask for a new one.")
    return Caller("", AccessScope.READ)


def is_null_origin_form() -> bool:
    """Whether a form comes, as far as its browser tells, from a page of ours without a referrer."""
    hidden = request.headers.get("Origin") == "null"
    elsewhere = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    return request.endpoint in NULL_ORIGIN_FORMS and hidden and not elsewhere


def identify(
    credentials: Credentials,
    throttle: LoginThrottle | None = None,
    origins: AllowedOrigins = NO_ORIGINS,
) -> Caller:
    """The caller of the current request. Raises 401's exceptions, 429's with ``throttle``.

    The cookie of a visitor does not count for pages of origins that are let in without trust.
    """
    if credentials.open_to_all:
        return OWNER_CALLER
    if signer := identify_signer(credentials, throttle):
        return signer
    header = request.headers.get("Authorization", "") or request.headers.get(FILEBROWSER_TOKEN, "")
    credential = parse_authorization(header)
    if credential is None or credential.secret:
        admitted = credential and credentials.admit(credential, throttle, request.remote_addr or "")
        if not admitted:
            raise wrong_credential(header)
        return admitted
    if is_untrusted_page(origins):
        raise NotAuthenticated("Not authenticated: a page of another origin has no login here")
    if current_user.is_authenticated and is_login_valid():
        caller: Caller = current_user.caller
        return caller
    raise wrong_credential(header) if header.strip() else NotAuthenticated("Not authenticated")


def identify_signer(credentials: Credentials, throttle: LoginThrottle | None) -> Caller | None:
    """Whose signature a request to ``/api/predict`` has; None where it has none.

    Raises ``WrongCredential``. The body is held against the signed digest when it is read.
    """
    path = request.environ.get(PREDICT_PATH)
    if path is None:
        return None
    paths = (path, f"{request.script_root}{path}")
    signed = read_signed_request(lambda name: request.headers.get(name, ""), request.method, paths)
    if signed is None:
        return None
    caller = credentials.admit_signed(signed, throttle, request.remote_addr or "")
    if caller is None:
        raise WrongCredential(
            "Incorrect signature: it is not made of this request with a token of this service."
        )
    g.content_md5 = signed.content_md5
    return caller


def wrong_credential(header: str) -> WrongCredential:
    """The 401 error for an ``Authorization`` header that admits nobody."""
    basic = header.strip().lower().startswith("basic")
    return WrongCredential("Incorrect username or password" if basic else "Incorrect token")


def begin_login(visitor: LoginUser) -> None:
    """Log a visitor in, under a name that nobody else's cookie bears."""
    session.permanent = True
    session[LOGIN_KEY] = secrets.token_hex(16)
    login_user(visitor)


def end_login() -> None:
    """Log out: also copies of the cookie are worth nothing from now on."""
    if name := session.get(LOGIN_KEY):
        current_app.extensions[REVOKED_KEY].revoke(name)
    logout_user()
    session.clear()


def is_login_valid() -> bool:
    """Whether the login of the request's cookie has not been ended since."""
    name = session.get(LOGIN_KEY, "")
    return bool(name) and name not in current_app.extensions[REVOKED_KEY]


def login_checker() -> Callable[[], bool]:
    """A function that tells later, outside the request, whether its login is still valid."""
    revoked, name = current_app.extensions[REVOKED_KEY], session.get(LOGIN_KEY, "")
    return lambda: name not in revoked


def check_form() -> None:
    """Refuse an unauthenticated body that a thread would wait for; see ``web_worker``."""
    if (request.content_length or 0) > MAX_FORM_BYTES or body_is_coming():
        raise TooLarge(f"A form here has {MAX_FORM_BYTES} bytes at most.")
