"""Authentication: tokens, Basic passwords, the page's login cookie; one check before every route.

Without a configured credential, and listening on this machine only, every caller is the owner.
Then, and for cookies, foreign ``Host`` and ``Origin`` headers are refused, so that a web page
elsewhere cannot act through the browser of somebody here (DNS rebinding, cross-site requests).
"""

import secrets
from collections.abc import Callable

from flask import Flask, current_app, g, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from webapp.access.cors import AllowedOrigins
from webapp.access.credentials import OWNER_CALLER, Caller, CredentialSource, parse_authorization
from webapp.access.eas_signature import read_signed_request
from webapp.access.forwarded import PEER
from webapp.access.login_throttle import LoginThrottle
from webapp.access.page_origin import SAFE_METHODS, check_host, check_origin, is_untrusted_page
from webapp.access.revoked_logins import RevokedLogins
from webapp.access.scopes import AccessScope, scope_of
from webapp.access.signed_urls import EXPIRES, SIGNATURE, UrlSigner
from webapp.errors import Forbidden, NotAuthenticated, TooLarge, WrongCredential
from webapp.http.body_pace import body_is_coming
from webapp.logs import bind

NULL_ORIGIN_FORMS = frozenset({"shared.enter", "invitations.accept_form"})
"""Forms on pages that tell nobody where they come from: a browser then says ``Origin: null``."""

MAX_FORM_BYTES = 64 * 1024
"""Bytes of a body posted without a credential (login, a share's password), read in full first."""

LOGIN_KEY, REVOKED_KEY = "login", "easel.ended"
"""Where a cookie has its login's name, and the app the ended ones."""

FILEBROWSER_TOKEN = "X-Auth"
"""The header in which filebrowser's clients send their token."""

SIGNED_ENDPOINTS = frozenset({"files.by_path", "files.by_absolute_path"})
"""What a signed link opens without a credential."""

VOID_LINK = "This link has expired or was changed; ask for a new one."

NO_ORIGINS = AllowedOrigins()
INNER_CALLER, PREDICT_PATH = "easel.caller", "easel.predict_path"
"""Keys of a request's environment that no client can set: for whom the service itself asks;
the path of a request to ``/api/predict`` as it came."""


class LoginUser(UserMixin):
    """Flask-Login's idea of a caller."""

    def __init__(self, caller: Caller, login_id: str) -> None:
        self.caller = caller
        self.login_id = login_id

    def get_id(self) -> str:
        """What the signed cookie holds."""
        return self.login_id


def user_loader(credentials: CredentialSource) -> Callable[[str], LoginUser | None]:
    """Finds a visitor by what the cookie holds."""
    find = credentials.login_loader()

    def load(login_id: str) -> LoginUser | None:
        caller = find(login_id)
        return LoginUser(caller, login_id) if caller else None

    return load


def install(
    app: Flask,
    credentials: CredentialSource,
    throttle: LoginThrottle,
    revoked: RevokedLogins,
    origins: AllowedOrigins,
    signer: UrlSigner,
) -> None:
    """Install the access check before every route; ``throttle`` counts wrong credentials."""
    manager = LoginManager(app)
    manager.user_loader(user_loader(credentials))
    app.extensions[REVOKED_KEY] = revoked
    app.before_request(lambda: check_access(credentials, throttle, origins, signer))


def check_access(
    credentials: CredentialSource,
    throttle: LoginThrottle,
    origins: AllowedOrigins,
    signer: UrlSigner,
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
    if isinstance(inner, Caller):  # an entry that this caller has put, who may be gone since
        if credentials.recheck(inner) is None:
            raise NotAuthenticated(
                "The account that has put this entry is disabled, removed or of a narrower role"
            )
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
    if request.endpoint is not None and not caller.may(scope):
        raise Forbidden(
            f"This credential is for {caller.purpose}; {request.method} {request.path} takes "
            f"one for {scope}. See docs/access.md."
        )


def check_signed_link(signer: UrlSigner) -> Caller:
    """Who comes by a signed link: nobody, for one file. Raises ``Forbidden``."""
    names = (EXPIRES, SIGNATURE)
    expires, signature = (request.args.get(name, "") for name in names)
    path = request.path.removeprefix("/file=")
    if not signer.verify(path, expires, signature):
        raise Forbidden(VOID_LINK)
    return Caller("", AccessScope.READ)


def is_null_origin_form() -> bool:
    """Whether a form comes, as far as its browser tells, from a page of ours without a referrer."""
    hidden = request.headers.get("Origin") == "null"
    elsewhere = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    return request.endpoint in NULL_ORIGIN_FORMS and hidden and not elsewhere


def identify(
    credentials: CredentialSource,
    throttle: LoginThrottle | None = None,
    origins: AllowedOrigins = NO_ORIGINS,
) -> Caller:
    """The caller of the current request. Raises 401's exceptions, 429's with ``throttle``.

    The cookie of a visitor, and a proxy's word for him, do not count for pages of origins that are
    let in without trust.
    """
    if credentials.open_to_all:
        return OWNER_CALLER
    if signer := identify_signer(credentials, throttle):
        return signer
    address = request.remote_addr or ""
    header = request.headers.get("Authorization", "") or request.headers.get(FILEBROWSER_TOKEN, "")
    credential = parse_authorization(header)
    if credential is None or credential.secret:
        admitted = credential and credentials.admit(credential, throttle, address)
        if not admitted:
            raise wrong_credential(header)
        return admitted
    if is_untrusted_page(origins):
        raise NotAuthenticated("Not authenticated: a page of another origin has no login here")
    if caller := caller_of_cookie(credentials) or credentials.by_request(
        request.environ.get(PEER, address), request.headers.get
    ):
        return caller
    raise wrong_credential(header) if header.strip() else NotAuthenticated("Not authenticated")


def identify_signer(credentials: CredentialSource, throttle: LoginThrottle | None) -> Caller | None:
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


def caller_of_cookie(credentials: CredentialSource) -> Caller | None:
    """Whose login the request's cookie has; None where it has ended, also since a first look."""
    if not (current_user.is_authenticated and is_login_valid()):
        return None
    caller: Caller = current_user.caller
    return credentials.recheck(caller) if "caller" in g else caller


def wrong_credential(header: str) -> WrongCredential:
    """The 401 error for an ``Authorization`` header that admits nobody."""
    basic = header.strip().lower().startswith("basic")
    return WrongCredential("Incorrect username or password" if basic else "Incorrect token")


def begin_login(credentials: CredentialSource, caller: Caller) -> None:
    """Log a caller in, under a name that nobody else's cookie bears."""
    agent = request.headers.get("User-Agent", "")
    login_id = credentials.start_login(caller, request.remote_addr or "", agent)
    session.permanent = True
    session[LOGIN_KEY] = secrets.token_hex(16)
    login_user(LoginUser(caller, login_id))


def end_login(credentials: CredentialSource) -> None:
    """Log out: also copies of the cookie are worth nothing from now on."""
    if name := session.get(LOGIN_KEY):
        current_app.extensions[REVOKED_KEY].revoke(name)
    if current_user.is_authenticated:
        credentials.stop_login(current_user.caller)
    logout_user()
    session.clear()


def is_login_valid() -> bool:
    """Whether the login of the request's cookie has not been ended since."""
    name = session.get(LOGIN_KEY, "")
    return bool(name) and name not in current_app.extensions[REVOKED_KEY]


def login_checker(credentials: CredentialSource) -> Callable[[], bool]:
    """A function that tells later, outside the request, whether its login is still valid."""
    revoked, name = current_app.extensions[REVOKED_KEY], session.get(LOGIN_KEY, "")
    caller: Caller = g.caller
    return lambda: name not in revoked and credentials.recheck(caller) is not None


def check_form() -> None:
    """Refuse an unauthenticated body that a thread would wait for; see ``web_worker``."""
    if (request.content_length or 0) > MAX_FORM_BYTES or body_is_coming():
        raise TooLarge(f"A form here has {MAX_FORM_BYTES} bytes at most.")
