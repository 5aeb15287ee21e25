"""``GET /metrics``, for Prometheus."""

from flask import Blueprint, Response, request
from prometheus_client.exposition import choose_encoder

from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.services import Services


def blueprint(services: Services) -> Blueprint:
    """The route of the service's figures."""
    figured = Blueprint("figured", __name__)

    @figured.get("/metrics")
    @requires(AccessScope.METRICS)
    @with_note(
        RouteNote("Figures for Prometheus", content_type="text/plain", answer={"type": "string"})
    )
    def metrics() -> Response:
        """Every figure, in the format that the asker prefers."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(services.metrics), content_type=content_type)

    return figured
