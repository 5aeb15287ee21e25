"""The audit log, searched by an admin, as JSON or CSV."""

from collections.abc import Mapping
from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.accounts.audit import (
    DEFAULT_ENTRIES_TOLD,
    MAX_ENTRIES_TOLD,
    AuditSearch,
    csv_lines,
    search,
)
from webapp.errors import Fault, InvalidFields
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.accounts.account_context import accounts_of, private_blueprint
from webapp.services import Services

MAX_TEXT = 200  # characters of a search
NUMBER: Mapping[str, object] = {"type": "number", "description": "seconds since 1970"}
TEXT: Mapping[str, object] = {"type": "string"}
QUERY: Mapping[str, Mapping[str, object]] = {
    "user": {"type": "string", "description": "who did it"},
    "action": {"type": "string", "description": "as user.add, or as user for all that begin so"},
    "text": {"type": "string", "description": "anywhere in a line"},
    "since": NUMBER,
    "until": NUMBER,
    "before": {"type": "integer", "description": "lines older than the one of this number"},
}
LIMIT: Mapping[str, Mapping[str, object]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ENTRIES_TOLD}
}


class AuditLine(TypedDict):
    """What somebody did; ``at`` in seconds since 1970, ``request`` its X-Request-Id."""

    id: int
    at: float
    actor: str
    action: str
    target: str
    detail: str
    address: str
    request: str


class AuditLines(TypedDict):
    """Lines, the latest first; ``before`` asks for the next page, null: there is none."""

    entries: list[AuditLine]
    before: int | None


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes, accounts = private_blueprint("audit"), accounts_of(services)

    @routes.get("/audit")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("The audit log", answer=AuditLines, query={**QUERY, **LIMIT}))
    def lines() -> Response:
        """A page of it."""
        most = read_number("limit", DEFAULT_ENTRIES_TOLD, 1, MAX_ENTRIES_TOLD)
        found = search(accounts.database, read_search(), int(most))
        before = found[-1].id if len(found) == int(most) else None
        return jsonify({"entries": [asdict(each) for each in found], "before": before})

    @routes.get("/audit.csv")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("The audit log as CSV", query=QUERY, content_type="text/csv", answer=TEXT))
    def as_csv() -> Response:
        """All of it, read as it is sent."""
        text = csv_lines(accounts.database, read_search())
        answer = Response(text, content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = 'attachment; filename="easel-audit.csv"'
        return answer

    return routes


def read_search() -> AuditSearch:
    """What the request looks for. Raises ``InvalidFields``."""
    user, action, text = (read_text(name) for name in ("user", "action", "text"))
    since, until = (
        read_number(name, 0, 0, 1e12) if name in request.args else None
        for name in ("since", "until")
    )
    before = int(read_number("before", 0, 1, 1 << 62)) if "before" in request.args else None
    return AuditSearch(user, action, text, since, until, before)


def read_text(name: str) -> str:
    """A text of the query, "" where it is missing. Raises ``InvalidFields``."""
    text = request.args.get(name, "")
    if len(text) > MAX_TEXT:
        raise _invalid(name, f"at most {MAX_TEXT} characters are expected")
    return text


def read_number(name: str, default: float, least: float, most: float) -> float:
    """A number of the query, in range. Raises ``InvalidFields``."""
    text = request.args.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise _invalid(name, f"a number from {least:g} to {most:g} is expected")
    return number


def _invalid(name: str, message: str) -> InvalidFields:
    return InvalidFields([Fault(("query", name), message, "value_error")])
