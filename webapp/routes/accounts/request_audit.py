"""Adds to the audit log what people change by any other route: options, models, files, plugins."""

import logging

from flask import Flask, Response, current_app, g, request

from webapp.access.page_origin import SAFE_METHODS
from webapp.access.scopes import AccessScope, scope_of
from webapp.accounts.accounts import Accounts
from webapp.errors import Unavailable
from webapp.routes.accounts.account_context import actor_of

AUDITED_SCOPES = frozenset({AccessScope.USER, AccessScope.OWNER})
"""Of views that change the service or its files; drawing has figures of its own."""

OWN_BLUEPRINTS = frozenset({"me", "users", "groups", "tokens", "invitations", "audit", "oidc"})
"""They add their own lines."""

DAV = "dav"
DAV_METHODS = frozenset({"PUT", "DELETE", "MKCOL", "MOVE", "COPY", "PROPPATCH"})
PIECES = frozenset({"PATCH /api/files/uploads/<name>", "HEAD /api/files/uploads/<name>"})
"""Pieces of an upload, whose beginning has its line."""

log = logging.getLogger("easel.accounts")


def install(app: Flask, accounts: Accounts) -> None:
    """Look at each answer of the app."""

    def look(answer: Response) -> Response:
        if answer.status_code < 400 and is_audited():
            add_line(accounts)
        return answer

    app.after_request(look)


def is_audited() -> bool:
    """Whether the current request has changed something that others may ask about."""
    if "caller" not in g or request.blueprint in OWN_BLUEPRINTS:
        return False
    if request.blueprint == DAV:
        return request.method in DAV_METHODS
    scope = scope_of(current_app.view_functions.get(request.endpoint or ""))
    return (
        request.method not in SAFE_METHODS
        and scope in AUDITED_SCOPES
        and f"{request.method} {request.url_rule}" not in PIECES
    )


def add_line(accounts: Accounts) -> None:
    """Method, route and what it was about. Where that cannot be written, the log has it."""
    rule = "/dav" if request.blueprint == DAV else request.url_rule
    action = f"{request.method} {rule}"
    target = request.args.get("path") or request.path
    try:
        accounts.record(actor_of(g.caller), action, target, g.get("body_names", ""))
    except Unavailable:
        log.error("not in the audit log: %s %s", action, target)
