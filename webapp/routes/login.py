"""The login page, login and logout, and the session's facts."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify, redirect, request, url_for
from typing_extensions import TypedDict

from generator.models.index import TRAINED_SIZE_KEY, ModelFile
from generator.models.kinds import ModelKind
from webapp.access.auth import begin_login, end_login, identify
from webapp.access.credentials import (
    OWNER_CALLER,
    TOKEN_ACCOUNT,
    Caller,
    PresentedCredential,
)
from webapp.access.login_throttle import LoginThrottle
from webapp.access.scopes import AccessScope, requires
from webapp.access.secret import Secret
from webapp.errors import NotAuthenticated, Refused, TooManyTries, WrongCredential
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.requests.model_choice import find_exact_checkpoint
from webapp.routes.context import MAX_FORM_BYTES, caller, read_json_body
from webapp.routes.form_pages import render_form, say
from webapp.routes.native_size import preferred_size
from webapp.services import Services
from webapp.version import VERSION

LONGEST_NAME = 256  # characters of a name that the form repeats
PROVIDER_LOGIN, ACCEPT_PAGE = "oidc.start", "invitations.page"
"""Views of accounts, where there are any."""

CREDENTIAL = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("username", "password", "token")},
}


class LoggedIn(TypedDict):
    """Whose session begins."""

    user: str


class SessionFacts(TypedDict):
    """Who is logged in, and what this service is; sizes in pixels, by checkpoint.

    ``provider``: whether one may log in with an OpenID Connect provider. ``hidden_tabs``: names of
    sections that the page does not show.
    """

    user: str
    owner: bool
    scope: AccessScope
    version: str
    edition: str
    filebrowser: bool
    default_size: int
    default_sizes: dict[str, int]
    checkpoint: str | None
    login: bool
    accounts: bool
    provider: bool
    hidden_tabs: list[str]


def login_form(note: str = "", status: int = 200, name: str = "") -> Response:
    """The login page, with a sentence of ``form_pages.WORDS`` above the form when there is one."""
    return login_page(say(note) if note else "", status, name)


def login_page(note: str, status: int = 200, name: str = "") -> Response:
    """The login page; ``name`` is what stood in its field."""
    views = current_app.view_functions
    facts = {
        "action": url_for("login.enter"),
        "accounts": ACCEPT_PAGE in views,
        "provider": url_for(PROVIDER_LOGIN) if PROVIDER_LOGIN in views else "",
        "note": note,
        "name": name[:LONGEST_NAME],
    }
    return render_form("login.html", facts, status)


def wait_form(seconds: int) -> Response:
    """The login page for somebody who has to wait."""
    return login_page(say("wait", seconds), 429)


def blueprint(services: Services) -> Blueprint:
    """The routes of logging in and out."""
    login = Blueprint("login", __name__)
    add_form(login, services)
    add_session(login, services)
    return login


def add_form(login: Blueprint, services: Services) -> None:
    """The form, and what it sends."""
    throttle = services.login_throttle

    @login.get("/login")
    @requires(AccessScope.PUBLIC)
    @with_note(RouteNote("The login page", content_type="text/html", public=True))
    def page() -> Response:
        """The form; with no credentials configured it says that none is needed."""
        return login_form()

    @login.post("/login")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "Log in with a name and password or the token", CREDENTIAL, answer=LoggedIn, public=True
        )
    )
    def enter() -> Response:
        """Set the cookie. JSON is answered with JSON, the form with a redirect to the page."""
        request.max_content_length = MAX_FORM_BYTES
        as_json = request.mimetype == "application/json"
        body = read_json_body(required=False) if as_json else request.form.to_dict()
        who = authenticate(services, body, throttle)
        if who is None:
            if as_json:
                raise WrongCredential("Incorrect username or password")
            return login_form("wrong", 401, request.form.get("username", ""))
        if not services.credentials.open_to_all and not who.by_cookie:
            begin_login(services.credentials, who)
        target = local_target(request.args.get("next", ""))
        return jsonify({"user": who.name}) if as_json else redirect(target, 303)  # type: ignore[return-value]


def add_session(login: Blueprint, services: Services) -> None:
    """Logging out, and the facts of the session."""

    @login.post("/logout")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Forget the cookie", answer=EMPTY_SCHEMA))
    def leave() -> Response:
        """Log out."""
        end_login(services.credentials)
        return jsonify({})

    @login.get("/api/session")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Who is logged in, and what this service is", answer=SessionFacts))
    def who_am_i() -> Response:
        """What the page needs to know at its start."""
        checkpoint = current_checkpoint(services)
        return jsonify(
            {
                "user": caller().name,
                "owner": caller().is_owner,
                "scope": caller().scope,
                "version": VERSION,
                "edition": "standard",
                "filebrowser": services.config.filebrowser,
                "default_size": preferred_size(checkpoint),
                "default_sizes": default_sizes(services, preferred_size(checkpoint)),
                "checkpoint": checkpoint.title if checkpoint else None,
                "login": not services.credentials.open_to_all,
                "accounts": services.accounts is not None,
                "provider": PROVIDER_LOGIN in current_app.view_functions,
                "hidden_tabs": hidden_tabs(services),
            }
        )


def hidden_tabs(services: Services) -> list[str]:
    """What ``--always-hide-tabs`` names, and the option, which cannot hide the settings."""
    given = [name.strip() for text in services.config.hidden_tabs for name in text.split(",")]
    chosen = services.options.get().get("hidden_tabs")
    names = [str(name).strip() for name in chosen] if isinstance(chosen, list) else []
    return [name for name in given if name] + [
        name for name in names if name and name.lower() != "settings"
    ]


def current_checkpoint(services: Services) -> ModelFile | None:
    """What a request draws with that names no checkpoint."""
    name = str(services.options.get().get("sd_model_checkpoint") or "")
    checkpoint = find_exact_checkpoint(services.registry, name) if name else None
    return checkpoint or services.registry.index.first_checkpoint


def default_sizes(services: Services, default: int) -> dict[str, int]:
    """The sides in pixels that checkpoints draw best, by title: told, or not ``default``."""
    files = services.registry.index.files_of(ModelKind.CHECKPOINT)
    sizes = {file.title: preferred_size(file) for file in files}
    told = {file.title for file in files if TRAINED_SIZE_KEY in file.metadata}
    return {title: side for title, side in sizes.items() if title in told or side != default}


def authenticate(services: Services, body: object, throttle: LoginThrottle) -> Caller | None:
    """The caller of a login body: a name and password, or a token in either field.

    A body without a secret counts as no attempt: then it is whoever the request's cookie or header
    identifies, who is not throttled for others' wrong passwords at the same name either.
    """
    body = {} if body is None else body
    if not isinstance(body, dict):
        raise Refused("A name and password, or a token, are expected.")
    name, password, token = (str(body.get(k) or "") for k in ("username", "password", "token"))
    credentials = services.credentials
    if credentials.open_to_all:
        return OWNER_CALLER
    credential = (
        PresentedCredential(TOKEN_ACCOUNT, Secret(token))
        if token
        else PresentedCredential(name, Secret(password))
    )
    if not credential.secret:
        return identify_or_none(services, throttle)
    try:
        return credentials.admit(credential, throttle, request.remote_addr or "")
    except TooManyTries:
        who = identify_or_none(services, throttle)
        if who is None or credential.name not in (TOKEN_ACCOUNT, who.name):
            raise
        return who


def identify_or_none(services: Services, throttle: LoginThrottle) -> Caller | None:
    """Who asks by cookie or header, None for nobody."""
    try:
        return identify(services.credentials, throttle)
    except (NotAuthenticated, WrongCredential):
        return None


def local_target(path: str) -> str:
    """Where to go after the login: a path of this service, else its start."""
    parts = urlsplit(path)
    local = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if local else url_for("login.page").removesuffix("login")
