"""``GET /api/sign``: a link to one picture, for a time, for people without a credential."""

import os
from collections.abc import Mapping

from flask import Blueprint, Response, jsonify, request

from filebrowser.gate import open_place
from webapp.errors import Fault, InvalidFields
from webapp.links import LEAST, MOST, USUAL, Signer
from webapp.openapi import Note, described
from webapp.routes.context import services
from webapp.routes.files.pictures import found
from webapp.scopes import Scope, allowed

LINK = {
    "type": "object",
    "required": ["url", "expires"],
    "properties": {
        "url": {"type": "string", "description": "path and query on this host"},
        "expires": {"type": "integer", "description": "unix seconds"},
    },
}
QUERY: Mapping[str, Mapping[str, object]] = {
    "path": {"type": "string", "description": "an image_url, or a path in the data directory"},
    "seconds": {"type": "integer", "minimum": LEAST, "maximum": MOST, "default": USUAL},
}


def blueprint(signer: Signer) -> Blueprint:
    """The route; ``signer`` is the one that the gate asks."""
    signing = Blueprint("signing", __name__)

    @signing.get("/api/sign")
    @allowed(Scope.FILES)
    @described(Note("A link to a saved picture that needs no credential", answer=LINK, query=QUERY))
    def sign() -> Response:
        """Sign a path that the caller may read. 404 where no picture is, as for the picture."""
        path = request.args.get("path", "")
        seconds = duration(request.args.get("seconds", str(USUAL)))
        place, _ = found(services().config, path)
        os.close(open_place(place))
        url, expires = signer.link(path, seconds)
        return jsonify({"url": request.script_root + url, "expires": expires})

    return signing


def duration(text: str) -> int:
    """Seconds in range. Raises ``InvalidFields``."""
    if not (text.isascii() and text.isdigit() and LEAST <= int(text[:12]) <= MOST):
        message = f"a whole number of seconds from {LEAST} to {MOST} is expected"
        raise InvalidFields([Fault(("query", "seconds"), message, "value_error")])
    return int(text)
