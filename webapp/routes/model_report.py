"""``GET /api/models/report``: sizes, duplicates, what is unused, what cannot be used."""

from flask import Blueprint, Response, jsonify
from pydantic import TypeAdapter

from generator.model_tools.bases import BaseReader
from generator.model_tools.report import ModelReport, compose_report
from webapp.access.scopes import AccessScope, requires
from webapp.files.model_uses import collect_uses
from webapp.http.openapi import RouteNote, with_note
from webapp.services import Services

READ_SECONDS = 5.0  # that one request reads headers of LoRA for
REPORTS: TypeAdapter[ModelReport] = TypeAdapter(ModelReport)


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("model_report", __name__, url_prefix="/api/models")
    bases = BaseReader()

    @routes.get("/report")
    @requires(AccessScope.USER)
    @with_note(RouteNote("What the models are, and which are not needed", answer=ModelReport))
    def report() -> Response:
        """As of the latest look at the folders; hashes come in the background."""
        filing = None if services.trees.current().name else services.filing  # it counts all users'
        names = filing.index.count_names() if filing else None
        uses = collect_uses(names, services.counters)
        index, data_dir = services.registry.index, services.config.data_dir
        told = compose_report(index, uses, bases, data_dir, READ_SECONDS)
        return jsonify(REPORTS.dump_python(told, mode="json"))

    return routes
