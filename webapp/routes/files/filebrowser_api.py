"""Reads of ``filebrowser``'s API, for scripts that know it: resources, raw bytes, usage.

Source: reference on filebrowser 2.63, sections 2.2 and 2.4. What differs on purpose: a missing
right is 403 and not 202; text is shown up to 1 MiB, and only to who may download it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NotRequired
from urllib.parse import unquote

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from filebrowser.access.file_access import (
    Right,
    check_place,
    check_rights,
    may_download,
    resolve_path,
)
from filebrowser.access.gate import Place, open_place
from filebrowser.errors import NotAFile
from filebrowser.file_response import ServeOptions
from filebrowser.resources import (
    CHECKSUMS,
    Resource,
    checksum,
    list_resources,
    resource_of,
    text_of,
    walk_resources,
)
from webapp.access.scopes import AccessScope, requires
from webapp.errors import BadValue
from webapp.http.file_answer import answer_file
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.files.archives import limited_listing, zip_response
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.pictures import PICTURES
from webapp.services import Services

TEXT = {"type": "string"}
BINARY = {"type": "string", "format": "binary"}
SUMS = {"checksum": {"type": "string", "enum": list(CHECKSUMS)}}


class ResourceEntry(TypedDict):
    """An entry of filebrowser's flat list."""

    path: str
    name: str
    size: int
    modified: str
    isDir: bool


class ResourceFacts(ResourceEntry):
    """An entry with all fields of filebrowser's."""

    extension: str
    mode: int
    isSymlink: bool
    type: str


class Sorting(TypedDict):
    """How the items of a folder are sorted."""

    by: str
    asc: bool


class FolderItems(TypedDict):
    """What a folder holds."""

    items: list[ResourceFacts]
    numDirs: int
    numFiles: int
    sorting: Sorting


class TreeList(FolderItems):
    """The trees as filebrowser lists a folder."""

    path: str
    name: str
    isDir: bool


class ResourceAnswer(ResourceFacts):
    """A folder with its items, or a file with its text or checksums."""

    items: NotRequired[list[ResourceFacts]]
    numDirs: NotRequired[int]
    numFiles: NotRequired[int]
    sorting: NotRequired[Sorting]
    content: NotRequired[str]
    checksums: NotRequired[dict[str, str]]


class DiskUsage(TypedDict):
    """Bytes of a disk."""

    total: int
    used: int


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    compatible = Blueprint("compatible", __name__, url_prefix="/api")
    add_raw(compatible, services)
    add_resources(compatible, services)
    add_recursive_lists(compatible, services)
    add_usage(compatible, services)
    return compatible


def add_raw(compatible: Blueprint, services: Services) -> None:
    """The bytes of files."""

    @compatible.get("/raw/<path:path>")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote(
            "The bytes of a file, with Range; a folder's files as a zip",
            query={"inline": {"type": "boolean"}, "files": TEXT, "algo": TEXT},
            content_type="application/octet-stream",
            answer=BINARY,
        )
    )
    def raw(path: str) -> Response:
        """Rights: view, download. ``files`` are names in the folder, commas between them."""
        place = resolve_path(caller_access(services), path, Right.VIEW, Right.DOWNLOAD)
        handle = open_place(place)
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            os.close(handle)
            return zip_response(services, caller_access(services), paths_to_pack(place))
        return answer_file(handle, shown_file(place))


def add_resources(compatible: Blueprint, services: Services) -> None:
    """The trees, folders and files."""

    @compatible.get("/resources")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("The trees, as filebrowser lists a folder", answer=TreeList))
    @limited_listing(services)
    def trees() -> Response:
        """Right: view."""
        check_rights(caller_access(services), [Right.VIEW])
        items = []
        for root in caller_access(services).roots:
            with open_handle(Place(root, ())) as handle:
                items.append(resource_of(Place(root, ()), handle))
        return jsonify(folder_json("/", items) | {"path": "/", "name": "", "isDir": True})

    @compatible.get("/resources/<path:path>")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote(
            "A folder or a file, as filebrowser tells of it", query=SUMS, answer=ResourceAnswer
        )
    )
    @limited_listing(services)
    def resources(path: str) -> Response:
        """Right: view; a text's content and checksums take download too."""
        place = resolve_path(caller_access(services), path, Right.VIEW)
        wanted = request.args.get("checksum")
        if wanted is not None and wanted not in CHECKSUMS:
            raise BadValue(f"checksum is one of {', '.join(CHECKSUMS)}, not {wanted[:40]!r}.")
        with open_handle(place) as handle:
            one = resource_of(place, handle)
            if one.is_folder:
                return jsonify(
                    resource_json(one) | folder_json(path, list(list_resources(place, handle)))
                )
            if wanted:
                check_place(caller_access(services), place, [Right.DOWNLOAD])
                return jsonify(
                    resource_json(one) | {"checksums": {wanted: checksum(handle, wanted)}}
                )
            return file_response(services, place, one, handle)


def add_recursive_lists(compatible: Blueprint, services: Services) -> None:
    """Flat lists of everything below."""

    @compatible.get("/resources/recursive")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("Everything in all trees", answer=list[ResourceEntry]))
    @limited_listing(services)
    def all_below() -> Response:
        """Right: view."""
        check_rights(caller_access(services), [Right.VIEW])
        return jsonify(
            [
                brief_json(one)
                for root in caller_access(services).roots
                for one in walk_resources(Place(root, ()))
            ]
        )

    @compatible.get("/resources/recursive/<path:path>")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("Everything below a folder", answer=list[ResourceEntry]))
    @limited_listing(services)
    def recursive(path: str) -> Response:
        """Right: view."""
        place = resolve_path(caller_access(services), path, Right.VIEW)
        with open_handle(place) as handle:
            if not resource_of(place, handle).is_folder:
                raise NotAFile(f"{place.text!r} is no folder.")
        return jsonify([brief_json(one) for one in walk_resources(place)])


def add_usage(compatible: Blueprint, services: Services) -> None:
    """How full the disk is."""

    @compatible.get("/usage", defaults={"path": ""})
    @compatible.get("/usage/<path:path>")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("How full the disk is that holds a folder, in bytes", answer=DiskUsage))
    def usage(path: str) -> Response:
        """Right: view."""
        access = caller_access(services)
        place = resolve_path(access, path or access.roots[0].name, Right.VIEW)
        with open_handle(place) as handle:
            disk = os.fstatvfs(handle)
        free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        return jsonify({"total": total, "used": total - free})


def paths_to_pack(place: Place) -> list[str]:
    """The paths that ``files`` names in a folder, or the folder itself. Zips alone are made."""
    algo = request.args.get("algo", "zip")
    if algo != "zip":
        raise BadValue(f"algo is zip here, not {algo[:40]!r}.")
    names = [unquote(name) for name in request.args.get("files", "").split(",") if name]
    return [f"/{place.text}/{name}" for name in names] or [f"/{place.text}"]


@contextmanager
def open_handle(place: Place) -> Iterator[int]:
    """The descriptor of a place, closed afterwards."""
    handle = open_place(place)
    try:
        yield handle
    finally:
        os.close(handle)


def shown_file(place: Place) -> ServeOptions:
    """As an attachment; pictures and plain text inline when that is asked for."""
    name = place.names[-1]
    kind = PICTURES.get(os.path.splitext(name)[1].lower())
    if request.args.get("inline") == "true" and kind:
        return ServeOptions(name, kind, attachment=False)
    return ServeOptions(name)


def resource_json(one: Resource) -> ResourceFacts:
    """An entry with filebrowser's fields."""
    return {
        **brief_json(one),
        "extension": "" if one.is_folder else os.path.splitext(one.name)[1],
        "mode": one.go_mode,
        "isSymlink": one.is_link,
        "type": one.filebrowser_type or ("" if one.is_folder else "blob"),
    }


def brief_json(one: Resource) -> ResourceEntry:
    """An entry of the flat list."""
    return {
        "path": one.path,
        "name": one.name,
        "size": one.size,
        "modified": one.modified_rfc3339,
        "isDir": one.is_folder,
    }


def folder_json(path: str, items: list[Resource]) -> FolderItems:
    """What a folder says besides: its items by name, and how many there are."""
    folders = sum(one.is_folder for one in items)
    items.sort(key=lambda one: (not one.is_folder, one.name.casefold(), one.name))
    return {
        "items": [resource_json(one) for one in items],
        "numDirs": folders,
        "numFiles": len(items) - folders,
        "sorting": {"by": "name", "asc": True},
    }


def file_response(services: Services, place: Place, one: Resource, handle: int) -> Response:
    """A file's entry, with its text for who may download it; X-Encoding asks for the text alone."""
    access = caller_access(services)
    text = text_of(one, handle) if may_download(access, place) else None
    if text is not None and request.headers.get("X-Encoding") == "true":
        return Response(text, content_type="application/octet-stream")
    if text is None:
        return jsonify(resource_json(one))
    kind = "text" if Right.MODIFY in access.rights else "textImmutable"
    return jsonify(resource_json(one) | {"type": kind, "content": text})
