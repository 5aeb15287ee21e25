"""Uploads by tus 1.0.0, and the list of unfinished ones as JSON.

Bodies of pieces are read from the connection as they come, block by block; nothing here, before or
after may touch ``request.data``.
"""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request, url_for
from typing_extensions import TypedDict

from filebrowser.uploads.completion import UploadStatus
from filebrowser.uploads.errors import TooMany, TooManyInAll, WrongRequest, WrongVersion
from filebrowser.uploads.records import Upload, UploadKind, UploadState
from filebrowser.uploads.upload_session import UploadChunk
from filebrowser.uploads.upload_store import UploadStore
from webapp.access.scopes import AccessScope, requires
from webapp.errors import error_answer
from webapp.files import tus_headers
from webapp.http.openapi import NULL_SCHEMA, RouteNote, with_note
from webapp.routes.context import to_response
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.folder_suggestions import add_suggestion
from webapp.routes.files.upload_bodies import append_piece, body_size, has_body
from webapp.services import Services

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
    if has_body() and not upload.is_ended:
        piece = UploadChunk(
            0,
            body_size(),
            None,
            tus_headers.parse_checksum(request.headers.get("Upload-Checksum")),
        )
        standing = append_piece(services, uploads, upload.id, piece)
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
        body_size(),
        tus_headers.parse_number("Upload-Length", request.headers.get("Upload-Length")),
        tus_headers.parse_checksum(request.headers.get("Upload-Checksum")),
    )
    standing = append_piece(services, uploads, name, piece)
    answer = Response(status=204)
    answer.headers["Upload-Offset"] = str(standing.offset)
    return _add_upload_headers(uploads, standing.upload, answer)


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
