"""Operations that change the trees: new folders, move, copy, rename, delete, restore, extract."""

from functools import partial

from flask import Blueprint, Response, jsonify, request

from filebrowser.access.file_access import (
    Right,
    check_copyable,
    check_rights,
    resolve_path,
)
from filebrowser.access.gate import Place, open_place
from filebrowser.archive import safe_name
from filebrowser.errors import Taken
from filebrowser.listing.file_kinds import FileKind, suffix
from filebrowser.listing.tree import read_entry
from filebrowser.operations import trash
from filebrowser.operations.copy_tree import exists, make_folder
from filebrowser.operations.disk_full import retry_when_full
from filebrowser.operations.job_store import FileJobSpec, FileOperation
from filebrowser.operations.move import Conflict, FileStep, check_targets_free, plan_steps
from filebrowser.uploads.rules import ContentRules
from filebrowser.watch.file_events import FileEvent, FileEventKind
from webapp.access.scopes import AccessScope, requires
from webapp.errors import BadValue
from webapp.files.model_sidecars import Sidecars
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.requests.fields import read_body
from webapp.routes.context import read_json_body
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.operation_bodies import (
    LATER_DELETED,
    DeleteBody,
    Deletion,
    DeletionAnswer,
    ExtractBody,
    FolderBody,
    RenameBody,
    RestoreBody,
    TransferBody,
    TrashAnswer,
)
from webapp.routes.files.params import (
    LATER,
    TEXT,
    FileEntry,
    OperationAnswer,
    entry_json,
    job_answer,
)
from webapp.services import Services

WAIT_SECONDS = 2.0
"""Seconds for which an answer waits for its job; then it names the job instead."""


def blueprint(services: Services) -> Blueprint:
    """The routes; every change is told to the file services."""
    verbs = Blueprint("verbs", __name__, url_prefix="/api/files")
    add_folders(verbs, services)
    add_transfers(verbs, services)
    add_deletion(verbs, services)
    add_extraction(verbs, services)
    add_trash(verbs, services)
    return verbs


def add_folders(verbs: Blueprint, services: Services) -> None:
    """New folders."""

    @verbs.post("/folder")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Make a folder", body=FolderBody, answer=FileEntry))
    def folder() -> Response:
        """Right: create. Folders on the way are made too."""
        return jsonify(create_folder(services, read_body(FolderBody, read_json_body()).path))


def add_transfers(verbs: Blueprint, services: Services) -> None:
    """Move, copy, rename."""

    @verbs.post("/move")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("Move files and folders", body=TransferBody, answer=OperationAnswer, also=LATER)
    )
    def move() -> Response:
        """Right: modify."""
        return transfer(services, read_body(TransferBody, read_json_body()), FileOperation.MOVE)

    @verbs.post("/copy")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("Copy files and folders", body=TransferBody, answer=OperationAnswer, also=LATER)
    )
    def copy() -> Response:
        """Right: create; modify too, to overwrite."""
        return transfer(services, read_body(TransferBody, read_json_body()), FileOperation.COPY)

    @verbs.post("/rename")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote(
            "Give a file or folder another name",
            body=RenameBody,
            answer=OperationAnswer,
            also=LATER,
        )
    )
    def rename() -> Response:
        """Right: modify."""
        body = read_body(RenameBody, read_json_body())
        check_rights(caller_access(services), [Right.MODIFY])
        place = resolve_path(caller_access(services), body.path)
        if "/" in body.name.strip("/") or not body.name.strip("/"):
            raise BadValue(f"name is one name, not {body.name[:80]!r}; move changes folders.")
        to = f"/{Place(place.root, place.names[:-1]).text}/{body.name.strip('/')}"
        steps = plan_steps(caller_access(services), [body.path], to, moves=True, exactly=True)
        return submit_transfer(services, FileOperation.MOVE, steps, body.conflict)


def add_deletion(verbs: Blueprint, services: Services) -> None:
    """Delete into the trash, and bring back."""
    filing = services.file_services()

    @verbs.post("/delete")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote(
            "Put things into the trash", body=DeleteBody, answer=DeletionAnswer, also=LATER_DELETED
        )
    )
    def delete() -> Response:
        """Right: delete."""
        paths = read_body(DeleteBody, read_json_body()).paths
        paths = Sidecars(services.registry.folders).paths_with_sidecars(
            caller_access(services), paths
        )
        trash_id, steps = trash.plan_delete(
            caller_access(services), paths, filing.reserved_space.release
        )
        job = filing.jobs.submit(
            FileJobSpec(FileOperation.DELETE, caller_access(services), steps), WAIT_SECONDS
        )
        return job_answer(job, {"trash_id": trash_id})

    @verbs.post("/restore")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote(
            "Bring back what was deleted", body=RestoreBody, answer=OperationAnswer, also=LATER
        )
    )
    def restore() -> Response:
        """Rights: delete, create; modify too, to overwrite."""
        body = read_body(RestoreBody, read_json_body())
        steps = trash.plan_restore(caller_access(services), body.trash_id, body.conflict)
        spec = FileJobSpec(FileOperation.RESTORE, caller_access(services), steps, body.conflict)
        return job_answer(filing.jobs.submit(spec, WAIT_SECONDS))


def add_extraction(verbs: Blueprint, services: Services) -> None:
    """Take archives apart."""
    filing = services.file_services()

    @verbs.post("/extract")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Take a zip apart", body=ExtractBody, answer=OperationAnswer, also=LATER))
    def extract() -> Response:
        """Rights: create; modify too, to overwrite. Into a folder of the zip's name."""
        body = read_body(ExtractBody, read_json_body())
        source = resolve_path(caller_access(services), body.path, Right.CREATE)
        check_copyable(caller_access(services), source)
        name = source.names[-1] if source.names else ""
        if suffix(name) != ".zip":
            raise BadValue(f"/{source.text} is no .zip; only those are taken apart.")
        above = f"/{Place(source.root, source.names[:-1]).text}"
        folder = f"{body.to or above}/{safe_name(name.removesuffix(name[-4:]))}"
        steps = plan_steps(caller_access(services), [body.path], folder, moves=False, exactly=True)
        check_targets_free(caller_access(services), steps, False, body.conflict)
        spec = FileJobSpec(FileOperation.EXTRACT, caller_access(services), steps, body.conflict)
        return job_answer(filing.jobs.submit(spec, WAIT_SECONDS))


def add_trash(verbs: Blueprint, services: Services) -> None:
    """The trash and its end."""
    filing = services.file_services()

    @verbs.get("/trash")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("The caller's own deletions, the latest first", answer=TrashAnswer))
    def list_trash() -> Response:
        """Right: view."""
        deletions: list[Deletion] = [
            {
                "trash_id": sidecar.id,
                "deleted": round(sidecar.at, 3),
                "items": [
                    {"path": f"/{root.name}/{item.path}", "kind": item.kind}
                    for item in sidecar.items
                ],
            }
            for root, sidecar in trash.list_trash(caller_access(services))
        ]
        return jsonify({"thrown": deletions})

    @verbs.delete("/trash")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("Remove deletions for good", query={"trash_id": TEXT}, answer=EMPTY_SCHEMA)
    )
    def purge() -> Response:
        """Right: delete. Without a ``trash_id`` all of one's own."""
        access, wanted_id = caller_access(services), request.args.get("trash_id")
        check_rights(access, [Right.VIEW, Right.DELETE])
        ids = (
            [wanted_id]
            if wanted_id
            else dict.fromkeys(one.id for _, one in trash.list_trash(access))
        )
        for trash_id in ids:
            retry_when_full(partial(trash.purge, access, trash_id), filing.reserved_space.release)
        filing.reserved_space.allocate()
        return jsonify({})


def transfer(services: Services, body: TransferBody, verb: FileOperation) -> Response:
    """Move or copy, and tell what became of each path."""
    steps = plan_steps(caller_access(services), body.paths, body.to, verb is FileOperation.MOVE)
    return submit_transfer(services, verb, steps, body.conflict)


def submit_transfer(
    services: Services,
    verb: FileOperation,
    steps: tuple[FileStep, ...],
    conflict: Conflict | None,
) -> Response:
    """Begin to move or copy. A new ending is judged as if the file were uploaded.

    What lies beside weights under their name goes with them.
    """
    access, filing = caller_access(services), services.file_services()
    steps = Sidecars(services.registry.folders).with_sidecars(
        access, steps, verb is FileOperation.MOVE, conflict
    )
    check_targets_free(access, steps, verb is FileOperation.MOVE, conflict)
    for step in steps:
        check_new_ending(step, filing.rules)
    return job_answer(filing.jobs.submit(FileJobSpec(verb, access, steps, conflict), WAIT_SECONDS))


def check_new_ending(step: FileStep, rules: ContentRules) -> None:
    """Raises ``WrongContent`` where a file's new ending makes of it what could not be uploaded."""
    if suffix(step.name) == suffix(step.source.names[-1]):
        return
    if read_entry(step.source).kind in (FileKind.FOLDER, FileKind.LINK, FileKind.SPECIAL):
        return
    with open(open_place(step.source), "rb", buffering=0) as file:
        rules.check_content(step.target, file.fileno())


def create_folder(services: Services, path: str) -> FileEntry:
    """Make a folder and those on the way to it. Raises ``Taken`` where it is there."""
    place = resolve_path(caller_access(services), path, Right.VIEW, Right.CREATE)
    folders = [Place(place.root, place.names[:depth]) for depth in range(1, len(place.names) + 1)]
    for way in folders:
        if exists(way):
            if way == place:
                raise Taken(f"/{place.text} is there already.")
            continue
        make_folder(way)
        services.file_services().tell(FileEvent(FileEventKind.CREATED, way))
    return entry_json(read_entry(place))
