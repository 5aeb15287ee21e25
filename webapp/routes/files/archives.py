"""Archives: many files as one zip, and the size of folders."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from filebrowser.access.file_access import FileAccess, Right, resolve_path
from filebrowser.archive import make_archive
from filebrowser.disposition import content_disposition
from filebrowser.errors import TooBusy
from filebrowser.operations.copy_tree import measure
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import TEXT, path_param

MAX_ARCHIVES = 2  # archives of one caller
LISTINGS_KEY = "easel.listings"  # the extension that counts what callers list
BINARY = {"type": "string", "format": "binary"}
NUMBER = {"type": "integer"}
SIZE = {
    "type": "object",
    "properties": {
        "path": TEXT,
        "size": NUMBER,
        "files": NUMBER,
        "folders": NUMBER,
        "left_out": NUMBER,
    },
}


class CallerLimit:
    """Limits what each caller has under way at once; each holds a thread and reads the disk."""

    def __init__(self, max_open: int) -> None:
        self.max_open = max_open
        self.open: Counter[str] = Counter()
        self.lock = threading.Lock()

    def enter(self, who: str) -> None:
        """Take a turn. Raises :class:`TooBusy`."""
        with self.lock:
            if self.open[who] >= self.max_open:
                raise TooBusy(f"{self.max_open} of yours are under way; wait for one to end.")
            self.open[who] += 1

    def leave(self, who: str) -> None:
        """Give it back."""
        with self.lock:
            self.open[who] -= 1
            if not self.open[who]:
                del self.open[who]


def enter_listing_limit(who: str) -> Callable[[], None]:
    """Take one of a caller's places for what reads much of the disk; what gives it back, once.

    Listings, searches, sums and archives share them. Raises ``TooBusy`` (429).
    """
    limit: CallerLimit = current_app.extensions[LISTINGS_KEY]
    limit.enter(who)
    return lambda: limit.leave(who)


@contextmanager
def listing_limit(who: str) -> Iterator[None]:
    """The same, for the length of a block."""
    leave = enter_listing_limit(who)
    try:
        yield
    finally:
        leave()


def limited_listing(route: Callable[..., Response]) -> Callable[..., Response]:
    """A route that holds a place of :func:`enter_listing_limit` while it makes its answer."""

    @wraps(route)
    def within(*values: Any, **named: Any) -> Response:
        with listing_limit(caller_access().who):
            return route(*values, **named)

    return within


def zip_response(
    access: FileAccess, paths: Sequence[str], zips: CallerLimit, who: str = ""
) -> Response:
    """A zip of these paths for ``who``, the visit's own name if there is no other."""
    who = who or access.who
    with ExitStack() as limits:
        limits.callback(enter_listing_limit(who))
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


def blueprint(zips: CallerLimit) -> Blueprint:
    """The routes; ``zips`` counts the archives under way."""
    packing = Blueprint("packing", __name__, url_prefix="/api/files")

    @packing.get("/archive")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote("Files and folders as one zip", query={"path": {"type": "array", "items": TEXT}},
             answer=BINARY, content_type="application/zip")
    )  # fmt: skip
    def pack() -> Response:
        """Rights: view, download. ``path`` repeats. The length is known, so progress can be."""
        access = caller_access()
        return zip_response(access, request.args.getlist("path"), zips)

    @packing.get("/size")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("How much lies in a folder", query={"path": TEXT}, answer=SIZE))
    def size() -> Response:
        """Right: view."""
        access = caller_access()
        place = resolve_path(access, path_param(), Right.VIEW)
        with listing_limit(access.who):
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
