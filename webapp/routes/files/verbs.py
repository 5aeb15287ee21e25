"""What changes the trees: folders, moving, copying, deleting and bringing back."""

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from filebrowser import trash
from filebrowser.copying import exists, make_folder
from filebrowser.errors import Taken
from filebrowser.gate import Place
from filebrowser.happenings import Happening, What
from filebrowser.moving import Conflict, check_free, plan, take_step
from filebrowser.tree import look
from filebrowser.visit import Right, Visit, reach
from webapp.errors import BadValue
from webapp.openapi import EMPTY, Note, described
from webapp.requests.fields import read
from webapp.routes.context import json_body
from webapp.routes.files.asking import (
    ENTRY,
    RESULTS,
    TEXT,
    Path,
    Paths,
    Strict,
    entry_json,
    results_json,
    work,
)
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.filing import Filing

DONE = {"type": "object", "properties": {"results": RESULTS}}
DELETED = {"type": "object", "properties": {"trash_id": TEXT, "results": RESULTS}}
NUMBER = {"type": "number"}
THROWN = {
    "type": "object",
    "properties": {
        "trash_id": TEXT,
        "deleted": NUMBER,
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"path": TEXT, "kind": TEXT}},
        },
    },
}
TRASH = {"type": "object", "properties": {"thrown": {"type": "array", "items": THROWN}}}


class OnePath(Strict):
    """The body of ``folder``."""

    path: Path


class Transfer(Strict):
    """The body of ``move`` and ``copy``."""

    paths: Paths
    to: Path
    conflict: Conflict | None = None


class Rename(Strict):
    """The body of ``rename``."""

    path: Path
    name: Path
    conflict: Conflict | None = None


class Doomed(Strict):
    """The body of ``delete``."""

    paths: Paths


class Back(Strict):
    """The body of ``restore``."""

    trash_id: Path
    conflict: Conflict | None = None


def blueprint(filing: "Filing") -> Blueprint:
    """The routes; every change is told to ``filing``."""
    verbs = Blueprint("verbs", __name__, url_prefix="/api/files")

    @verbs.post("/folder")
    @allowed(Scope.USER)
    @described(Note("Make a folder", body=OnePath, answer=ENTRY))
    def folder() -> Response:
        """Right: create. Folders on the way are made too."""
        return jsonify(made_folder(read(OnePath, json_body()).path, filing))

    @verbs.post("/move")
    @allowed(Scope.USER)
    @described(Note("Move files and folders", body=Transfer, answer=DONE))
    def move() -> Response:
        """Right: modify."""
        return transfer(read(Transfer, json_body()), True, filing)

    @verbs.post("/copy")
    @allowed(Scope.USER)
    @described(Note("Copy files and folders", body=Transfer, answer=DONE))
    def copy() -> Response:
        """Right: create; modify too, to overwrite."""
        return transfer(read(Transfer, json_body()), False, filing)

    @verbs.post("/rename")
    @allowed(Scope.USER)
    @described(Note("Give a file or folder another name", body=Rename, answer=DONE))
    def rename() -> Response:
        """Right: modify."""
        body = read(Rename, json_body())
        place = reach(visit(), body.path, Right.MODIFY)
        if "/" in body.name.strip("/") or not body.name.strip("/"):
            raise BadValue(f"name is one name, not {body.name[:80]!r}; move changes folders.")
        to = "/".join(("", place.root.name, *place.names[:-1], body.name.strip("/")))
        steps = plan(visit(), [body.path], to, moves=True, exactly=True)
        check_free(visit(), steps, True, body.conflict)
        done = [take_step(step, True, work(body.conflict, filing.tell)) for step in steps]
        return jsonify({"results": results_json(done), "job": None})

    @verbs.post("/delete")
    @allowed(Scope.USER)
    @described(Note("Put files and folders into the trash", body=Doomed, answer=DELETED))
    def delete() -> Response:
        """Right: delete."""
        paths = read(Doomed, json_body()).paths
        trash_id, results = trash.delete(visit(), paths, work(None, filing.tell))
        return jsonify({"trash_id": trash_id, "results": results_json(results)})

    @verbs.post("/restore")
    @allowed(Scope.USER)
    @described(Note("Bring back what was deleted", body=Back, answer=DONE))
    def restore() -> Response:
        """Rights: delete, create; modify too, to overwrite."""
        body = read(Back, json_body())
        done = trash.restore(
            visit(), body.trash_id, body.conflict, work(body.conflict, filing.tell)
        )
        return jsonify({"results": results_json(done)})

    verbs.add_url_rule("/trash", view_func=thrown)
    verbs.add_url_rule("/trash", view_func=purge, methods=["DELETE"])
    return verbs


def transfer(body: Transfer, moves: bool, filing: "Filing") -> Response:
    """Move or copy, and tell what became of each path."""
    here: Visit = visit()
    steps = plan(here, body.paths, body.to, moves)
    check_free(here, steps, moves, body.conflict)
    done = [take_step(step, moves, work(body.conflict, filing.tell)) for step in steps]
    return jsonify({"results": results_json(done), "job": None})


def made_folder(path: str, filing: "Filing") -> dict[str, object]:
    """Make a folder and those on the way to it. Raises ``Taken`` where it is there."""
    place = reach(visit(), path, Right.CREATE)
    ways = [Place(place.root, place.names[:depth]) for depth in range(1, len(place.names) + 1)]
    for way in ways:
        if exists(way):
            if way == place:
                raise Taken(f"/{place.text} is there already.")
            continue
        make_folder(way)
        filing.tell(Happening(What.CREATED, way))
    return entry_json(look(place))


@allowed(Scope.FILES)
@described(Note("The caller's own deletions, the latest first", answer=TRASH))
def thrown() -> Response:
    """Right: view."""
    told = [
        {
            "trash_id": sidecar.id,
            "deleted": round(sidecar.at, 3),
            "items": [
                {"path": f"/{root.name}/{item.path}", "kind": item.kind} for item in sidecar.items
            ],
        }
        for root, sidecar in trash.thrown(visit())
    ]
    return jsonify({"thrown": told})


@allowed(Scope.USER)
@described(Note("Remove deletions for good", query={"trash_id": TEXT}, answer=EMPTY))
def purge() -> Response:
    """Right: delete. Without a ``trash_id`` all of one's own."""
    here, asked = visit(), request.args.get("trash_id")
    ids = [asked] if asked else dict.fromkeys(one.id for _, one in trash.thrown(here))
    for trash_id in ids:
        trash.purge(here, trash_id)
    return jsonify({})
