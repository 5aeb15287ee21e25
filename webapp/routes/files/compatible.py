"""Reads of ``filebrowser``'s API, for scripts that know it: resources, raw bytes, usage.

Source: reference on filebrowser 2.63, sections 2.2 and 2.4. What differs on purpose: a missing
right is 403 and not 202; text is shown up to 1 MiB, and only to who may download it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from flask import Blueprint, Response, jsonify, request

from filebrowser.errors import NotAFile
from filebrowser.gate import Place, open_place
from filebrowser.resources import (
    CHECKSUMS,
    Resource,
    below,
    checksum,
    inside,
    resource,
    text_of,
)
from filebrowser.serving import Shown, respond
from filebrowser.visit import Right, check_rights, reach
from webapp.errors import BadValue
from webapp.openapi import Note, described
from webapp.routes.files.packing import Turns, listing, zipped
from webapp.routes.files.pictures import PICTURES
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

OBJECT = {"type": "object"}
TEXT = {"type": "string"}
BINARY = {"type": "string", "format": "binary"}
SUMS = {"checksum": {"type": "string", "enum": list(CHECKSUMS)}}


def blueprint(zips: Turns) -> Blueprint:
    """The routes; ``zips`` counts the archives under way."""
    compatible = Blueprint("compatible", __name__, url_prefix="/api")

    @compatible.get("/raw/<path:path>")
    @allowed(Scope.FILES)
    @described(
        Note(
            "The bytes of a file, with Range; a folder's files as a zip",
            query={"inline": {"type": "boolean"}, "files": TEXT, "algo": TEXT},
            content_type="application/octet-stream",
            answer=BINARY,
        )
    )
    def raw(path: str) -> Response:
        """Rights: view, download. ``files`` are names in the folder, commas between them."""
        place = reach(visit(), path, Right.VIEW, Right.DOWNLOAD)
        found = open_place(place)
        if stat.S_ISDIR(os.fstat(found).st_mode):
            os.close(found)
            return zipped(visit(), chosen(place), zips)
        return respond(found, shown(place))

    compatible.add_url_rule("/resources", view_func=trees)
    compatible.add_url_rule("/resources/<path:path>", view_func=resources)
    compatible.add_url_rule("/resources/recursive", view_func=all_below)
    compatible.add_url_rule("/resources/recursive/<path:path>", view_func=recursive)
    compatible.add_url_rule("/usage", view_func=usage, defaults={"path": ""})
    compatible.add_url_rule("/usage/<path:path>", view_func=usage)
    return compatible


def chosen(place: Place) -> list[str]:
    """The paths that ``files`` names in a folder, or the folder itself. Zips alone are made."""
    algo = request.args.get("algo", "zip")
    if algo != "zip":
        raise BadValue(f"algo is zip here, not {algo[:40]!r}.")
    names = [unquote(name) for name in request.args.get("files", "").split(",") if name]
    return [f"/{place.text}/{name}" for name in names] or [f"/{place.text}"]


@allowed(Scope.FILES)
@described(Note("The trees, as filebrowser lists a folder", answer=OBJECT))
@listing
def trees() -> Response:
    """Right: view."""
    check_rights(visit(), [Right.VIEW])
    items = []
    for root in visit().roots:
        with opened(Place(root, ())) as found:
            items.append(resource(Place(root, ()), found))
    return jsonify(folder_of("/", items) | {"path": "/", "name": "", "isDir": True})


@allowed(Scope.FILES)
@described(Note("A folder or a file, as filebrowser tells of it", query=SUMS, answer=OBJECT))
@listing
def resources(path: str) -> Response:
    """Right: view; a text's content and checksums take download too."""
    place = reach(visit(), path, Right.VIEW)
    wanted = request.args.get("checksum")
    if wanted is not None and wanted not in CHECKSUMS:
        raise BadValue(f"checksum is one of {', '.join(CHECKSUMS)}, not {wanted[:40]!r}.")
    with opened(place) as found:
        one = resource(place, found)
        if one.folder:
            return jsonify(told(one) | folder_of(path, list(inside(place, found))))
        if wanted:
            check_rights(visit(), [Right.DOWNLOAD])
            return jsonify(told(one) | {"checksums": {wanted: checksum(found, wanted)}})
        return file_of(one, found)


@allowed(Scope.FILES)
@described(Note("Everything in all trees", answer={"type": "array", "items": OBJECT}))
@listing
def all_below() -> Response:
    """Right: view."""
    check_rights(visit(), [Right.VIEW])
    return jsonify([brief(one) for root in visit().roots for one in below(Place(root, ()))])


@allowed(Scope.FILES)
@described(Note("Everything below a folder", answer={"type": "array", "items": OBJECT}))
@listing
def recursive(path: str) -> Response:
    """Right: view."""
    place = reach(visit(), path, Right.VIEW)
    with opened(place) as found:
        if not resource(place, found).folder:
            raise NotAFile(f"{place.text!r} is no folder.")
    return jsonify([brief(one) for one in below(place)])


@allowed(Scope.FILES)
@described(Note("How full the disk is that holds a folder, in bytes", answer=OBJECT))
def usage(path: str) -> Response:
    """Right: view."""
    here = visit()
    place = reach(here, path or here.roots[0].name, Right.VIEW)
    with opened(place) as found:
        disk = os.fstatvfs(found)
    free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    return jsonify({"total": total, "used": total - free})


@contextmanager
def opened(place: Place) -> Iterator[int]:
    """The descriptor of a place, closed afterwards."""
    found = open_place(place)
    try:
        yield found
    finally:
        os.close(found)


def shown(place: Place) -> Shown:
    """As an attachment; pictures and plain text inline when that is asked for."""
    name = place.names[-1]
    kind = PICTURES.get(os.path.splitext(name)[1].lower())
    if request.args.get("inline") == "true" and kind:
        return Shown(name, kind, attachment=False)
    return Shown(name)


def told(one: Resource) -> dict[str, object]:
    """An entry with filebrowser's fields."""
    return brief(one) | {
        "extension": "" if one.folder else os.path.splitext(one.name)[1],
        "mode": one.go_mode,
        "isSymlink": one.link,
        "type": one.kind or ("" if one.folder else "blob"),
    }


def brief(one: Resource) -> dict[str, object]:
    """An entry of the flat list."""
    return {
        "path": one.path,
        "name": one.name,
        "size": one.size,
        "modified": one.when,
        "isDir": one.folder,
    }


def folder_of(path: str, items: list[Resource]) -> dict[str, object]:
    """What a folder says besides: its items by name, and how many there are."""
    folders = sum(one.folder for one in items)
    items.sort(key=lambda one: (not one.folder, one.name.casefold(), one.name))
    return {
        "items": [told(one) for one in items],
        "numDirs": folders,
        "numFiles": len(items) - folders,
        "sorting": {"by": "name", "asc": True},
    }


def file_of(one: Resource, found: int) -> Response:
    """A file's entry, with its text for who may download it; X-Encoding asks for the text alone."""
    here = visit()
    text = text_of(one, found) if Right.DOWNLOAD in here.rights else None
    if text is not None and request.headers.get("X-Encoding") == "true":
        return Response(text, content_type="application/octet-stream")
    if text is None:
        return jsonify(told(one))
    kind = "text" if Right.MODIFY in here.rights else "textImmutable"
    return jsonify(told(one) | {"type": kind, "content": text})
