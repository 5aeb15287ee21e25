"""What stands at ``/`` where the service has no page (``--nowebui``); it needs no script."""

from flask import Blueprint, Response, url_for

from webapp.access.scopes import AccessScope, requires
from webapp.routes.form_pages import render_form
from webapp.services import Services
from webapp.version import VERSION


def blueprint(services: Services) -> Blueprint:
    """The route."""
    pages = Blueprint("pages", __name__)
    config = services.config

    @pages.get("/")
    @requires(AccessScope.READ)
    def index() -> Response:
        """That this is the API edition, and where its documentation is."""
        start = url_for("pages.index")
        queue = f"{start}api/predict/{config.service_name}" if config.asynchronous else ""
        facts = {
            "docs": url_for("docs.page"),
            "document": url_for("docs.openapi"),
            "draw": f"{start}sdapi/v1/txt2img",
            "queue": queue,
            "version": VERSION,
        }
        return render_form("api.html", facts)

    return pages
