"""Logging in and out, and the caller's own account: facts, password, logins."""

from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from typing_extensions import TypedDict

from webapp.access.auth import begin_login, end_login
from webapp.access.credentials import Caller
from webapp.access.scopes import AccessScope, requires
from webapp.access.secret import Secret
from webapp.accounts.credentials import LOGIN_KEY
from webapp.accounts.logins import Login, list_logins
from webapp.accounts.roles import Role
from webapp.accounts.users import find_user
from webapp.errors import WrongCredential
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.requests.fields import read_body
from webapp.routes.accounts.account_context import (
    accounts_of,
    actor,
    address,
    private_blueprint,
    require_login,
)
from webapp.routes.context import MAX_FORM_BYTES, caller, read_json_body
from webapp.routes.login import CREDENTIAL, authenticate
from webapp.services import Services

LONGEST = 2048  # characters of a password or token that is sent


class AccountFacts(TypedDict):
    """Who the caller is; ``login`` is the id of the login by which it came, null for another way.

    ``role`` is null for the holder of one of the flags' tokens, who has no account. ``password``:
    whether there is one.
    """

    name: str
    role: Role | None
    scopes: list[AccessScope]
    login: str | None
    password: bool


class LoginFacts(TypedDict):
    """A login; times in seconds since 1970. ``current``: the one that asks."""

    id: str
    began: float
    seen: float
    expires: float
    address: str
    agent: str
    current: bool


class LoginList(TypedDict):
    """The caller's logins, the latest first."""

    logins: list[LoginFacts]


class PasswordChange(BaseModel):
    """The body of ``POST /api/v1/me/password``."""

    model_config = ConfigDict(extra="forbid")

    old: Annotated[SecretStr, Field(max_length=LONGEST)]
    new: Annotated[SecretStr, Field(max_length=LONGEST)]


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = private_blueprint("me")
    add_login(routes, services)
    add_facts(routes, services)
    add_password(routes, services)
    add_logins(routes, services)
    return routes


def add_login(routes: Blueprint, services: Services) -> None:
    """Begin and end a login."""

    @routes.post("/login")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "Log in with a name and password or a token; sets a cookie", CREDENTIAL,
            answer=AccountFacts, public=True,
        )
    )  # fmt: skip
    def enter() -> Response:
        """As ``POST /login``, with the account's facts as the answer."""
        request.max_content_length = MAX_FORM_BYTES
        who = authenticate(services, read_json_body(required=False), services.login_throttle)
        if who is None:
            raise WrongCredential("Incorrect username or password")
        if not who.by_cookie:
            begin_login(services.credentials, who)
        return jsonify(facts_of(services, who))

    @routes.post("/logout")
    @requires(AccessScope.READ)
    @with_note(RouteNote("End the login of the cookie", answer=EMPTY_SCHEMA))
    def leave() -> Response:
        """As ``POST /logout``."""
        end_login(services.credentials)
        return jsonify({})


def add_facts(routes: Blueprint, services: Services) -> None:
    """Who asks."""

    @routes.get("/me")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Who the caller is, and what it may do", answer=AccountFacts))
    def facts() -> Response:
        """The caller."""
        return jsonify(facts_of(services, caller()))


def add_password(routes: Blueprint, services: Services) -> None:
    """The caller's password."""
    accounts = accounts_of(services)

    @routes.post("/me/password")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Change one's password", body=PasswordChange, answer=EMPTY_SCHEMA))
    def change() -> Response:
        """End all other logins too. A wrong old password counts as one at the login."""
        body = read_body(PasswordChange, read_json_body(most=MAX_FORM_BYTES))
        user, throttle = accounts.require_own(caller()), services.login_throttle
        old, new = (Secret(each.get_secret_value()) for each in (body.old, body.new))
        throttle.check(user.name, address())
        try:
            accounts.change_password(actor(), user.name, old, new, login_id_of(caller()) or "")
        except WrongCredential:
            throttle.record_failure(user.name, address())
            raise
        return jsonify({})


def add_logins(routes: Blueprint, services: Services) -> None:
    """The caller's logins."""
    accounts = accounts_of(services)

    @routes.get("/logins")
    @requires(AccessScope.READ)
    @with_note(RouteNote("The caller's own logins", answer=LoginList))
    def own() -> Response:
        """Where one is logged in."""
        user, current = accounts.require_own(caller()), login_id_of(caller())
        found = list_logins(accounts.database, user)
        return jsonify({"logins": [login_json(each, current) for each in found]})

    @routes.delete("/logins/<login_id>")
    @requires(AccessScope.READ)
    @with_note(RouteNote("End a login of one's own", answer=EMPTY_SCHEMA))
    def end(login_id: str) -> Response:
        """At once, for every copy of its cookie."""
        require_login()
        accounts.revoke_login(actor(), accounts.require_own(caller()).name, login_id)
        return jsonify({})


def facts_of(services: Services, who: Caller) -> AccountFacts:
    """What a caller may know of itself."""
    user = find_user(accounts_of(services).database, who.name) if who.key else None
    return {
        "name": who.name,
        "role": user.role if user else None,
        "scopes": list(who.scopes),
        "login": login_id_of(who),
        "password": user is not None and user.has_password,
    }


def login_id_of(who: Caller) -> str | None:
    """The id of the login by which a caller came; None for another way."""
    return who.key.removeprefix(LOGIN_KEY) if who.key.startswith(LOGIN_KEY) else None


def login_json(one: Login, current: str | None) -> LoginFacts:
    """A login as its user sees it."""
    return {
        "id": one.id,
        "began": one.began,
        "seen": one.seen,
        "expires": one.expires,
        "address": one.address,
        "agent": one.agent,
        "current": one.id == current,
    }
