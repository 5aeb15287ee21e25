"""Archives: many files as one zip, and the size of folders."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from filebrowser.access.file_access import FileAccess, Right, resolve_path
from filebrowser.archive import make_archive
from filebrowser.disposition import content_disposition
from filebrowser.operations.copy_tree import measure
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import TEXT, path_param
from webapp.services import Services

Listing = TypeVar("Listing", bound=Callable[..., Response])

BINARY = {"type": "string", "format": "binary"}


class FolderSize(TypedDict):
    """How much lies in a folder, in bytes; ``left_out`` counts what cannot be read."""

    path: str
    size: int
    files: int
    folders: int
    left_out: int


def enter_listing_limit(services: Services, who: str) -> Callable[[], None]:
    """Take one of a caller's places for what reads much of the disk; what gives it back, once.

    Listings, searches, sums and archives share them. Raises ``TooBusy`` (429).
    """
    limit = services.file_services().listing_limit
    limit.enter(who)
    return lambda: limit.leave(who)


@contextmanager
def listing_limit(services: Services, who: str) -> Iterator[None]:
    """The same, for the length of a block."""
    leave = enter_listing_limit(services, who)
    try:
        yield
    finally:
        leave()


def limited_listing(services: Services) -> Callable[[Listing], Listing]:
    """Decorates a route that holds a place of :func:`enter_listing_limit` while it answers."""

    def limit(route: Listing) -> Listing:
        @wraps(route)
        def within(*values: Any, **named: Any) -> Response:
            with listing_limit(services, caller_access(services).who):
                return route(*values, **named)

        return cast("Listing", within)

    return limit


def zip_response(
    services: Services, access: FileAccess, paths: Sequence[str], who: str = ""
) -> Response:
    """A zip of these paths for ``who``, the visit's own name if there is no other."""
    who = who or access.who
    zips = services.file_services().archive_limit
    with ExitStack() as limits:
        limits.callback(enter_listing_limit(services, who))
        zips.enter(who)
        limits.callback(lambda: zips.leave(who))
        zip_file = make_archive(access, paths)
        answer = Response(zip_file.pieces, content_type="application/zip")
        answer.content_length = zip_file.size
        answer.headers["Accept-Ranges"] = "none"
        answer.headers["Cache-Control"] = "private, no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Content-Disposition"] = content_disposition(zip_file.name)
        answer.call_on_close(limits.pop_all().close)
    return answer


def blueprint(services: Services) -> Blueprint:
    """The routes of zips and sizes."""
    packing = Blueprint("packing", __name__, url_prefix="/api/files")

    @packing.get("/archive")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote("Files and folders as one zip", query={"path": {"type": "array", "items": TEXT}},
             answer=BINARY, content_type="application/zip")
    )  # fmt: skip
    def pack() -> Response:
        """Rights: view, download. ``path`` repeats. The length is known, so progress can be."""
        access = caller_access(services)
        return zip_response(services, access, request.args.getlist("path"))

    @packing.get("/size")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("How much lies in a folder", query={"path": TEXT}, answer=FolderSize))
    def size() -> Response:
        """Right: view."""
        access = caller_access(services)
        place = resolve_path(access, path_param(), Right.VIEW)
        with listing_limit(services, access.who):
            totals = measure(place)
        return jsonify(
            {
                "path": f"/{place.text}",
                "size": totals.size,
                "files": totals.files,
                "folders": max(0, totals.folders - 1),
                "left_out": totals.left_out,
            }
        )

    return packing
