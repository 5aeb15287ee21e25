"""What a file shows of itself: pictures made small, and facts about what is inside."""

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.http import parse_etags

from filebrowser.pictures.thumbnails import SIDES, TYPE
from filebrowser.visit import Right, reach
from webapp.errors import BadValue
from webapp.openapi import Note, described
from webapp.routes.files.asking import PATH, asked_path
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.filing import Filing

BINARY = {"type": "string", "format": "binary"}
SIDE = 256  # pixels, where none are asked for


def blueprint(filing: "Filing") -> Blueprint:
    """The routes over one keeper of thumbnails."""
    previews = Blueprint("previews", __name__, url_prefix="/api/files")

    @previews.get("/thumbnail")
    @allowed(Scope.FILES)
    @described(
        Note(
            "A picture made small",
            query=PATH | {"size": {"type": "integer", "enum": list(SIDES)}},
            content_type=TYPE,
            answer=BINARY,
        )
    )
    def thumbnail() -> Response:
        """Right: view."""
        place = reach(visit(), asked_path(), Right.VIEW)
        side = side_asked()
        if filing.thumbnails.tag(place, side) in parse_etags(request.headers.get("If-None-Match")):
            return tagged(Response(status=304), filing.thumbnails.tag(place, side))
        small = filing.thumbnails.get(place, side)
        return tagged(Response(small.data, content_type=TYPE), small.tag)

    return previews


def side_asked() -> int:
    """The size that the query names. Raises ``BadValue`` for any but those that are made."""
    text = request.args.get("size", str(SIDE))
    if text not in map(str, SIDES):
        raise BadValue(f"size is one of {', '.join(map(str, SIDES))}, not {text[:40]!r}.")
    return int(text)


def tagged(answer: Response, tag: str) -> Response:
    """For the caller's own cache, which asks again whether it is still the same."""
    answer.set_etag(tag)
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer
