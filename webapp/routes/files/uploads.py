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
from typing_extensions import TypedDict
from werkzeug.exceptions import ClientDisconnected

from filebrowser.access.file_access import Right, check_rights
from filebrowser.safetensors_header import MAX_HEADER_BYTES
from filebrowser.uploads.block_reader import BlockReader
from filebrowser.uploads.blocks import Source
from filebrowser.uploads.completion import UploadStatus
from filebrowser.uploads.errors import TooMany, TooManyInAll, WrongRequest, WrongVersion
from filebrowser.uploads.records import Upload, UploadKind, UploadState
from filebrowser.uploads.upload_session import UploadChunk
from filebrowser.uploads.upload_store import UploadStore
from webapp.access.auth import identify
from webapp.access.scopes import AccessScope, requires
from webapp.errors import error_answer
from webapp.files import tus_headers
from webapp.files.file_access import access_of
from webapp.files.folder_hints import FolderSuggestion, suggest_folder
from webapp.http.content_encoding import check_plain
from webapp.http.openapi import NULL_SCHEMA, RouteNote, with_note
from webapp.http.request_body import connection_of, socket_source
from webapp.routes.context import hold_memory, to_response
from webapp.routes.files.caller_access import caller_access
from webapp.services import Services

RIGHTS_CHECK_SECONDS = 2.0  # seconds between two looks at whether the caller may still send
MAX_BODY = 1 << 62  # bytes: other routes take less, and what fits is checked by offsets here
RETRY_AFTER = "5"  # seconds
EXPOSED = (
    "Location, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, Upload-Concat, "
    "Upload-Defer-Length, Upload-Path, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, "
    "Tus-Checksum-Algorithm"
)


class UploadFacts(TypedDict):
    """An upload: bytes, times in seconds since 1970, ``modified`` in milliseconds."""

    id: str
    url: str
    path: str
    size: int | None
    offset: int
    state: UploadState
    conflict: str | None
    modified: int | None
    created: float
    expires: float
    error: str


class UploadList(TypedDict):
    """The caller's unfinished uploads."""

    uploads: list[UploadFacts]


class SuggestedFolder(TypedDict):
    """Where a model belongs, what it is, and how many more bytes tell."""

    folder: str | None
    kind: str | None
    architecture: str | None
    needed: int | None


def blueprint(services: Services) -> Blueprint:
    """The routes of uploads."""
    routes = Blueprint("uploads", __name__, url_prefix="/api/files/uploads")
    routes.after_request(_add_version)
    routes.register_error_handler(TooMany, _busy_response)
    routes.register_error_handler(TooManyInAll, _busy_response)
    add_offer(routes, services)
    add_beginning(routes, services)
    add_suggestion(routes, services)
    add_transfer(routes, services)
    return routes


def add_offer(routes: Blueprint, services: Services) -> None:
    """What this server can do."""
    uploads = services.file_services().uploads

    @routes.route("", methods=["OPTIONS"], provide_automatic_options=False)
    @routes.route("/<name>", methods=["OPTIONS"], provide_automatic_options=False)
    @requires(AccessScope.USER)
    def offer(name: str = "") -> Response:
        """What this server can do."""
        return _with_headers(
            Response(status=204), *tus_headers.options_headers(uploads.limits.largest)
        )


def add_beginning(routes: Blueprint, services: Services) -> None:
    """The caller's unfinished uploads, and new ones."""
    uploads = services.file_services().uploads

    @routes.get("")
    @requires(AccessScope.USER)
    @with_note(RouteNote("The caller's unfinished uploads", answer=UploadList))
    def own() -> Response:
        """Right: create."""
        return jsonify(
            {
                "uploads": [
                    upload_json(one, uploads)
                    for one in uploads.list_unfinished(caller_access(services))
                ]
            }
        )

    @routes.post("")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Begin an upload (tus 1.0.0)", answer=NULL_SCHEMA))
    def begin() -> Response:
        """Rights: create; modify too, to overwrite."""
        _check_version()
        return _begin_upload(services, uploads)


def add_suggestion(routes: Blueprint, services: Services) -> None:
    """The folder that a model belongs in."""

    @routes.post("/suggest")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("Which folder a model belongs in, by its first bytes", answer=SuggestedFolder)
    )
    def folder() -> Response:
        """Right: create."""
        check_rights(caller_access(services), {Right.CREATE})
        hold_memory(min(request.content_length or 8 + MAX_HEADER_BYTES, 8 + MAX_HEADER_BYTES))
        start = request.stream.read(8 + MAX_HEADER_BYTES)
        return jsonify(
            suggestion_json(
                suggest_folder(
                    start,
                    caller_access(services),
                    services.config,
                    services.plugins.folder_for_tensors,
                )
            )
        )


def add_transfer(routes: Blueprint, services: Services) -> None:
    """One upload: its state, more of its bytes, its end."""
    uploads = services.file_services().uploads

    @routes.get("/<name>")
    @requires(AccessScope.USER)
    @with_note(RouteNote("One's upload; by HEAD its offset, as tus has it", answer=UploadFacts))
    def state(name: str) -> Response:
        """Right: create."""
        if request.method == "HEAD":
            _check_version()
            return _state_response(services, uploads, name)
        return jsonify(upload_json(uploads.peek(caller_access(services), name), uploads))

    @routes.patch("/<name>")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Append bytes to an upload (tus 1.0.0)", answer=NULL_SCHEMA))
    def append(name: str) -> Response:
        """Right: create."""
        _check_version()
        return _append_body(services, uploads, name)

    @routes.delete("/<name>")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Throw an unfinished upload away (tus 1.0.0)", answer=NULL_SCHEMA))
    def end(name: str) -> Response:
        """Right: create."""
        _check_version()
        uploads.delete(caller_access(services), name)
        return Response(status=204)

    @routes.post("/<name>")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("PATCH or DELETE by X-HTTP-Method-Override, for poor proxies", answer=NULL_SCHEMA)
    )
    def instead(name: str) -> Response:
        """Right: create."""
        verbs: dict[str, Callable[[str], Response]] = {"PATCH": append, "DELETE": end}
        verb = verbs.get(request.headers.get("X-HTTP-Method-Override", "").upper())
        if verb is None:
            raise WrongRequest("X-HTTP-Method-Override should be PATCH or DELETE.")
        return verb(name)


def upload_json(standing: UploadStatus, uploads: UploadStore) -> UploadFacts:
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
        "modified": tus_headers.modified_ms(upload.order),
        "created": upload.created,
        "expires": uploads.expires_at(upload),
        "error": upload.fault,
    }


def suggestion_json(suggestion: FolderSuggestion) -> SuggestedFolder:
    """A suggestion as JSON."""
    return {
        "folder": suggestion.folder or None,
        "kind": suggestion.recognition.kind,
        "architecture": suggestion.recognition.architecture or None,
        "needed": suggestion.needed or None,
    }


def _begin_upload(services: Services, uploads: UploadStore) -> Response:
    concat = tus_headers.parse_concat(request.headers.get("Upload-Concat"))
    note = request.headers.get("Upload-Metadata", "")
    metadata = tus_headers.parse_metadata(note)
    if concat.part is UploadKind.FINAL:
        if request.headers.get("Upload-Length") is not None:
            raise WrongRequest("The length of an upload that is put together is not told.")
        made_of = request.headers["Upload-Concat"]
        order = replace(tus_headers.parse_order(metadata, None, concat.part, note), made_of=made_of)
        return _created_response(uploads, uploads.join(caller_access(services), order, concat.ids))
    length = tus_headers.parse_length(
        request.headers.get("Upload-Length"), request.headers.get("Upload-Defer-Length")
    )
    upload = uploads.begin(
        caller_access(services), tus_headers.parse_order(metadata, length, concat.part, note)
    )
    if _has_body() and not upload.is_ended:
        piece = UploadChunk(
            0,
            _body_size(),
            None,
            tus_headers.parse_checksum(request.headers.get("Upload-Checksum")),
        )
        standing = _append_piece(services, uploads, upload.id, piece)
        return _created_response(uploads, standing.upload, standing.offset)
    return _created_response(uploads, upload)


def _created_response(uploads: UploadStore, upload: Upload, offset: int | None = None) -> Response:
    answer = Response(status=201)
    answer.headers["Location"] = url_for("uploads.state", name=upload.id)
    if offset is None and upload.is_ended:
        offset = upload.length
    if offset is not None:
        answer.headers["Upload-Offset"] = str(offset)
    return _add_upload_headers(uploads, upload, answer)


def _state_response(services: Services, uploads: UploadStore, name: str) -> Response:
    standing = uploads.status(caller_access(services), name)
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
    if order.part is not UploadKind.WHOLE:
        answer.headers["Upload-Concat"] = order.made_of or str(order.part)
    return _add_upload_headers(uploads, standing.upload, answer)


def _append_body(services: Services, uploads: UploadStore, name: str) -> Response:
    if request.mimetype != tus_headers.CONTENT_TYPE:
        return Response(status=415)
    offset = tus_headers.parse_number("Upload-Offset", request.headers.get("Upload-Offset"))
    if offset is None:
        raise WrongRequest("Upload-Offset is missing.")
    piece = UploadChunk(
        offset,
        _body_size(),
        tus_headers.parse_number("Upload-Length", request.headers.get("Upload-Length")),
        tus_headers.parse_checksum(request.headers.get("Upload-Checksum")),
    )
    standing = _append_piece(services, uploads, name, piece)
    answer = Response(status=204)
    answer.headers["Upload-Offset"] = str(standing.offset)
    return _add_upload_headers(uploads, standing.upload, answer)


def _append_piece(
    services: Services, uploads: UploadStore, name: str, piece: UploadChunk
) -> UploadStatus:
    """Append the body of the current request."""
    return uploads.append(
        caller_access(services),
        name,
        piece,
        _body_source(),
        _rights_check(services),
        _read_interrupter(),
    )


def _body_source() -> Source:
    """The body of the current request, however long; it ends where the connection breaks off.

    Werkzeug puts a limit around every body, which costs two copies of each byte; where the server
    itself knows the body's end, as gunicorn does, it is read without.
    """
    check_plain(request.headers.get("Content-Encoding", ""))
    from_connection = socket_source(request.environ)
    if from_connection is not None:
        return from_connection
    if request.environ.get("wsgi.input_terminated"):
        return BlockReader(request.environ["wsgi.input"].read)
    request.max_content_length = MAX_BODY

    def read(most: int, /) -> bytes:
        try:
            return request.stream.read(most)
        except ClientDisconnected:
            return b""

    return BlockReader(read)


def _has_body() -> bool:
    return request.mimetype == tus_headers.CONTENT_TYPE


def _body_size() -> int | None:
    """Bytes of the body; None where it comes in chunks."""
    return request.content_length


def _rights_check(services: Services) -> Callable[[], None]:
    """A look, now and then, at whether the caller may still do what he began."""
    config, credentials, checked_at = services.config, services.credentials, time.monotonic()

    def look() -> None:
        nonlocal checked_at
        if time.monotonic() - checked_at > RIGHTS_CHECK_SECONDS:
            checked_at = time.monotonic()
            check_rights(access_of(identify(credentials), config), {Right.CREATE})

    return look


def _read_interrupter() -> Callable[[], None]:
    """Ends a read that waits for the current connection, from another thread."""
    connection = connection_of(request.environ)

    def end() -> None:
        if connection is not None:
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as twin:
                twin.shutdown(socket.SHUT_RDWR)

    return end


def _add_upload_headers(uploads: UploadStore, upload: Upload, answer: Response) -> Response:
    if upload.path:
        answer.headers["Upload-Path"] = quote(upload.path)
    if not upload.is_ended:
        answer.headers["Upload-Expires"] = tus_headers.http_date(uploads.expires_at(upload))
    return answer


def _check_version() -> None:
    spoken = request.headers.get("Tus-Resumable")
    if spoken != tus_headers.VERSION:
        raise WrongVersion(f"Tus-Resumable should be {tus_headers.VERSION}, and is {spoken!r}.")


def _add_version(answer: Response) -> Response:
    """Every answer names the version."""
    answer.headers["Tus-Resumable"] = tus_headers.VERSION
    if answer.status_code == 412:
        answer.headers["Tus-Version"] = tus_headers.VERSION
    answer.headers["Access-Control-Expose-Headers"] = EXPOSED
    return answer


def _busy_response(error: TooMany | TooManyInAll) -> Response:
    answer = to_response(error_answer(error))
    answer.headers["Retry-After"] = RETRY_AFTER
    return answer


def _with_headers(answer: Response, *pairs: tuple[str, str]) -> Response:
    answer.headers.extend(pairs)
    return answer
