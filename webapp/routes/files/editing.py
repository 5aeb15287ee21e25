"""Texts, read and saved, and zips taken apart."""

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from filebrowser import texts
from filebrowser.errors import NotText
from filebrowser.gate import check_name
from filebrowser.kinds import Kind, kind_of
from filebrowser.visit import Right, check_rights, reach
from webapp.errors import BadValue
from webapp.openapi import Note, described
from webapp.requests.fields import read
from webapp.routes.context import json_body
from webapp.routes.files.asking import PATH, TEXT, Strict, asked_path
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.filing import Filing

ANSWER = {"type": "object", "properties": {"path": TEXT, "text": TEXT, "etag": TEXT}}
SAVED = {"type": "object", "properties": {"path": TEXT, "etag": TEXT}}


class NewText(Strict):
    """The body of a save."""

    text: str


def blueprint(filing: "Filing") -> Blueprint:
    """The routes; every save is told to ``filing``."""
    editing = Blueprint("editing", __name__, url_prefix="/api/files/text")

    @editing.get("")
    @allowed(Scope.FILES)
    @described(Note("A text of at most 2 MiB", query=PATH, answer=ANSWER))
    def text() -> Response:
        """Rights: view, download. The ETag is what a save names."""
        place = reach(visit(), asked_path(), Right.VIEW, Right.DOWNLOAD)
        found = texts.read(place)
        answer = jsonify({"path": f"/{place.text}", "text": found.text, "etag": found.etag})
        answer.headers["Cache-Control"] = "private, no-store"
        return answer

    @editing.put("")
    @allowed(Scope.USER)
    @described(Note("Save a text", query=PATH, body=NewText, answer=SAVED))
    def save() -> Response:
        """Right: modify with ``If-Match: "etag"``; create with ``If-None-Match: *``."""
        here, etag = visit(), stated()
        place = reach(here, asked_path(), Right.VIEW)
        check_rights(here, [Right.CREATE if etag is None else Right.MODIFY])
        if etag is None:
            check_name(place.names[-1] if place.names else "")
            filing.rules.check_name(place)
            if kind_of(place.names[-1]) is Kind.MODEL:
                raise NotText(f"/{place.text} would be no model: it is not written as a text.")
        content = read(NewText, json_body()).text
        size = len(content.encode(errors="replace"))
        with filing.uploads.reservation(place.root, size) as room:
            room.take(size)
            new = texts.save(place, content, etag, filing.tell)
        return jsonify({"path": f"/{place.text}", "etag": new})

    return editing


def stated() -> str | None:
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
