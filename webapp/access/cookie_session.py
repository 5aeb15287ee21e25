"""Flask's sessions in signed cookies, at no cost to requests that bring none."""

from typing import TYPE_CHECKING

from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

if TYPE_CHECKING:
    from flask import Flask, Request


class CookieSession(SecureCookieSessionInterface):
    """Makes no signer for a request without a cookie: programs come with tokens."""

    def open_session(self, app: "Flask", request: "Request") -> SecureCookieSession | None:
        """The session of the request's cookie; an empty one where there is none."""
        if app.secret_key and not request.environ.get("HTTP_COOKIE"):
            return SecureCookieSession()
        return super().open_session(app, request)
