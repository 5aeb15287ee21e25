"""The caller's shares: create, list, revoke. Public routes are in ``public_shares.py``."""

from typing import Annotated, Literal

from flask import Blueprint, Response, jsonify, url_for
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from filebrowser.shares.actions import ShareSpec, create_share, list_shares, revoke_share
from filebrowser.shares.passwords import MAX_PASSWORD_LENGTH
from filebrowser.shares.store import Share
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.requests.fields import read_body
from webapp.routes.context import read_json_body
from webapp.routes.files.caller_access import caller_access
from webapp.services import Services

MIN_SECONDS, MAX_SECONDS = 60, 10 * 366 * 24 * 3600


class ShareFacts(TypedDict):
    """A link; times in seconds since 1970, ``password`` tells whether it has one."""

    id: str
    url: str
    path: str
    kind: Literal["file", "folder"]
    made: float
    expires: float | None
    password: bool


class ShareList(TypedDict):
    """The caller's own links."""

    shares: list[ShareFacts]


class NewShare(BaseModel):
    """The body of ``POST /api/files/shares``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    path: str
    password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)] | None = None
    expires_in: Annotated[float, Field(ge=MIN_SECONDS, le=MAX_SECONDS)] | None = None  # seconds


def blueprint(services: Services) -> Blueprint:
    """The routes over one store of shares."""
    filing = services.file_services()
    store, passwords = filing.shares, filing.share_passwords
    shares = Blueprint("shares", __name__, url_prefix="/api/files/shares")

    @shares.get("")
    @requires(AccessScope.USER)
    @with_note(RouteNote("The caller's own links", answer=ShareList))
    def own() -> Response:
        """Right: share."""
        return jsonify(
            {"shares": [share_json(one) for one in list_shares(caller_access(services), store)]}
        )

    @shares.post("")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Make a link to a file or folder", body=NewShare, answer=ShareFacts))
    def make() -> Response:
        """Rights: view, download, share."""
        body = read_body(NewShare, read_json_body())
        wish = ShareSpec(body.path, body.password, body.expires_in)
        return jsonify(share_json(create_share(caller_access(services), wish, store, passwords)))

    @shares.delete("/<name>")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Revoke a link of one's own", answer=EMPTY_SCHEMA))
    def end(name: str) -> Response:
        """Right: share."""
        revoke_share(caller_access(services), name, store)
        return jsonify({})

    return shares


def share_json(one: Share) -> ShareFacts:
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
