"""``GET /api/sign``: a link to one picture, for a time, for people without a credential."""

import os
from collections.abc import Mapping

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from filebrowser.access.file_access import Right, check_place
from filebrowser.access.gate import open_place
from generator.data_folders import USERS_FOLDER
from webapp.access.scopes import AccessScope, requires
from webapp.access.signed_urls import DEFAULT_SECONDS, MAX_SECONDS, MIN_SECONDS
from webapp.errors import Fault, InvalidFields
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.pictures import locate_picture, relative_to_data_dir
from webapp.services import Services

QUERY: Mapping[str, Mapping[str, object]] = {
    "path": {"type": "string", "description": "an image_url, or a path in the data directory"},
    "seconds": {
        "type": "integer",
        "minimum": MIN_SECONDS,
        "maximum": MAX_SECONDS,
        "default": DEFAULT_SECONDS,
    },
}


class SignedLink(TypedDict):
    """Path and query on this host, and when it ends in unix seconds."""

    url: str
    expires: int


def blueprint(services: Services) -> Blueprint:
    """The route."""
    signing = Blueprint("signing", __name__)

    @signing.get("/api/sign")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote(
            "A link to a saved picture that needs no credential", answer=SignedLink, query=QUERY
        )
    )
    def sign() -> Response:
        """Sign a path that the caller may read. 404 where no picture is, as for the picture."""
        path = request.args.get("path", "")
        seconds = read_seconds(request.args.get("seconds", str(DEFAULT_SECONDS)))
        place, _ = locate_picture(services.config, path)
        check_place(caller_access(services), place, [Right.DOWNLOAD])
        os.close(open_place(place))
        url, expires = services.signer.sign(path_for_everybody(services, path), seconds)
        return jsonify({"url": request.script_root + url, "expires": expires})

    return signing


def path_for_everybody(services: Services, path: str) -> str:
    """The path by which a link without a credential finds what is the caller's ``path``."""
    tree = services.trees.current().name
    if not tree:
        return path
    return f"{USERS_FOLDER}/{tree}/{relative_to_data_dir(path, services.config)}"


def read_seconds(text: str) -> int:
    """Seconds in range. Raises ``InvalidFields``."""
    if not (text.isascii() and text.isdigit() and MIN_SECONDS <= int(text[:12]) <= MAX_SECONDS):
        message = f"a whole number of seconds from {MIN_SECONDS} to {MAX_SECONDS} is expected"
        raise InvalidFields([Fault(("query", "seconds"), message, "value_error")])
    return int(text)
