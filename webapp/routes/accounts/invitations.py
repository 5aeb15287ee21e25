"""Invitations: an admin makes links; whoever has one makes an account, on a page or by JSON."""

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from typing_extensions import TypedDict

from webapp.access.auth import begin_login
from webapp.access.scopes import AccessScope, requires
from webapp.access.secret import Secret
from webapp.accounts.credentials import NAME_KEY, caller_of
from webapp.accounts.invitations import (
    DEFAULT_HOURS,
    MAX_HOURS,
    VOID,
    Invitation,
    list_invitations,
)
from webapp.accounts.passwords import MIN_PASSWORD_LENGTH
from webapp.accounts.roles import Role
from webapp.accounts.users import User, normalize_name
from webapp.errors import NothingThere, Refused, error_answer
from webapp.http.content_policy import policy_of
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.requests.fields import read_body
from webapp.routes.accounts.account_context import (
    accounts_of,
    actor,
    address,
    private_blueprint,
)
from webapp.routes.accounts.me import LONGEST
from webapp.routes.accounts.users import UserFacts, user_json
from webapp.routes.context import MAX_FORM_BYTES, read_json_body, to_response
from webapp.services import Services

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

FORM = files("webapp").joinpath("pages", "invite.html").read_text(encoding="utf-8")
POLICY = policy_of(FORM)
HTML = "text/html"
TEXT = {"type": "string"}
FORM_BODY = {
    "type": "object",
    "properties": dict.fromkeys(("username", "password", "repeated"), TEXT),
}
REFUSALS = {"303": TEXT, "404": TEXT, "409": TEXT, "422": TEXT}
VOID_PAGE = f"<!doctype html><title>Easel</title><p>邀请已失效 · {VOID}</p>\n"
NOT_REPEATED = "The two passwords differ."


class InvitationFacts(TypedDict):
    """An open invitation; times in seconds since 1970. ``name`` null: the guest chooses."""

    id: str
    role: Role
    name: str | None
    created: float
    created_by: str
    expires: float


class NewInvitationFacts(InvitationFacts):
    """An invitation that was just made; code and link are told this once."""

    code: str
    url: str


class InvitationList(TypedDict):
    """The open invitations, the latest first."""

    invitations: list[InvitationFacts]


class NewInvitation(BaseModel):
    """The body of ``POST /api/v1/invitations``."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Role.MEMBER
    name: str | None = None
    hours: Annotated[float, Field(gt=0, le=MAX_HOURS)] = DEFAULT_HOURS


class Acceptance(BaseModel):
    """The body of ``POST /api/v1/invitations/accept``."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[SecretStr, Field(max_length=LONGEST)]
    name: str = ""
    password: Annotated[SecretStr, Field(max_length=LONGEST)]


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = private_blueprint("invitations", None)
    add_admin_routes(routes, services)
    add_acceptance(routes, services)
    add_page(routes, services)
    return routes


def add_admin_routes(routes: Blueprint, services: Services) -> None:
    """What an admin does with invitations."""
    accounts = accounts_of(services)

    @routes.get("/api/v1/invitations")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("The open invitations", answer=InvitationList))
    def listed() -> Response:
        """Without their codes, which are not kept."""
        found = list_invitations(accounts.database)
        return jsonify({"invitations": [invitation_json(each) for each in found]})

    @routes.post("/api/v1/invitations")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Invite somebody", body=NewInvitation, answer=NewInvitationFacts))
    def invite() -> Response:
        """The link opens a page where the guest chooses a password."""
        body = read_body(NewInvitation, read_json_body(required=False, most=MAX_FORM_BYTES) or {})
        name = normalize_name(body.name) if body.name is not None else None
        code, made = accounts.invite(actor(), body.role, name, body.hours)
        base = services.config.public_address or request.url_root.rstrip("/")
        link = f"{base}/invite/{code.reveal()}"
        return jsonify({**invitation_json(made), "code": code.reveal(), "url": link})

    @routes.delete("/api/v1/invitations/<invitation_id>")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Revoke an invitation", answer=EMPTY_SCHEMA))
    def revoke(invitation_id: str) -> Response:
        """Its link is void at once."""
        accounts.revoke_invitation(actor(), invitation_id)
        return jsonify({})


def add_acceptance(routes: Blueprint, services: Services) -> None:
    """How a program accepts."""
    accounts = accounts_of(services)

    @routes.post("/api/v1/invitations/accept")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote("Make an account by an invitation", body=Acceptance, answer=UserFacts,
                  public=True)
    )  # fmt: skip
    def accept() -> Response:
        """404 for whatever is wrong with the code; name and password as docs/accounts.md says."""
        request.max_content_length = MAX_FORM_BYTES
        body = read_body(Acceptance, read_json_body(most=MAX_FORM_BYTES))
        code, password = (Secret(each.get_secret_value()) for each in (body.code, body.password))
        return jsonify(user_json(accounts.accept(code, body.name, password, address())))


def add_page(routes: Blueprint, services: Services) -> None:
    """How a person accepts."""
    accounts = accounts_of(services)

    @routes.get("/invite/<code>")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote("The page of an invitation", content_type=HTML, answer=TEXT, public=True,
                  also={"404": TEXT}, also_type=HTML)
    )  # fmt: skip
    def page(code: str) -> Response:
        """A form for name and password."""
        return invitation_form(accounts.find_invitation(Secret(code)), code)

    @routes.post("/invite/<code>")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote("Send the page of an invitation", FORM_BODY, content_type=HTML, answer=TEXT,
                  body_type="application/x-www-form-urlencoded", public=True, also=REFUSALS,
                  also_type=HTML)
    )  # fmt: skip
    def accept_form(code: str) -> "AnyResponse":
        """Make the account, log in and go to the start; else the form again with what is wrong."""
        request.max_content_length = MAX_FORM_BYTES
        form = request.form.to_dict()
        invitation, name = accounts.find_invitation(Secret(code)), form.get("username", "")
        password, repeated = (Secret(form.get(each, "")) for each in ("password", "repeated"))
        if password != repeated:
            return invitation_form(invitation, code, NOT_REPEATED, 422)
        try:
            user = accounts.accept(Secret(code), name, password, address())
        except NothingThere:
            raise
        except Refused as error:
            return invitation_form(invitation, code, error.detail, error.status)
        log_in(services, user)
        return redirect(url_for("login.page").removesuffix("login"), 303)

    @routes.errorhandler(NothingThere)
    def handle_void(error: NothingThere) -> Response:
        """A page for people, the envelope for programs."""
        on_page = request.endpoint in ("invitations.page", "invitations.accept_form")
        return as_page(VOID_PAGE, 404) if on_page else to_response(error_answer(error))


def log_in(services: Services, user: User) -> None:
    """Begin a login of a user who has just proved who it is."""
    begin_login(services.credentials, caller_of(user, f"{NAME_KEY}{user.name}"))


def invitation_form(
    invitation: Invitation, code: str, note: str = "", status: int = 200
) -> Response:
    """The page with the form, and a sentence above it where there is one."""
    name = invitation.name
    field = f'value="{escape(name)}" readonly' if name else "required autofocus"
    text = (
        FORM.replace("{{action}}", escape(url_for("invitations.accept_form", code=code)))
        .replace("{{name}}", field)
        .replace("{{role}}", escape(invitation.role))
        .replace("{{least}}", str(MIN_PASSWORD_LENGTH))
        .replace("{{note}}", f"<p role=alert>{escape(note)}</p>" if note else "")
    )
    return as_page(text, status)


def as_page(text: str, status: int) -> Response:
    """A page that is kept by nobody, and whose address goes nowhere."""
    answer = Response(text, status, content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def invitation_json(one: Invitation) -> InvitationFacts:
    """An invitation without its code."""
    return {
        "id": one.id,
        "role": one.role,
        "name": one.name,
        "created": one.created,
        "created_by": one.created_by,
        "expires": one.expires,
    }
