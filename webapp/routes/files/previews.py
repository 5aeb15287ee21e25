"""Thumbnails, and previews of what is inside files."""

import json
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.http import parse_etags

from filebrowser.pictures.thumbnails import SIDES, TYPE
from filebrowser.previews.weights import Part
from filebrowser.tensors import MOST_TENSORS
from filebrowser.visit import Right, reach
from generator.prompt.styles import read_styles
from webapp.errors import BadValue
from webapp.openapi import Note, described
from webapp.places import styles_files
from webapp.previewing import Asked, Previews
from webapp.requests.pasted import parameters_of
from webapp.routes.context import services
from webapp.routes.files.asking import PATH, TEXT, asked_path, whole
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.filing import Filing

BINARY = {"type": "string", "format": "binary"}
TENSORS, MOST_SHOWN = 1000, 5000  # rows of a table: where no limit is asked for, at most
LONGEST_FILTER = 200  # characters
COUNT = {"type": "integer"}
OBJECT = {"type": "object", "nullable": True}
LIST = {"type": "array", "items": {}}


def fields(**properties: object) -> dict[str, object]:
    """The schema of an object of these fields."""
    return {"type": "object", "properties": properties}


QUERY = PATH | {
    "tensor": {**TEXT, "description": "only tensors whose names hold this"},
    "offset": {"type": "integer", "minimum": 0, "maximum": MOST_TENSORS},
    "limit": {"type": "integer", "minimum": 0, "maximum": MOST_SHOWN},
}
PREVIEW = {
    "type": "object",
    "required": ["path", "name", "kind", "size", "modified", "type"],
    "properties": {
        **dict.fromkeys(("path", "name", "kind", "problem"), TEXT),
        "modified": {"type": "number"},
        "size": {"type": "integer", "nullable": True},
        "type": {"type": "string", "nullable": True},
        "text": fields(content=TEXT, encoding=TEXT, complete={"type": "boolean"}),
        "picture": fields(
            width=COUNT, height=COUNT, format=TEXT, infotext=TEXT,
            parameters=OBJECT, made=OBJECT, checkpoint=OBJECT,
        ),
        "weights": fields(
            model=TEXT, architecture=TEXT, metadata=OBJECT, words=LIST, count=COUNT,
            parameters=COUNT, dtypes=LIST, matching=COUNT, offset=COUNT, tensors=LIST,
        ),
    },
}  # fmt: skip
A_WEEK = 7 * 24 * 3600  # seconds
SIDE = 256  # pixels, where none are asked for


def blueprint(filing: "Filing") -> Blueprint:
    """The routes of thumbnails and previews."""
    kept = Previews()
    previews = Blueprint("previews", __name__, url_prefix="/api/files")

    @previews.get("/thumbnail")
    @allowed(Scope.FILES)
    @described(
        Note(
            "A picture made small",
            query=PATH | {"size": {"type": "integer", "enum": list(SIDES)}, "v": TEXT},
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

    @previews.get("/preview")
    @allowed(Scope.FILES)
    @described(Note("What is inside a file", query=QUERY, answer=PREVIEW))
    def preview() -> Response:
        """Right: view; the content of texts takes download too."""
        here = visit()
        place = reach(here, asked_path(), Right.VIEW)
        part = Part(
            request.args.get("tensor", "")[:LONGEST_FILTER],
            whole("offset", 0, MOST_TENSORS),
            whole("limit", TENSORS, MOST_SHOWN),
        )
        texts = Right.DOWNLOAD in here.rights
        asked = Asked(services().registry, pasted, texts, part, services().decoding)
        # In ASCII: strangers' texts may hold halves of characters, which UTF-8 has none for.
        text = json.dumps(kept.of(place, asked))
        return Response(text, content_type="application/json")

    return previews


def pasted(infotext: str) -> dict[str, object]:
    """An infotext as png-info tells it."""
    here = services()
    styles = read_styles(styles_files(here.config)).values()
    return parameters_of(infotext, here.options.get(), styles)


def side_asked() -> int:
    """The size that the query names. Raises ``BadValue`` for any but those that are made."""
    text = request.args.get("size", str(SIDE))
    if text not in map(str, SIDES):
        raise BadValue(f"size is one of {', '.join(map(str, SIDES))}, not {text[:40]!r}.")
    return int(text)


def tagged(answer: Response, tag: str) -> Response:
    """For the caller's own cache, which asks again whether it is still the same."""
    answer.set_etag(tag)
    # An address with a version in it (v=, the file's time) is of one state of the file alone.
    lasting = f"max-age={A_WEEK}" if request.args.get("v") else "no-cache"
    answer.headers["Cache-Control"] = f"private, {lasting}"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer
