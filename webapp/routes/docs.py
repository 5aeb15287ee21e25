"""``/openapi.json``, ``/docs`` and ``/redoc``."""

from importlib.resources import files

from flask import Blueprint, Response, current_app, jsonify

from webapp.access.scopes import AccessScope, requires
from webapp.http.content_policy import policy_of
from webapp.http.openapi import RouteNote, build_document, with_note
from webapp.services import Services
from webapp.version import VERSION

PAGE = files("webapp").joinpath("pages", "docs.html").read_text(encoding="utf-8")
POLICY = policy_of(PAGE)


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("docs", __name__)

    @routes.get("/openapi.json")
    @requires(AccessScope.READ)
    @with_note(RouteNote("This document", answer=dict[str, object]))
    def openapi() -> Response:
        """The OpenAPI document of the running app."""
        return jsonify(build_document(current_app, VERSION))

    @routes.get("/docs")
    @requires(AccessScope.READ)
    @with_note(RouteNote("The API for people to read", content_type="text/html"))
    def page() -> Response:
        """One file without outside parts, so that it works offline."""
        answer = Response(PAGE, content_type="text/html; charset=utf-8")
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    @routes.get("/redoc")
    @requires(AccessScope.READ)
    @with_note(RouteNote("As /docs", content_type="text/html"))
    def redoc() -> Response:
        """AUTOMATIC1111 has a second page of the same."""
        return page()

    return routes
