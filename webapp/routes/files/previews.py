"""Thumbnails and previews."""

import json
from functools import partial

from flask import Blueprint, Response, request
from werkzeug.http import parse_etags

from filebrowser.access.file_access import Right, may_download, resolve_path
from filebrowser.pictures.thumbnails import MEDIA_TYPE, SIDES
from filebrowser.previews.weights import TensorQuery
from filebrowser.safetensors_header import MAX_TENSORS
from generator.prompt.styles import read_styles
from webapp.access.scopes import AccessScope, requires
from webapp.errors import BadValue
from webapp.files.preview import FilePreview, PreviewContext, Previews
from webapp.http.openapi import RouteNote, with_note
from webapp.requests.infotext import parse_parameters
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import PATH, TEXT, int_param, path_param
from webapp.services import Services
from webapp.settings.data_dir import styles_files

BINARY = {"type": "string", "format": "binary"}
DEFAULT_TENSORS, MAX_TENSORS_SHOWN = (
    1000,
    5000,
)  # rows of a table: where no limit is asked for, at most
MAX_FILTER_LENGTH = 200  # characters
QUERY = PATH | {
    "tensor": {**TEXT, "description": "only tensors whose names hold this"},
    "offset": {"type": "integer", "minimum": 0, "maximum": MAX_TENSORS},
    "limit": {"type": "integer", "minimum": 0, "maximum": MAX_TENSORS_SHOWN},
}
WEEK_SECONDS = 7 * 24 * 3600  # seconds
DEFAULT_SIDE = 256  # pixels, where none are asked for


def blueprint(services: Services) -> Blueprint:
    """The routes of thumbnails and previews."""
    filing = services.file_services()
    preview_maker = Previews()
    previews = Blueprint("previews", __name__, url_prefix="/api/files")

    @previews.get("/thumbnail")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote(
            "A picture made small",
            query=PATH | {"size": {"type": "integer", "enum": list(SIDES)}, "v": TEXT},
            content_type=MEDIA_TYPE,
            answer=BINARY,
        )
    )
    def thumbnail() -> Response:
        """Right: view."""
        place = resolve_path(caller_access(services), path_param(), Right.VIEW)
        side = side_param()
        if filing.thumbnails.tag(place, side) in parse_etags(request.headers.get("If-None-Match")):
            return with_etag(Response(status=304), filing.thumbnails.tag(place, side))
        small = filing.thumbnails.get(place, side)
        return with_etag(Response(small.data, content_type=MEDIA_TYPE), small.tag)

    @previews.get("/preview")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("What is inside a file", query=QUERY, answer=FilePreview))
    def preview() -> Response:
        """Right: view; the content of texts takes download too."""
        access = caller_access(services)
        place = resolve_path(access, path_param(), Right.VIEW)
        part = TensorQuery(
            request.args.get("tensor", "")[:MAX_FILTER_LENGTH],
            int_param("offset", 0, MAX_TENSORS),
            int_param("limit", DEFAULT_TENSORS, MAX_TENSORS_SHOWN),
        )
        texts = may_download(access, place)
        context = PreviewContext(
            services.registry,
            partial(infotext_to_parameters, services),
            texts,
            part,
            services.decoding,
        )
        # In ASCII: strangers' texts may hold halves of characters, which UTF-8 has none for.
        text = json.dumps(preview_maker.preview(place, context))
        return Response(text, content_type="application/json")

    return previews


def infotext_to_parameters(services: Services, infotext: str) -> dict[str, object]:
    """An infotext as png-info tells it."""
    styles = read_styles(styles_files(services.config)).values()
    return parse_parameters(infotext, services.options.get(), styles)


def side_param() -> int:
    """The size that the query names. Raises ``BadValue`` for any but those that are made."""
    text = request.args.get("size", str(DEFAULT_SIDE))
    if text not in map(str, SIDES):
        raise BadValue(f"size is one of {', '.join(map(str, SIDES))}, not {text[:40]!r}.")
    return int(text)


def with_etag(answer: Response, tag: str) -> Response:
    """For the caller's own cache, which asks again whether it is still the same."""
    answer.set_etag(tag)
    # An address with a version in it (v=, the file's time) is of one state of the file alone.
    lasting = f"max-age={WEEK_SECONDS}" if request.args.get("v") else "no-cache"
    answer.headers["Cache-Control"] = f"private, {lasting}"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer
