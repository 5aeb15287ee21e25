"""One's own shares: made, listed, revoked. What they lead to is in ``shared.py``."""

from typing import Annotated

from flask import Blueprint, Response, jsonify, url_for
from pydantic import BaseModel, ConfigDict, Field

from filebrowser.shares.passwords import LONGEST, Passwords
from filebrowser.shares.store import Share, ShareStore
from filebrowser.shares.verbs import Wish, revoke, share, shares_of
from webapp.openapi import EMPTY, Note, described
from webapp.requests.fields import read
from webapp.routes.context import json_body
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

A_MINUTE, TEN_YEARS = 60, 10 * 366 * 24 * 3600
ONE = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "url": {"type": "string"},
        "path": {"type": "string"},
        "kind": {"type": "string", "enum": ["file", "folder"]},
        "made": {"type": "number"},
        "expires": {"type": "number", "nullable": True},
        "password": {"type": "boolean"},
    },
}
ALL = {"type": "object", "properties": {"shares": {"type": "array", "items": ONE}}}


class NewShare(BaseModel):
    """The body of ``POST /api/files/shares``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    path: str
    password: Annotated[str, Field(min_length=1, max_length=LONGEST)] | None = None
    expires_in: Annotated[float, Field(ge=A_MINUTE, le=TEN_YEARS)] | None = None  # seconds


def blueprint(store: ShareStore, passwords: Passwords) -> Blueprint:
    """The routes over one store of shares."""
    shares = Blueprint("shares", __name__, url_prefix="/api/files/shares")

    @shares.get("")
    @allowed(Scope.USER)
    @described(Note("The caller's own links", answer=ALL))
    def own() -> Response:
        """Right: share."""
        return jsonify({"shares": [told(one) for one in shares_of(visit(), store)]})

    @shares.post("")
    @allowed(Scope.USER)
    @described(Note("Make a link to a file or folder", body=NewShare, answer=ONE))
    def make() -> Response:
        """Rights: view, download, share."""
        body = read(NewShare, json_body())
        wish = Wish(body.path, body.password, body.expires_in)
        return jsonify(told(share(visit(), wish, store, passwords)))

    @shares.delete("/<name>")
    @allowed(Scope.USER)
    @described(Note("Revoke a link of one's own", answer=EMPTY))
    def end(name: str) -> Response:
        """Right: share."""
        revoke(visit(), name, store)
        return jsonify({})

    return shares


def told(one: Share) -> dict[str, object]:
    """What its owner reads of a share; never the password's hash."""
    return {
        "id": one.id,
        "url": url_for("shared.page", name=one.id),
        "path": f"/{one.path}",
        "kind": "folder" if one.folder else "file",
        "made": one.made,
        "expires": one.expires,
        "password": one.password is not None,
    }
