"""Logging in with an OpenID Connect provider: away to it, and back."""

from dataclasses import asdict
from time import time
from typing import TYPE_CHECKING

from flask import Blueprint, Response, redirect, request, session, url_for

from webapp.access.scopes import AccessScope, requires
from webapp.accounts.audit import Actor
from webapp.accounts.external import external_user
from webapp.accounts.roles import Role
from webapp.errors import Forbidden, NotAuthenticated
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.accounts.account_context import accounts_of, address, private_blueprint
from webapp.routes.accounts.invitations import log_in
from webapp.routes.login import local_target, login_form, login_page
from webapp.services import Services

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from webapp.accounts.oidc import OidcProvider

KEY = "oidc"
"""Where the cookie keeps an attempt, between leaving for the provider and coming back."""

ATTEMPT_SECONDS = 600
START, BACK = "/login/oidc", "/login/oidc/callback"
TEXT = {"type": "string"}


def blueprint(services: Services) -> Blueprint:
    """The routes; none without ``--oidc-issuer``."""
    routes = private_blueprint("oidc", None)
    if services.config.oidc_issuer:
        add_login(routes, services, provider_of(services))
    return routes


def provider_of(services: Services) -> "OidcProvider":
    """The provider of the flags."""
    from webapp.accounts.oidc import OidcProvider  # Authlib and requests, for this flag alone

    config = services.config
    return OidcProvider(
        config.oidc_issuer, config.oidc_client_id, config.oidc_client_secret,
        config.oidc_name_claim,
    )  # fmt: skip


def add_login(routes: Blueprint, services: Services, provider: "OidcProvider") -> None:
    """Away, and back."""
    from webapp.accounts.oidc import LoginAttempt

    accounts, role = accounts_of(services), services.config.new_user_role

    @routes.errorhandler(Forbidden)
    def handle_forbidden(error: Forbidden) -> Response:
        return login_page(error.detail, error.status)

    @routes.get(START)
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote("Log in with the OpenID Connect provider", query={"next": TEXT}, public=True,
                  also={"302": TEXT})
    )  # fmt: skip
    def start() -> "AnyResponse":
        """To the provider."""
        attempt = LoginAttempt.start()
        url = provider.authorization_url(redirect_uri(services), attempt)
        target = local_target(request.args.get("next", ""))
        session[KEY] = {**asdict(attempt), "next": target, "at": int(time())}
        return redirect(url, 302)

    @routes.get(BACK)
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote("Back from the OpenID Connect provider", public=True, also={"303": TEXT},
                  query={"code": TEXT, "state": TEXT, "error": TEXT})
    )  # fmt: skip
    def back() -> "AnyResponse":
        """Begin the login of who was there."""
        kept = session.pop(KEY, None) or {}
        if time() - kept.get("at", 0) > ATTEMPT_SECONDS or not is_same(kept.get("state", "")):
            return login_form("no_attempt", 403)
        if request.args.get("error") or not request.args.get("code"):
            raise NotAuthenticated("The provider did not let you in.")
        attempt = LoginAttempt(kept["state"], kept["nonce"], kept["verifier"])
        known = provider.finish(redirect_uri(services), request.args["code"], attempt)
        actor = Actor(known.name, address())
        user = external_user(accounts, known, Role(role) if role else None, actor)
        if user is None:
            return login_form("no_provider_account", 403)
        log_in(services, user)
        return redirect(kept["next"], 303)


def is_same(state: str) -> bool:
    """Whether the provider sent back the state that it was given."""
    return bool(state) and state == request.args.get("state")


def redirect_uri(services: Services) -> str:
    """Where the provider sends the browser; it has to know this address."""
    base = services.config.public_address or request.url_root.rstrip("/")
    return f"{base}{url_for('oidc.back').removeprefix(request.script_root)}"
