"""The login page (a form without scripts), login and logout, and the session's facts."""

from importlib.resources import files
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, redirect, request, url_for

from generator.models.index import LEARNED, ModelFile, learned_size
from generator.models.kinds import Kind
from webapp.auth import OWNING, TOKENS, Caller, Given, begin, end, identify, visitor_of
from webapp.content_policy import policy_of
from webapp.errors import NotAuthenticated, Refused, TooManyTries, WrongCredential
from webapp.guesses import Guesses
from webapp.openapi import EMPTY, Note, described
from webapp.requests.models_of import exact
from webapp.routes.context import LARGEST_FORM, caller, json_body, services
from webapp.scopes import Scope, allowed
from webapp.secret import Secret
from webapp.version import VERSION

FORM = files("webapp").joinpath("pages", "login.html").read_text(encoding="utf-8")
USUAL_SIDE = 512
POLICY = policy_of(FORM)
WRONG = "<p role=alert>用户名、密码或令牌不正确 · Wrong name, password or token</p>"
WAIT = (
    "<p role=alert>错误次数过多，请在 {0} 秒后重试 · "
    "Too many wrong tries; try again in {0} seconds</p>"
)
HTML = "text/html; charset=utf-8"
USER = {"type": "object", "properties": {"user": {"type": "string"}}}
CREDENTIAL = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("username", "password", "token")},
}


def form(note: str = "", status: int = 200) -> Response:
    """The login page, with a sentence above the form when there is one."""
    text = FORM.replace("{{action}}", url_for("login.enter")).replace("{{note}}", note)
    answer = Response(text, status, content_type=HTML)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


def wait_form(seconds: int) -> Response:
    """The login page for somebody who has to wait."""
    return form(WAIT.format(seconds), 429)


def blueprint(guesses: Guesses) -> Blueprint:
    """The routes of logging in and out; ``throttle`` counts what was wrong."""
    login = Blueprint("login", __name__)

    @login.get("/login")
    @allowed(Scope.PUBLIC)
    @described(Note("The login page", content_type="text/html", public=True))
    def page() -> Response:
        """The form; with no credentials configured it says that none is needed."""
        return form()

    @login.post("/login")
    @allowed(Scope.PUBLIC)
    @described(
        Note("Log in with a name and password or the token", CREDENTIAL, answer=USER, public=True)
    )
    def enter() -> Response:
        """Set the cookie. JSON is answered with JSON, the form with a redirect to the page."""
        request.max_content_length = LARGEST_FORM
        as_json = request.mimetype == "application/json"
        given = json_body(required=False) if as_json else request.form.to_dict()
        who = known(given, guesses)
        if who is None:
            if as_json:
                raise WrongCredential("Incorrect username or password")
            return form(WRONG, 401)
        if not services().credentials.open_to_all and not who.by_cookie:
            begin(visitor_of(who, services().credentials))
        target = local_target(request.args.get("next", ""))
        return jsonify({"user": who.name}) if as_json else redirect(target, 303)  # type: ignore[return-value]

    @login.post("/logout")
    @allowed(Scope.READ)
    @described(Note("Forget the cookie", answer=EMPTY))
    def leave() -> Response:
        """Log out."""
        end()
        return jsonify({})

    @login.get("/api/session")
    @allowed(Scope.READ)
    @described(Note("Who is logged in, and what this service is", answer={"type": "object"}))
    def who_am_i() -> Response:
        """What the page needs to know at its start."""
        here = services()
        checkpoint = current_checkpoint()
        return jsonify(
            {
                "user": caller().name,
                "owner": caller().owner,
                "scope": caller().scope,
                "version": VERSION,
                "edition": "standard",
                "filebrowser": here.config.filebrowser,
                "default_size": preferred_size(checkpoint),
                "default_sizes": default_sizes(),
                "checkpoint": checkpoint.title if checkpoint else None,
                "login": not here.credentials.open_to_all,
            }
        )

    return login


def current_checkpoint() -> ModelFile | None:
    """What a request draws with that names no checkpoint."""
    here = services()
    name = str(here.options.get().get("sd_model_checkpoint") or "")
    found = exact(here.registry, name) if name else None
    return found or here.registry.index.first_checkpoint


def default_sizes() -> dict[str, int]:
    """The sides in pixels that checkpoints say they draw best, by title."""
    files = services().registry.index.of(Kind.CHECKPOINT)
    return {file.title: preferred_size(file) for file in files if LEARNED in file.metadata}


def preferred_size(checkpoint: ModelFile | None) -> int:
    """The side in pixels that a checkpoint says it draws best; 512 if it says nothing."""
    return (learned_size(checkpoint.metadata) if checkpoint else None) or USUAL_SIDE


def known(given: object, guesses: Guesses) -> Caller | None:
    """The caller of a login body: a name and password, or a token in either field.

    A body without a secret counts as no attempt: then it is whoever the request's cookie or header
    identifies, who is not throttled for others' wrong passwords at the same name either.
    """
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise Refused("A name and password, or a token, are expected.")
    name, password, token = (str(given.get(k) or "") for k in ("username", "password", "token"))
    credentials = services().credentials
    if credentials.open_to_all:
        return OWNING
    tried = Given(TOKENS, Secret(token)) if token else Given(name, Secret(password))
    if not tried.secret:
        return already(guesses)
    try:
        return credentials.admit(tried, guesses, request.remote_addr or "")
    except TooManyTries:
        found = already(guesses)
        if found is None or tried.name not in (TOKENS, found.name):
            raise
        return found


def already(guesses: Guesses) -> Caller | None:
    """Who asks by cookie or header, None for nobody."""
    try:
        return identify(services().credentials, guesses)
    except (NotAuthenticated, WrongCredential):
        return None


def local_target(path: str) -> str:
    """Where to go after the login: a path of this service, else its start."""
    parts = urlsplit(path)
    local = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if local else url_for("login.page").removesuffix("login")
