"""Archives: many files as one zip, and the size of folders."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from filebrowser.archive import archive
from filebrowser.copying import measure
from filebrowser.disposition import content_disposition
from filebrowser.errors import TooBusy
from filebrowser.visit import Right, Visit, reach
from webapp.openapi import Note, described
from webapp.routes.files.asking import TEXT, asked_path
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

MOST_AT_ONCE = 2  # archives of one caller
LISTINGS = "easel.listings"  # the extension that counts what callers list
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


class Turns:
    """Limits what each caller has under way at once; each holds a thread and reads the disk."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open: Counter[str] = Counter()
        self.lock = threading.Lock()

    def enter(self, who: str) -> None:
        """Take a turn. Raises :class:`TooBusy`."""
        with self.lock:
            if self.open[who] >= self.most:
                raise TooBusy(f"{self.most} of yours are under way; wait for one to end.")
            self.open[who] += 1

    def leave(self, who: str) -> None:
        """Give it back."""
        with self.lock:
            self.open[who] -= 1
            if not self.open[who]:
                del self.open[who]


def enter_listing(who: str) -> Callable[[], None]:
    """Take one of a caller's places for what reads much of the disk; what gives it back, once.

    Listings, searches, sums and archives share them. Raises ``TooBusy`` (429).
    """
    turns: Turns = current_app.extensions[LISTINGS]
    turns.enter(who)
    return lambda: turns.leave(who)


@contextmanager
def listing_turn(who: str) -> Iterator[None]:
    """The same, for the length of a block."""
    leave = enter_listing(who)
    try:
        yield
    finally:
        leave()


def listing(route: Callable[..., Response]) -> Callable[..., Response]:
    """A route that holds a place of :func:`enter_listing` while it makes its answer."""

    @wraps(route)
    def within(*values: Any, **named: Any) -> Response:
        with listing_turn(visit().who):
            return route(*values, **named)

    return within


def zipped(here: Visit, paths: Sequence[str], zips: Turns, who: str = "") -> Response:
    """A zip of these paths for ``who``, the visit's own name if there is no other."""
    who = who or here.who
    with ExitStack() as turns:
        turns.callback(enter_listing(who))
        zips.enter(who)
        turns.callback(lambda: zips.leave(who))
        made = archive(here, paths)
        answer = Response(made.pieces, content_type="application/zip")
        answer.content_length = made.size
        answer.headers["Accept-Ranges"] = "none"
        answer.headers["Cache-Control"] = "private, no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Content-Disposition"] = content_disposition(made.name)
        answer.call_on_close(turns.pop_all().close)
    return answer


def blueprint(zips: Turns) -> Blueprint:
    """The routes; ``zips`` counts the archives under way."""
    packing = Blueprint("packing", __name__, url_prefix="/api/files")

    @packing.get("/archive")
    @allowed(Scope.FILES)
    @described(
        Note("Files and folders as one zip", query={"path": {"type": "array", "items": TEXT}},
             answer=BINARY, content_type="application/zip")
    )  # fmt: skip
    def pack() -> Response:
        """Rights: view, download. ``path`` repeats. The length is known, so progress can be."""
        here = visit()
        return zipped(here, request.args.getlist("path"), zips)

    @packing.get("/size")
    @allowed(Scope.FILES)
    @described(Note("How much lies in a folder", query={"path": TEXT}, answer=SIZE))
    def size() -> Response:
        """Right: view."""
        here = visit()
        place = reach(here, asked_path(), Right.VIEW)
        with listing_turn(here.who):
            found = measure(place)
        return jsonify(
            {
                "path": f"/{place.text}",
                "size": found.size,
                "files": found.files,
                "folders": max(0, found.folders - 1),
                "left_out": found.left_out,
            }
        )

    return packing
