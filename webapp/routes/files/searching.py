"""Files found by name, kind, size and date, pictures by how they were made."""

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from filebrowser.index.finding import MOST_FOUND, Hit, Question
from filebrowser.index.query import Term, parse
from filebrowser.orders import Sort
from filebrowser.visit import Right, check_rights
from webapp.openapi import Note, described
from webapp.routes.files.asking import (
    ENTRY,
    PATH,
    TEXT,
    entry_json,
    folder_asked,
    order_asked,
    whole,
)
from webapp.routes.files.packing import listing
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.filing import Filing

PAGE = 100  # hits where no limit is asked for
FARTHEST = 10**7
ORDERS = [f"{sign}{sort}" for sort in Sort for sign in ("", "-")]
NUMBER = {"type": "integer", "nullable": True}
WORD = {"type": "string", "nullable": True}
TOLD = {
    "type": "object",
    "required": ["path"],
    "properties": {
        "path": TEXT,
        "width": NUMBER,
        "height": NUMBER,
        "seed": NUMBER,
        "model": WORD,
        "sampler": WORD,
        "prompt": TEXT,
    },
}
HIT = {"allOf": [ENTRY, TOLD]}
ANSWER = {
    "type": "object",
    "required": ["path", "total", "entries"],
    "properties": {
        "path": TEXT,
        "total": {"type": "integer"},
        "complete": {"type": "boolean"},
        "entries": {"type": "array", "items": HIT},
    },
}
QUERY = {
    "q": TEXT,
    **PATH,
    "kind": TEXT,
    "sort": {"type": "string", "enum": ORDERS},
    "offset": {"type": "integer", "minimum": 0, "maximum": FARTHEST},
    "limit": {"type": "integer", "minimum": 0, "maximum": MOST_FOUND},
}


def blueprint(filing: "Filing") -> Blueprint:
    """The route over one index."""
    searching = Blueprint("searching", __name__, url_prefix="/api/files")

    @searching.get("/search")
    @allowed(Scope.FILES)
    @described(Note("Files by name, pictures by how they were made", query=QUERY, answer=ANSWER))
    @listing
    def search() -> Response:
        """Right: view."""
        here = visit()
        check_rights(here, [Right.VIEW])
        below = folder_asked(here)
        sort, descending = order_asked(f"-{Sort.MODIFIED}")
        question = Question(
            asked_terms(),
            below,
            sort,
            descending,
            whole("offset", 0, FARTHEST),
            whole("limit", PAGE, MOST_FOUND),
        )
        found = filing.index.find(here, question)
        return jsonify(
            {
                "path": f"/{below.text}" if below else "/",
                "total": found.total,
                "complete": filing.index.wait(0),
                "entries": [hit_json(hit) for hit in found.hits],
            }
        )

    return searching


def asked_terms() -> tuple[Term, ...]:
    """The conditions of ``q`` and ``kind``. Raises ``BadSearch``."""
    terms, kind = parse(request.args.get("q", "")), request.args.get("kind", "")
    return (*terms, *(parse(f'kind:"{kind}"') if kind else ()))


def hit_json(hit: Hit) -> dict[str, object]:
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
