"""Files found by name, kind, size and date, pictures by how they were made."""

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from filebrowser.access.file_access import Right, check_rights
from filebrowser.index.query import Term, parse_query
from filebrowser.index.search import MAX_PAGE_HITS
from filebrowser.index.search_query import SearchHit, SearchQuery
from filebrowser.listing.sort_order import Sort
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.files.archives import limited_listing
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import (
    PATH,
    TEXT,
    FileEntry,
    entry_json,
    folder_param,
    int_param,
    sort_param,
)
from webapp.services import Services

PAGE_SIZE = 100  # hits where no limit is asked for
MAX_OFFSET = 10**7
ORDERS = [f"{sign}{sort}" for sort in Sort for sign in ("", "-")]
QUERY = {
    "q": TEXT,
    **PATH,
    "kind": TEXT,
    "sort": {"type": "string", "enum": ORDERS},
    "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET},
    "limit": {"type": "integer", "minimum": 0, "maximum": MAX_PAGE_HITS},
}


class SearchHitEntry(FileEntry):
    """An entry that was found, and how its picture was made."""

    path: str
    width: int | None
    height: int | None
    seed: int | None
    model: str | None
    sampler: str | None
    prompt: str


class SearchAnswer(TypedDict):
    """A page of what was found; ``complete`` when all is read that was to be read."""

    path: str
    total: int
    complete: bool
    entries: list[SearchHitEntry]


def blueprint(services: Services) -> Blueprint:
    """The route over one index."""
    filing = services.file_services()
    searching = Blueprint("searching", __name__, url_prefix="/api/files")

    @searching.get("/search")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote("Files by name, pictures by how they were made", query=QUERY, answer=SearchAnswer)
    )
    @limited_listing(services)
    def search() -> Response:
        """Right: view."""
        access = caller_access(services)
        check_rights(access, [Right.VIEW])
        below = folder_param(access)
        sort, descending = sort_param(f"-{Sort.MODIFIED}")
        question = SearchQuery(
            search_terms(),
            below,
            sort,
            descending,
            int_param("offset", 0, MAX_OFFSET),
            int_param("limit", PAGE_SIZE, MAX_PAGE_HITS),
        )
        result = filing.index.find(access, question)
        return jsonify(
            {
                "path": f"/{below.text}" if below else "/",
                "total": result.total,
                "complete": filing.index.wait_until_idle(0),
                "entries": [hit_json(hit) for hit in result.hits],
            }
        )

    return searching


def search_terms() -> tuple[Term, ...]:
    """The conditions of ``q`` and ``kind``. Raises ``BadSearch``."""
    terms, kind = parse_query(request.args.get("q", "")), request.args.get("kind", "")
    return (*terms, *(parse_query(f'kind:"{kind}"') if kind else ()))


def hit_json(hit: SearchHit) -> SearchHitEntry:
    """An entry of a listing, with its path and what it tells."""
    return {
        **entry_json(hit.entry),
        "path": hit.path,
        "width": hit.width,
        "height": hit.height,
        "seed": hit.seed,
        "model": hit.model,
        "sampler": hit.sampler,
        "prompt": hit.prompt,
    }
