"""``GET /api/v1/usage``: what jobs took of the devices, each caller's own, or all for an owner."""

import time
from collections.abc import Mapping

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.errors import Fault, Forbidden, InvalidFields
from webapp.http.openapi import RouteNote, with_note
from webapp.ledger.usage_query import (
    COLUMNS,
    BadPeriod,
    Period,
    Query,
    parse_by,
    parse_day,
    parse_month,
    this_month,
)
from webapp.routes.context import caller
from webapp.services import Services

MAX_NAME = 64  # characters of a user or group that is asked for
DAY: Mapping[str, object] = {"type": "string", "format": "date", "description": "of UTC, included"}
QUERY: Mapping[str, Mapping[str, object]] = {
    "from": DAY,
    "to": DAY,
    "month": {"type": "string", "description": "2026-11, instead of from and to"},
    "by": {"type": "string", "default": "user", "description": f"some of {', '.join(COLUMNS)}"},
    "user": {"type": "string", "description": "whose; an owner may name anybody"},
    "group": {"type": "string", "description": "of which group; an owner's to ask"},
    "format": {"type": "string", "enum": ["json", "csv"], "default": "json"},
}


class UsageFigures(TypedDict, total=False):
    """Sums. The names that the report is by stand before them.

    ``unbilled_jobs`` and ``unbilled_seconds``: deliveries that failed, were given back, or whose
    worker died; they are in no other figure.
    """

    user: str
    group: str
    model: str
    device: str
    day: str
    jobs: int
    gpu_seconds: float
    drawing_seconds: float
    queue_seconds: float
    pictures: int
    megapixel_steps: float
    stored_bytes: int
    unbilled_jobs: int
    unbilled_seconds: float
    cost: float


UsageReport = TypedDict(
    "UsageReport",
    {
        "from": str,
        "to": str,
        "by": list[str],
        "currency": str,
        "rows": list[UsageFigures],
        "total": UsageFigures,
        "busy_seconds": float | None,
    },
)
"""``busy_seconds``: what workers measured, to compare; null where not everything is asked for."""


def blueprint(services: Services) -> Blueprint:
    """The route."""
    routes = Blueprint("usage", __name__, url_prefix="/api/v1")

    @routes.get("/usage")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "What jobs took of the devices: the caller's, or everybody's for an owner",
            answer=UsageReport,
            query=QUERY,
        )
    )
    def usage() -> Response:
        """The report, as JSON or CSV."""
        from webapp.ledger import report  # SQLAlchemy: only where somebody asks

        query, config = read_query(), services.config
        as_csv = read_format() == "csv"
        made = report.make_report(services.ledger.get(), query, services.prices, config.billed)
        if as_csv:
            answer = Response(report.csv_of(made), content_type="text/csv; charset=utf-8")
            answer.headers["Content-Disposition"] = 'attachment; filename="easel-usage.csv"'
        else:
            answer = jsonify(report.report_json(made))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return routes


def read_query() -> Query:
    """What the request asks for. Raises ``InvalidFields``, ``Forbidden``."""
    asked = request.args
    user, group = (asked.get(name) for name in ("user", "group"))
    for name, text in (("user", user), ("group", group)):
        if text is not None and len(text) > MAX_NAME:
            raise _invalid(name, f"at most {MAX_NAME} characters are expected")
    if not caller().is_owner:
        if user not in (None, caller().name) or group is not None:
            raise Forbidden("Only an admin may ask what others have used.")
        user = caller().name
    try:
        by = parse_by(asked.get("by", "user"))
    except BadPeriod as error:
        raise _invalid("by", str(error)) from None
    return Query(read_period(), by, user, group)


def read_period() -> Period:
    """The days that the request is about: the month so far by default. Raises ``InvalidFields``."""
    asked, name = request.args, "month"
    try:
        if "month" in asked:
            if "from" in asked or "to" in asked:
                raise BadPeriod("month stands in place of from and to")
            return parse_month(asked["month"])
        period = this_month(time.time())
        name = "from"
        first = parse_day(asked["from"]) if "from" in asked else period.first
        name = "to"
        last = parse_day(asked["to"]) if "to" in asked else max(period.last, first)
        if last < first:
            raise BadPeriod("a day that is not before from is expected")
    except BadPeriod as error:
        raise _invalid(name, str(error)) from None
    return Period(first, last)


def read_format() -> str:
    """``json`` or ``csv``. Raises ``InvalidFields``."""
    name = request.args.get("format", "json")
    if name not in ("json", "csv"):
        raise _invalid("format", "json or csv is expected")
    return name


def _invalid(name: str, message: str) -> InvalidFields:
    return InvalidFields([Fault(("query", name), message, "value_error")])
