"""Uploads by tus 1.0.0, and the list of unfinished ones as JSON.

Bodies of pieces are read from the connection as they come, block by block; nothing here, before or
after may touch ``request.data``.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request, url_for
from werkzeug.exceptions import ClientDisconnected

from filebrowser.tensors import LONGEST_HEADER
from filebrowser.uploads.blocks import Source
from filebrowser.uploads.ending import Standing
from filebrowser.uploads.errors import TooMany, TooManyInAll, WrongRequest, WrongVersion
from filebrowser.uploads.holding import Piece
from filebrowser.uploads.pacing import Paced
from filebrowser.uploads.records import Part, State, Upload
from filebrowser.uploads.uploads import Uploads
from filebrowser.visit import Right, check_rights
from webapp import tus
from webapp.auth import identify
from webapp.bodies import connection_of, from_socket
from webapp.browsing import visit_of
from webapp.content_encoding import check_plain
from webapp.errors import envelope
from webapp.openapi import NULL, Note, described
from webapp.routes.context import hold_memory, response, services
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed
from webapp.suggesting import Suggestion, suggest

STILL_ALLOWED = 2.0  # seconds between two looks at whether the caller may still send
LONGEST_BODY = 1 << 62  # bytes: other routes take less, and what fits is checked by offsets here
BACK_SOON = "5"  # seconds
EXPOSED = (
    "Location, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, Upload-Concat, "
    "Upload-Defer-Length, Upload-Path, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, "
    "Tus-Checksum-Algorithm"
)
ONE = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "url": {"type": "string"},
        "path": {"type": "string"},
        "size": {"type": "integer", "nullable": True},
        "offset": {"type": "integer"},
        "state": {"type": "string", "enum": [str(state) for state in State]},
        "conflict": {"type": "string", "nullable": True},
        "modified": {"type": "integer", "nullable": True},
        "created": {"type": "number"},
        "expires": {"type": "number"},
        "error": {"type": "string"},
    },
}
ALL = {"type": "object", "properties": {"uploads": {"type": "array", "items": ONE}}}

FOLDER = {
    "type": "object",
    "properties": {
        "folder": {"type": "string", "nullable": True},
        "kind": {"type": "string", "nullable": True},
        "architecture": {"type": "string", "nullable": True},
        "needed": {"type": "integer", "nullable": True},
    },
}


def blueprint(uploads: Uploads) -> Blueprint:
    """The routes over one set of uploads."""
    tusd = Blueprint("uploads", __name__, url_prefix="/api/files/uploads")
    tusd.after_request(_signed)
    tusd.register_error_handler(TooMany, _wait)
    tusd.register_error_handler(TooManyInAll, _wait)

    @tusd.route("", methods=["OPTIONS"], provide_automatic_options=False)
    @tusd.route("/<name>", methods=["OPTIONS"], provide_automatic_options=False)
    @allowed(Scope.USER)
    def offer(name: str = "") -> Response:
        """What this server can do."""
        return _headers(Response(status=204), *tus.offers(uploads.limits.largest))

    @tusd.get("")
    @allowed(Scope.USER)
    @described(Note("The caller's unfinished uploads", answer=ALL))
    def own() -> Response:
        """Right: create."""
        return jsonify({"uploads": [told(one, uploads) for one in uploads.own(visit())]})

    @tusd.post("")
    @allowed(Scope.USER)
    @described(Note("Begin an upload (tus 1.0.0)", answer=NULL))
    def begin() -> Response:
        """Rights: create; modify too, to overwrite."""
        _check_version()
        return _begun(uploads)

    @tusd.post("/suggest")
    @allowed(Scope.USER)
    @described(Note("Which folder a model belongs in, by its first bytes", answer=FOLDER))
    def folder() -> Response:
        """Right: create."""
        check_rights(visit(), {Right.CREATE})
        hold_memory(min(request.content_length or 8 + LONGEST_HEADER, 8 + LONGEST_HEADER))
        start = request.stream.read(8 + LONGEST_HEADER)
        return jsonify(
            hinted(suggest(start, visit(), services().config, services().plugins.marked))
        )

    @tusd.get("/<name>")
    @allowed(Scope.USER)
    @described(Note("One's upload; by HEAD its offset, as tus has it", answer=ONE))
    def state(name: str) -> Response:
        """Right: create."""
        if request.method == "HEAD":
            _check_version()
            return _stands(uploads, name)
        return jsonify(told(uploads.look(visit(), name), uploads))

    @tusd.patch("/<name>")
    @allowed(Scope.USER)
    @described(Note("Append bytes to an upload (tus 1.0.0)", answer=NULL))
    def append(name: str) -> Response:
        """Right: create."""
        _check_version()
        return _appended(uploads, name)

    @tusd.delete("/<name>")
    @allowed(Scope.USER)
    @described(Note("Throw an unfinished upload away (tus 1.0.0)", answer=NULL))
    def end(name: str) -> Response:
        """Right: create."""
        _check_version()
        uploads.end(visit(), name)
        return Response(status=204)

    @tusd.post("/<name>")
    @allowed(Scope.USER)
    @described(Note("PATCH or DELETE by X-HTTP-Method-Override, for poor proxies", answer=NULL))
    def instead(name: str) -> Response:
        """Right: create."""
        verbs: dict[str, Callable[[str], Response]] = {"PATCH": append, "DELETE": end}
        verb = verbs.get(request.headers.get("X-HTTP-Method-Override", "").upper())
        if verb is None:
            raise WrongRequest("X-HTTP-Method-Override should be PATCH or DELETE.")
        return verb(name)

    return tusd


def told(standing: Standing, uploads: Uploads) -> dict[str, object]:
    """An upload as JSON."""
    upload = standing.upload
    return {
        "id": upload.id,
        "url": url_for("uploads.state", name=upload.id),
        "path": upload.path or upload.order.path,
        "size": upload.length,
        "offset": standing.offset,
        "state": upload.state,
        "conflict": upload.order.conflict,
        "modified": tus.modified(upload.order),
        "created": upload.created,
        "expires": uploads.expires(upload),
        "error": upload.fault,
    }


def hinted(suggestion: Suggestion) -> dict[str, object]:
    """A suggestion as JSON."""
    return {
        "folder": suggestion.folder or None,
        "kind": suggestion.found.kind,
        "architecture": suggestion.found.architecture or None,
        "needed": suggestion.needed or None,
    }


def _begun(uploads: Uploads) -> Response:
    joined = tus.concat(request.headers.get("Upload-Concat"))
    note = request.headers.get("Upload-Metadata", "")
    meanings = tus.metadata(note)
    if joined.part is Part.FINAL:
        if request.headers.get("Upload-Length") is not None:
            raise WrongRequest("The length of an upload that is put together is not told.")
        made_of = request.headers["Upload-Concat"]
        order = replace(tus.order(meanings, None, joined.part, note), made_of=made_of)
        return _created(uploads, uploads.join(visit(), order, joined.ids))
    length = tus.length(
        request.headers.get("Upload-Length"), request.headers.get("Upload-Defer-Length")
    )
    upload = uploads.begin(visit(), tus.order(meanings, length, joined.part, note))
    if _brings_bytes() and not upload.ended:
        piece = Piece(0, _size(), None, tus.checksum(request.headers.get("Upload-Checksum")))
        standing = _taken(uploads, upload.id, piece)
        return _created(uploads, standing.upload, standing.offset)
    return _created(uploads, upload)


def _created(uploads: Uploads, upload: Upload, offset: int | None = None) -> Response:
    answer = Response(status=201)
    answer.headers["Location"] = url_for("uploads.state", name=upload.id)
    if offset is None and upload.ended:
        offset = upload.length
    if offset is not None:
        answer.headers["Upload-Offset"] = str(offset)
    return _facts(uploads, upload, answer)


def _stands(uploads: Uploads, name: str) -> Response:
    standing = uploads.standing(visit(), name)
    answer = Response(status=200)
    answer.headers["Upload-Offset"] = str(standing.offset)
    answer.headers["Cache-Control"] = "no-store"
    order = standing.upload.order
    if order.length is None:
        answer.headers["Upload-Defer-Length"] = "1"
    else:
        answer.headers["Upload-Length"] = str(order.length)
    if order.note:
        answer.headers["Upload-Metadata"] = order.note
    if order.part is not Part.WHOLE:
        answer.headers["Upload-Concat"] = order.made_of or str(order.part)
    return _facts(uploads, standing.upload, answer)


def _appended(uploads: Uploads, name: str) -> Response:
    if request.mimetype != tus.CONTENT_TYPE:
        return Response(status=415)
    offset = tus.number("Upload-Offset", request.headers.get("Upload-Offset"))
    if offset is None:
        raise WrongRequest("Upload-Offset is missing.")
    piece = Piece(
        offset,
        _size(),
        tus.number("Upload-Length", request.headers.get("Upload-Length")),
        tus.checksum(request.headers.get("Upload-Checksum")),
    )
    standing = _taken(uploads, name, piece)
    answer = Response(status=204)
    answer.headers["Upload-Offset"] = str(standing.offset)
    return _facts(uploads, standing.upload, answer)


def _taken(uploads: Uploads, name: str, piece: Piece) -> Standing:
    """Append the body of the current request."""
    return uploads.append(visit(), name, piece, _body(), _still(), _interrupt())


def _body() -> Source:
    """The body of the current request, however long; it ends where the connection breaks off.

    Werkzeug puts a limit around every body, which costs two copies of each byte; where the server
    itself knows the body's end, as gunicorn does, it is read without.
    """
    check_plain(request.headers.get("Content-Encoding", ""))
    straight = from_socket(request.environ)
    if straight is not None:
        return straight
    if request.environ.get("wsgi.input_terminated"):
        return Paced(request.environ["wsgi.input"].read)
    request.max_content_length = LONGEST_BODY

    def read(most: int, /) -> bytes:
        try:
            return request.stream.read(most)
        except ClientDisconnected:
            return b""

    return Paced(read)


def _brings_bytes() -> bool:
    return request.mimetype == tus.CONTENT_TYPE


def _size() -> int | None:
    """Bytes of the body; None where it comes in chunks."""
    return request.content_length


def _still() -> Callable[[], None]:
    """A look, now and then, at whether the caller may still do what he began."""
    config, credentials, last = services().config, services().credentials, time.monotonic()

    def look() -> None:
        nonlocal last
        if time.monotonic() - last > STILL_ALLOWED:
            last = time.monotonic()
            check_rights(visit_of(identify(credentials), config), {Right.CREATE})

    return look


def _interrupt() -> Callable[[], None]:
    """Ends a read that waits for the current connection, from another thread."""
    connection = connection_of(request.environ)

    def end() -> None:
        if connection is not None:
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as twin:
                twin.shutdown(socket.SHUT_RDWR)

    return end


def _facts(uploads: Uploads, upload: Upload, answer: Response) -> Response:
    if upload.path:
        answer.headers["Upload-Path"] = quote(upload.path)
    if not upload.ended:
        answer.headers["Upload-Expires"] = tus.http_date(uploads.expires(upload))
    return answer


def _check_version() -> None:
    spoken = request.headers.get("Tus-Resumable")
    if spoken != tus.VERSION:
        raise WrongVersion(f"Tus-Resumable should be {tus.VERSION}, and is {spoken!r}.")


def _signed(answer: Response) -> Response:
    """Every answer names the version."""
    answer.headers["Tus-Resumable"] = tus.VERSION
    if answer.status_code == 412:
        answer.headers["Tus-Version"] = tus.VERSION
    answer.headers["Access-Control-Expose-Headers"] = EXPOSED
    return answer


def _wait(error: TooMany | TooManyInAll) -> Response:
    answer = response(envelope(error))
    answer.headers["Retry-After"] = BACK_SOON
    return answer


def _headers(answer: Response, *pairs: tuple[str, str]) -> Response:
    answer.headers.extend(pairs)
    return answer
