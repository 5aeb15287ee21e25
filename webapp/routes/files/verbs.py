"""Operations that change the trees: new folders, move, copy, rename, delete, restore, extract."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from filebrowser import trash
from filebrowser.archive import safe
from filebrowser.copying import exists, make_folder
from filebrowser.errors import Taken
from filebrowser.gate import Place, open_place
from filebrowser.happenings import Happening, What
from filebrowser.jobstore import Errand, Verb
from filebrowser.kinds import Kind, suffix
from filebrowser.making_room import with_room
from filebrowser.moving import Conflict, Step, check_free, plan
from filebrowser.tree import look
from filebrowser.uploads.rules import Rules
from filebrowser.visit import Right, check_rights, reach
from webapp.errors import BadValue
from webapp.openapi import EMPTY, Note, described
from webapp.requests.fields import read
from webapp.routes.context import json_body
from webapp.routes.files.asking import (
    ENTRY,
    JOB_ANSWER,
    LATER,
    TEXT,
    Path,
    Paths,
    Strict,
    entry_json,
    job_answer,
)
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.filing import Filing

PATIENCE = 2.0
"""Seconds for which an answer waits for its job; then it names the job instead."""

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


DELETED = {"type": "object", "properties": {"trash_id": TEXT, **JOB_ANSWER["properties"]}}
LATER_DELETED = {"202": DELETED}


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


class Extraction(Strict):
    """The body of ``extract``; ``to`` is the folder in which the new one is made."""

    path: Path
    to: Path | None = None
    conflict: Conflict | None = None


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
    @described(Note("Move files and folders", body=Transfer, answer=JOB_ANSWER, also=LATER))
    def move() -> Response:
        """Right: modify."""
        return transfer(read(Transfer, json_body()), Verb.MOVE, filing)

    @verbs.post("/copy")
    @allowed(Scope.USER)
    @described(Note("Copy files and folders", body=Transfer, answer=JOB_ANSWER, also=LATER))
    def copy() -> Response:
        """Right: create; modify too, to overwrite."""
        return transfer(read(Transfer, json_body()), Verb.COPY, filing)

    @verbs.post("/rename")
    @allowed(Scope.USER)
    @described(
        Note("Give a file or folder another name", body=Rename, answer=JOB_ANSWER, also=LATER)
    )
    def rename() -> Response:
        """Right: modify."""
        body = read(Rename, json_body())
        check_rights(visit(), [Right.MODIFY])
        place = reach(visit(), body.path)
        if "/" in body.name.strip("/") or not body.name.strip("/"):
            raise BadValue(f"name is one name, not {body.name[:80]!r}; move changes folders.")
        to = f"/{Place(place.root, place.names[:-1]).text}/{body.name.strip('/')}"
        steps = plan(visit(), [body.path], to, moves=True, exactly=True)
        return begun(Verb.MOVE, steps, body.conflict, filing)

    @verbs.post("/delete")
    @allowed(Scope.USER)
    @described(Note("Put things into the trash", body=Doomed, answer=DELETED, also=LATER_DELETED))
    def delete() -> Response:
        """Right: delete."""
        paths = read(Doomed, json_body()).paths
        paths = filing.sidecars.paths_with_sidecars(visit(), paths)
        trash_id, steps = trash.plan_delete(visit(), paths, filing.reserved.give_up)
        job = filing.jobs.submit(Errand(Verb.DELETE, visit(), steps), PATIENCE)
        return job_answer(job, {"trash_id": trash_id})

    @verbs.post("/restore")
    @allowed(Scope.USER)
    @described(Note("Bring back what was deleted", body=Back, answer=JOB_ANSWER, also=LATER))
    def restore() -> Response:
        """Rights: delete, create; modify too, to overwrite."""
        body = read(Back, json_body())
        steps = trash.plan_restore(visit(), body.trash_id, body.conflict)
        errand = Errand(Verb.RESTORE, visit(), steps, body.conflict)
        return job_answer(filing.jobs.submit(errand, PATIENCE))

    @verbs.post("/extract")
    @allowed(Scope.USER)
    @described(Note("Take a zip apart", body=Extraction, answer=JOB_ANSWER, also=LATER))
    def extract() -> Response:
        """Rights: create; modify too, to overwrite. Into a folder of the zip's name."""
        body = read(Extraction, json_body())
        source = reach(visit(), body.path, Right.CREATE)
        name = source.names[-1] if source.names else ""
        if suffix(name) != ".zip":
            raise BadValue(f"/{source.text} is no .zip; only those are taken apart.")
        above = f"/{Place(source.root, source.names[:-1]).text}"
        folder = f"{body.to or above}/{safe(name.removesuffix(name[-4:]))}"
        steps = plan(visit(), [body.path], folder, moves=False, exactly=True)
        check_free(visit(), steps, False, body.conflict)
        errand = Errand(Verb.EXTRACT, visit(), steps, body.conflict)
        return job_answer(filing.jobs.submit(errand, PATIENCE))

    verbs.add_url_rule("/trash", view_func=thrown)
    verbs.add_url_rule("/trash", view_func=purging(filing), methods=["DELETE"])
    return verbs


def transfer(body: Transfer, verb: Verb, filing: "Filing") -> Response:
    """Move or copy, and tell what became of each path."""
    steps = plan(visit(), body.paths, body.to, verb is Verb.MOVE)
    return begun(verb, steps, body.conflict, filing)


def begun(
    verb: Verb, steps: tuple[Step, ...], conflict: Conflict | None, filing: "Filing"
) -> Response:
    """Begin to move or copy. A new ending is judged as if the file were uploaded.

    What lies beside weights under their name goes with them.
    """
    steps = filing.sidecars.with_sidecars(visit(), steps, verb is Verb.MOVE, conflict)
    check_free(visit(), steps, verb is Verb.MOVE, conflict)
    for step in steps:
        judge(step, filing.rules)
    return job_answer(filing.jobs.submit(Errand(verb, visit(), steps, conflict), PATIENCE))


def judge(step: Step, rules: Rules) -> None:
    """Raises ``WrongContent`` where a file's new ending makes of it what could not be uploaded."""
    if suffix(step.name) == suffix(step.source.names[-1]):
        return
    if look(step.source).kind in (Kind.FOLDER, Kind.LINK, Kind.SPECIAL):
        return
    with open(open_place(step.source), "rb", buffering=0) as file:
        rules.check_content(step.target, file.fileno())


def made_folder(path: str, filing: "Filing") -> dict[str, object]:
    """Make a folder and those on the way to it. Raises ``Taken`` where it is there."""
    place = reach(visit(), path, Right.VIEW, Right.CREATE)
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


def purging(filing: "Filing") -> Callable[[], Response]:
    """The route that empties the trash, on a full disk too."""

    @allowed(Scope.USER)
    @described(Note("Remove deletions for good", query={"trash_id": TEXT}, answer=EMPTY))
    def purge() -> Response:
        """Right: delete. Without a ``trash_id`` all of one's own."""
        here, asked = visit(), request.args.get("trash_id")
        check_rights(here, [Right.VIEW, Right.DELETE])
        ids = [asked] if asked else dict.fromkeys(one.id for _, one in trash.thrown(here))
        for trash_id in ids:
            with_room(partial(trash.purge, here, trash_id), filing.reserved.give_up)
        filing.reserved.make()
        return jsonify({})

    return purge
