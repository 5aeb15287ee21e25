"""Texts, read and saved, and zips taken apart."""

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from filebrowser import text_files
from filebrowser.access.file_access import Right, check_rights, resolve_path
from filebrowser.access.gate import check_name
from filebrowser.errors import NotText
from filebrowser.listing.file_kinds import FileKind, kind_of
from webapp.access.scopes import AccessScope, requires
from webapp.errors import BadValue
from webapp.http.openapi import RouteNote, with_note
from webapp.requests.fields import read_body
from webapp.routes.context import read_json_body
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import PATH, StrictBody, path_param
from webapp.services import Services


class SavedText(TypedDict):
    """Where a text lies, and the state that it has."""

    path: str
    etag: str


class TextContent(SavedText):
    """A text with its state, which a save names."""

    text: str


class NewText(StrictBody):
    """The body of a save."""

    text: str


def blueprint(services: Services) -> Blueprint:
    """The routes; every save is told to ``filing``."""
    filing = services.file_services()
    editing = Blueprint("editing", __name__, url_prefix="/api/files/text")

    @editing.get("")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("A text of at most 2 MiB", query=PATH, answer=TextContent))
    def text() -> Response:
        """Rights: view, download. The ETag is what a save names."""
        place = resolve_path(caller_access(services), path_param(), Right.VIEW, Right.DOWNLOAD)
        text_file = text_files.read_text(place)
        answer = jsonify({"path": f"/{place.text}", "text": text_file.text, "etag": text_file.etag})
        answer.headers["Cache-Control"] = "private, no-store"
        return answer

    @editing.put("")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Save a text", query=PATH, body=NewText, answer=SavedText))
    def save() -> Response:
        """Right: modify with ``If-Match: "etag"``; create with ``If-None-Match: *``."""
        access, etag = caller_access(services), read_etag()
        place = resolve_path(access, path_param(), Right.VIEW)
        check_rights(access, [Right.CREATE if etag is None else Right.MODIFY])
        if etag is None:
            check_name(place.names[-1] if place.names else "")
            filing.rules.check_name(place)
            if kind_of(place.names[-1]) is FileKind.MODEL:
                raise NotText(f"/{place.text} would be no model: it is not written as a text.")
        content = read_body(NewText, read_json_body()).text
        size = len(content.encode(errors="replace"))
        with filing.uploads.reserve(place.root, size) as room:
            room.take(size)
            new = text_files.save_text(place, content, etag, filing.tell)
        return jsonify({"path": f"/{place.text}", "etag": new})

    return editing


def read_etag() -> str | None:
    """The state that the save was made from; None for a new file. Raises ``Unstated``."""
    if request.headers.get("If-None-Match", "").strip() == "*":
        return None
    etags = list(request.if_match)
    if len(etags) != 1:
        raise Unstated(
            'Which state did you edit? Send If-Match: "ETAG" of what you read, or '
            "If-None-Match: * for a new file."
        )
    return str(etags[0])


class Unstated(BadValue):
    """A save does not say what it was made from."""

    status = 428
