"""Folders by page, and the bytes of files."""

import os
import shutil
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from filebrowser.errors import NotAFolder
from filebrowser.gate import Place, Root, open_place
from filebrowser.kinds import Kind, type_of
from filebrowser.orders import Sort
from filebrowser.serving import Shown, respond
from filebrowser.tree import MOST_LISTED, Entry, Listing, Wish, look
from filebrowser.visit import Right, Visit, check_rights, reach
from webapp.openapi import Note, described
from webapp.routes.files.asking import (
    ENTRY,
    PATH,
    TEXT,
    asked_path,
    entry_json,
    flag,
    order_asked,
    whole,
)
from webapp.routes.files.packing import listing as one_listing
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.filing import Filing

PAGE = 200  # entries where no limit is asked for
FARTHEST = 10**9
BINARY = {"type": "string", "format": "binary"}
ORDERS = [f"{sign}{sort}" for sort in Sort for sign in ("", "-")]
QUERY = {
    "path": TEXT,
    "sort": {"type": "string", "enum": ORDERS},
    "offset": {"type": "integer", "minimum": 0, "maximum": FARTHEST},
    "limit": {"type": "integer", "minimum": 0, "maximum": MOST_LISTED},
    "hidden": {"type": "integer", "enum": [0, 1]},
}
LISTING = {
    "type": "object",
    "required": ["path", "total", "entries"],
    "properties": {
        "path": TEXT,
        "total": {"type": "integer"},
        "entries": {"type": "array", "items": ENTRY},
    },
}
ROOT = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "path": TEXT,
        "writable": {"type": "boolean"},
        "sealed": {"type": "array", "items": TEXT},
        "free": {"type": "integer", "nullable": True},
        "size": {"type": "integer", "nullable": True},
    },
}
ROOTS = {
    "type": "object",
    "properties": {
        "roots": {"type": "array", "items": ROOT},
        "rights": {"type": "array", "items": TEXT},
    },
}


def blueprint(filing: "Filing") -> Blueprint:
    """The routes over one house of listings."""
    listing = Blueprint("listing", __name__, url_prefix="/api/files")

    @listing.get("")
    @allowed(Scope.FILES)
    @described(Note("A page of a folder", query=QUERY, answer=LISTING))
    @one_listing
    def page() -> Response:
        """Right: view. ``/``, or no path, holds the trees."""
        asked, wish = request.args.get("path", "/"), wished()
        if not asked.strip("/"):
            return jsonify(listing_json(trees(visit(), wish)))
        place = reach(visit(), asked, Right.VIEW)
        return jsonify(listing_json(filing.listings.page(place, wish)))

    @listing.get("/roots")
    @allowed(Scope.FILES)
    @described(Note("The trees, what may be done with them, and their disks", answer=ROOTS))
    def roots() -> Response:
        """Right: view."""
        here = visit()
        check_rights(here, [Right.VIEW])
        return jsonify(
            {"roots": [root_json(root) for root in here.roots], "rights": sorted(here.rights)}
        )

    listing.add_url_rule("/content", view_func=content)
    return listing


@allowed(Scope.FILES)
@described(
    Note("The bytes of a file", query=PATH | {"inline": {"type": "integer", "enum": [0, 1]}},
         answer=BINARY, content_type="application/octet-stream")
)  # fmt: skip
def content() -> Response:
    """Rights: view, download. Range, ETag, If-Range; ``inline=1`` shows what can be shown."""
    place = reach(visit(), asked_path(), Right.VIEW, Right.DOWNLOAD)
    inline = flag("inline")
    found = open_place(place)
    name = (place.names or (place.root.name,))[-1]
    if os.path.isdir(found):
        os.close(found)
        raise NotAFolder(f"/{place.text} is a folder; GET /api/files/archive packs it.")
    return respond(found, Shown(name, type_of(name), attachment=not inline))


def wished() -> Wish:
    """The order and the part that the query asks for. Raises ``BadValue``."""
    sort, descending = order_asked(Sort.NAME)
    return Wish(
        sort,
        descending,
        whole("offset", 0, FARTHEST),
        whole("limit", PAGE, MOST_LISTED),
        flag("hidden"),
    )


def trees(here: Visit, wish: Wish) -> Listing:
    """The trees as one listing."""
    check_rights(here, [Right.VIEW])
    step = -1 if wish.descending else 1
    shown = here.roots[::step][wish.offset : wish.offset + wish.limit]
    entries = tuple(tree(root) for root in shown)
    return Listing("/", len(here.roots), entries)


def tree(root: Root) -> Entry:
    """A tree as an entry; one whose disk is away is listed all the same."""
    try:
        return look(Place(root, ()))
    except OSError:
        return Entry(root.name, Kind.FOLDER, None, 0.0)


def listing_json(listing: Listing) -> dict[str, object]:
    """A page."""
    return {
        "path": listing.path,
        "total": listing.total,
        "entries": [entry_json(entry) for entry in listing.entries],
    }


def root_json(root: Root) -> dict[str, object]:
    """A tree, with the bytes of its disk; null where it is away."""
    try:
        usage = shutil.disk_usage(root.path)
    except OSError:
        usage = None
    return {
        "name": root.name,
        "path": f"/{root.name}",
        "writable": root.writable,
        "sealed": sorted(f"/{root.name}/{name}" for name in root.sealed),
        "free": usage.free if usage else None,
        "size": usage.total if usage else None,
    }
