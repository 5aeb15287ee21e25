"""Invitations: an admin makes links; whoever has one makes an account, on a page or by JSON."""

from collections.abc import Mapping
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
    START,
    Invitation,
    list_invitations,
)
from webapp.accounts.passwords import MIN_PASSWORD_LENGTH
from webapp.accounts.roles import Role
from webapp.accounts.users import MAX_NAME_LENGTH, User, normalize_name
from webapp.errors import NothingThere, Refused, error_answer
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
from webapp.routes.form_pages import WORDS, render_form, say
from webapp.services import Services

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

HTML = "text/html"
TEXT = {"type": "string"}
FORM_BODY = {
    "type": "object",
    "properties": dict.fromkeys(("username", "password", "repeated"), TEXT),
}
REFUSALS = {"303": TEXT, "404": TEXT, "409": TEXT, "422": TEXT}


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
            return invitation_form(invitation, code, say("not_repeated"), 422, name)
        try:
            user = accounts.accept(Secret(code), name, password, address())
        except NothingThere:
            raise
        except Refused as error:
            return invitation_form(invitation, code, refusal(error), error.status, name)
        log_in(services, user)
        return redirect(url_for("login.page").removesuffix("login"), 303)

    @routes.errorhandler(NothingThere)
    def handle_void(error: NothingThere) -> Response:
        """A page for people, the envelope for programs."""
        on_page = request.endpoint in ("invitations.page", "invitations.accept_form")
        facts = {"void": True, "start": url_for("login.page")}
        return as_page(facts, 404) if on_page else to_response(error_answer(error))


def log_in(services: Services, user: User) -> None:
    """Begin a login of a user who has just proved who it is."""
    begin_login(services.credentials, caller_of(user, f"{NAME_KEY}{user.name}"))


def invitation_form(
    invitation: Invitation, code: str, note: str = "", status: int = 200, name: str = ""
) -> Response:
    """The page with the form, and a sentence above it where there is one."""
    facts = {
        "action": url_for("invitations.accept_form", code=code),
        "first": invitation.created_by == START,
        "role": invitation.role,
        "name": invitation.name or name,
        "fixed": invitation.name is not None,
        "longest_name": MAX_NAME_LENGTH,
        "least": MIN_PASSWORD_LENGTH,
        "note": note,
    }
    return as_page(facts, status)


def as_page(facts: Mapping[str, object], status: int) -> Response:
    """A page whose address goes nowhere."""
    answer = render_form("invite.html", facts, status)
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def refusal(error: Refused) -> str:
    """What the form says of a refused name or password."""
    name = type(error).__name__
    return say(name) if name in WORDS else error.detail


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
