"""Many files as one zip, and how much lies in folders."""

import threading
from collections import Counter
from collections.abc import Sequence

from flask import Blueprint, Response, jsonify, request

from filebrowser.archive import archive
from filebrowser.copying import measure
from filebrowser.errors import TooBusy
from filebrowser.visit import Right, Visit, reach
from webapp.openapi import Note, described
from webapp.routes.files.asking import TEXT, asked_path
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

MOST_AT_ONCE = 2  # archives of one caller
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
    """Counts what each caller has under way; each takes a thread and reads the disk."""

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


def zipped(here: Visit, paths: Sequence[str], zips: Turns, who: str = "") -> Response:
    """A zip of these paths for ``who``, the visit's own name if there is no other."""
    who = who or here.who
    zips.enter(who)
    try:
        made = archive(here, paths)
    except BaseException:
        zips.leave(who)
        raise
    answer = Response(made.pieces, content_type="application/zip")
    answer.call_on_close(lambda: zips.leave(who))
    answer.content_length = made.size
    answer.headers["Accept-Ranges"] = "none"
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers.set("Content-Disposition", "attachment", filename=made.name)
    return answer


def blueprint(zips: Turns) -> Blueprint:
    """The routes; ``zips`` counts the archives under way."""
    packing = Blueprint("packing", __name__, url_prefix="/api/files")
    walks = Turns(MOST_AT_ONCE)

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
        walks.enter(here.who)
        try:
            found = measure(place)
        finally:
            walks.leave(here.who)
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
