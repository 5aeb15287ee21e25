"""API tokens of users: listed, made (told once), revoked."""

from dataclasses import asdict
from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.accounts.api_tokens import (
    DEFAULT_DAYS,
    MAX_DAYS,
    MAX_LABEL_LENGTH,
    TokenSpec,
    list_tokens,
)
from webapp.accounts.roles import TOKEN_SCOPES
from webapp.accounts.users import find_user
from webapp.errors import Fault, InvalidFields, NothingThere
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.requests.fields import read_body
from webapp.routes.accounts.account_context import (
    USER_QUERY,
    accounts_of,
    actor,
    own_or_named,
    private_blueprint,
    require_login,
)
from webapp.routes.context import MAX_FORM_BYTES, read_json_body
from webapp.services import Services


class TokenFacts(TypedDict):
    """A token; times in seconds since 1970, ``expires`` and ``used`` null for never."""

    id: str
    label: str
    scopes: list[AccessScope]
    created: float
    expires: float | None
    used: float | None


class NewTokenFacts(TokenFacts):
    """A token that was just made; ``token`` is told this once."""

    token: str


class TokenList(TypedDict):
    """A user's tokens, the latest first."""

    tokens: list[TokenFacts]


class NewToken(BaseModel):
    """The body of ``POST /api/v1/tokens``; ``days`` until it expires, null for never."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=MAX_LABEL_LENGTH)]
    scopes: Annotated[list[AccessScope], Field(min_length=1, max_length=len(TOKEN_SCOPES))]
    days: Annotated[float, Field(gt=0, le=MAX_DAYS)] | None = DEFAULT_DAYS


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes, accounts = private_blueprint("tokens"), accounts_of(services)

    @routes.get("/tokens")
    @requires(AccessScope.READ)
    @with_note(RouteNote("A user's API tokens", answer=TokenList, query=USER_QUERY))
    def listed() -> Response:
        """The caller's, or for an admin those of ``user``."""
        user = find_user(accounts.database, own_or_named(accounts))
        if user is None:
            raise NothingThere("There is no such user.")
        found = list_tokens(accounts.database, user)
        return jsonify({"tokens": [asdict(each) for each in found]})

    @routes.post("/tokens")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote("Make an API token", body=NewToken, answer=NewTokenFacts, query=USER_QUERY)
    )
    def make() -> Response:
        """403 for scopes beyond the user's role."""
        require_login()
        body = read_body(NewToken, read_json_body(most=MAX_FORM_BYTES))
        if odd := [scope for scope in body.scopes if scope not in TOKEN_SCOPES]:
            message = f"{', '.join(odd)}: a token is for {', '.join(TOKEN_SCOPES)}"
            raise InvalidFields([Fault(("body", "scopes"), message, "value_error")])
        spec = TokenSpec(body.label, tuple(body.scopes), body.days)
        secret, made = accounts.add_token(actor(), own_or_named(accounts), spec)
        return jsonify({**asdict(made), "token": secret.reveal()})

    @routes.delete("/tokens/<token_id>")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Revoke an API token", answer=EMPTY_SCHEMA, query=USER_QUERY))
    def revoke(token_id: str) -> Response:
        """At once. 404 for another's token."""
        require_login()
        accounts.revoke_token(actor(), own_or_named(accounts), token_id)
        return jsonify({})

    return routes
