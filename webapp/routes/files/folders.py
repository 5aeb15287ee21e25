"""Folders by page, and the bytes of files."""

import os
import shutil

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from filebrowser.access.file_access import FileAccess, Right, check_rights, resolve_path
from filebrowser.access.gate import Place, Root, open_place
from filebrowser.errors import NotAFolder
from filebrowser.file_response import ServeOptions
from filebrowser.listing.file_kinds import FileKind, type_of
from filebrowser.listing.sort_order import Sort
from filebrowser.listing.tree import (
    MAX_PAGE_ENTRIES,
    DirectoryEntry,
    Listing,
    ListingQuery,
    read_entry,
)
from webapp.access.scopes import AccessScope, requires
from webapp.http.file_answer import answer_file
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.files.archives import limited_listing
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import (
    PATH,
    TEXT,
    FileEntry,
    entry_json,
    flag_param,
    int_param,
    path_param,
    sort_param,
)
from webapp.services import Services

PAGE_SIZE = 200  # entries where no limit is asked for
MAX_OFFSET = 10**9
BINARY = {"type": "string", "format": "binary"}
ORDERS = [f"{sign}{sort}" for sort in Sort for sign in ("", "-")]
QUERY = {
    "path": TEXT,
    "sort": {"type": "string", "enum": ORDERS},
    "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET},
    "limit": {"type": "integer", "minimum": 0, "maximum": MAX_PAGE_ENTRIES},
    "hidden": {"type": "integer", "enum": [0, 1]},
}


class FolderPage(TypedDict):
    """A page of a folder."""

    path: str
    total: int
    entries: list[FileEntry]


class RootFacts(TypedDict):
    """A tree, with the bytes of its disk; null where it is away."""

    name: str
    path: str
    writable: bool
    sealed: list[str]
    free: int | None
    size: int | None


class RootList(TypedDict):
    """The caller's trees and rights."""

    roots: list[RootFacts]
    rights: list[str]


def blueprint(services: Services) -> Blueprint:
    """The routes over one house of listings."""
    filing = services.file_services()
    listing = Blueprint("listing", __name__, url_prefix="/api/files")

    @listing.get("")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("A page of a folder", query=QUERY, answer=FolderPage))
    @limited_listing(services)
    def page() -> Response:
        """Right: view. ``/``, or no path, holds the trees."""
        path, wish = request.args.get("path", "/"), listing_params()
        if not path.strip("/"):
            return jsonify(listing_json(list_roots(caller_access(services), wish)))
        place = resolve_path(caller_access(services), path, Right.VIEW)
        return jsonify(listing_json(filing.listings.page(place, wish)))

    @listing.get("/roots")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("The trees, what may be done with them, and their disks", answer=RootList))
    def roots() -> Response:
        """Right: view."""
        access = caller_access(services)
        check_rights(access, [Right.VIEW])
        return jsonify(
            {"roots": [root_json(root) for root in access.roots], "rights": sorted(access.rights)}
        )

    @listing.get("/content")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote(
            "The bytes of a file",
            query=PATH | {"inline": {"type": "integer", "enum": [0, 1]}},
            answer=BINARY,
            content_type="application/octet-stream",
        )
    )
    def content() -> Response:
        """Rights: view, download. Range, ETag, If-Range; ``inline=1`` shows what can be shown."""
        place = resolve_path(caller_access(services), path_param(), Right.VIEW, Right.DOWNLOAD)
        inline = flag_param("inline")
        handle = open_place(place)
        name = (place.names or (place.root.name,))[-1]
        if os.path.isdir(handle):
            os.close(handle)
            raise NotAFolder(f"/{place.text} is a folder; GET /api/files/archive packs it.")
        return answer_file(handle, ServeOptions(name, type_of(name), attachment=not inline))

    return listing


def listing_params() -> ListingQuery:
    """The order and the part that the query asks for. Raises ``BadValue``."""
    sort, descending = sort_param(Sort.NAME)
    return ListingQuery(
        sort,
        descending,
        int_param("offset", 0, MAX_OFFSET),
        int_param("limit", PAGE_SIZE, MAX_PAGE_ENTRIES),
        flag_param("hidden"),
    )


def list_roots(access: FileAccess, wish: ListingQuery) -> Listing:
    """The trees as one listing."""
    check_rights(access, [Right.VIEW])
    step = -1 if wish.descending else 1
    roots = access.roots[::step][wish.offset : wish.offset + wish.limit]
    entries = tuple(root_entry(root) for root in roots)
    return Listing("/", len(access.roots), entries)


def root_entry(root: Root) -> DirectoryEntry:
    """A tree as an entry; one whose disk is away is listed all the same."""
    try:
        return read_entry(Place(root, ()))
    except OSError:
        return DirectoryEntry(root.name, FileKind.FOLDER, None, 0.0)


def listing_json(listing: Listing) -> FolderPage:
    """A page."""
    return {
        "path": listing.path,
        "total": listing.total,
        "entries": [entry_json(entry) for entry in listing.entries],
    }


def root_json(root: Root) -> RootFacts:
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
