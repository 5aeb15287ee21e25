"""``/api/v1/boards``: the caller's boards. What visitors see is in ``public_boards.py``."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

from flask import Blueprint, Response, jsonify, url_for
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from filebrowser.access.file_access import FileAccess, Right, check_rights
from filebrowser.listing.file_kinds import FileKind, kind_of
from webapp.access.scopes import AccessScope, requires
from webapp.errors import BadValue
from webapp.gallery.board_contents import find_pictures, stamp_at
from webapp.gallery.boards import ID_BYTES, MAX_BOARD_PICTURES, Board, BoardPicture
from webapp.gallery.ratings import NO_RATING
from webapp.http.openapi import EMPTY_SCHEMA, RouteNote, with_note
from webapp.requests.fields import read_body
from webapp.routes.context import read_json_body
from webapp.routes.files.archives import limited_listing
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import Path
from webapp.services import Services

SHARING_RIGHTS = (Right.VIEW, Right.DOWNLOAD, Right.SHARE)
"""Whoever lets others see pictures must be allowed to do so himself, as with links to files."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Note = Annotated[str, Field(max_length=4000)]
PATHS = Annotated[list[Path], Field(max_length=MAX_BOARD_PICTURES)]


class BoardFacts(TypedDict):
    """A board; ``url`` where it is shared, ``cover`` a path, ``made`` in seconds since 1970."""

    id: str
    name: str
    note: str
    cover: str | None
    count: int
    made: float
    url: str | None


class BoardList(TypedDict):
    """The caller's boards, the latest first."""

    boards: list[BoardFacts]


class BoardEntry(TypedDict):
    """A picture on a board; ``there``: whether its file is. ``visitor_stars``: by the link."""

    path: str
    there: bool
    modified: float
    stars: int
    rejected: bool
    visitor_stars: int


class WholeBoard(BoardFacts):
    """A board with its pictures in their order."""

    pictures: list[BoardEntry]


class NewBoard(BaseModel):
    """The body of ``POST /api/v1/boards``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    note: Note = ""


class BoardChange(BaseModel):
    """The body of ``PATCH /api/v1/boards/<id>``; left out: as it is. ``cover`` "": the first."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = None
    note: Note | None = None
    cover: Path | None = None
    add: PATHS = []
    remove: PATHS = []
    shared: bool | None = None


def blueprint(services: Services) -> Blueprint:
    """The routes over one store of boards."""
    boards = Blueprint("boards", __name__, url_prefix="/api/v1/boards")
    add_reading(boards, services)
    add_changes(boards, services)
    return boards


def add_reading(boards: Blueprint, services: Services) -> None:
    """Boards as they are."""
    store = services.file_services().boards

    @boards.get("")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("The caller's boards", answer=BoardList))
    def own() -> Response:
        """Right: view."""
        access = caller_access(services)
        check_rights(access, [Right.VIEW])
        return jsonify(
            {"boards": [board_json(services, one) for one in store.boards_of(access.who)]}
        )

    @boards.get("/<name>")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("A board with its pictures", answer=WholeBoard))
    @limited_listing(services)
    def one(name: str) -> Response:
        """Right: view; others' are 404."""
        access = caller_access(services)
        check_rights(access, [Right.VIEW])
        return jsonify(whole_board(services, access, store.get(access.who, name)))


def add_changes(boards: Blueprint, services: Services) -> None:
    """New boards, changed and deleted ones."""
    store = services.file_services().boards

    @boards.post("")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Make a board", body=NewBoard, answer=BoardFacts))
    def make() -> Response:
        """Right: view."""
        access = caller_access(services)
        check_rights(access, [Right.VIEW])
        body = read_body(NewBoard, read_json_body())
        return jsonify(board_json(services, store.create(access.who, body.name, body.note)))

    @boards.patch("/<name>")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Change a board", body=BoardChange, answer=WholeBoard))
    @limited_listing(services)
    def change(name: str) -> Response:
        """Right: view; with ``shared`` also download and share."""
        access = caller_access(services)
        board = store.get(access.who, name)
        body = read_body(BoardChange, read_json_body())
        change_board(services, access, board, body)
        return jsonify(whole_board(services, access, store.get(access.who, name)))

    @boards.delete("/<name>")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Delete a board", answer=EMPTY_SCHEMA))
    def delete(name: str) -> Response:
        """Its pictures stay where they are."""
        store.delete(store.get(caller_access(services).who, name))
        return jsonify({})


def change_board(services: Services, access: FileAccess, board: Board, body: BoardChange) -> None:
    """Do what the body says; what cannot be done is refused before anything is changed."""
    store = services.file_services().boards
    stamp = partial(stamp_at, access)
    if body.shared:
        check_rights(access, SHARING_RIGHTS)
    if odd := [path for path in body.add if kind_of(path) is not FileKind.IMAGE]:
        raise BadValue(f"{odd[0][:200]!r} is no picture; boards hold pictures alone.")
    added = [BoardPicture(stamp(path), path) for path in body.add]
    known = {picture.path: picture.stamp for picture in store.pictures_of(board)}
    known |= {picture.path: picture.stamp for picture in added}
    if unknown := [path for path in (*body.remove, body.cover) if path and path not in known]:
        raise BadValue(f"{unknown[0][:200]!r} is not on this board.")
    store.add_pictures(board, added)
    store.remove_pictures(board, [known[path] for path in body.remove])
    if body.shared is not None and body.shared != (board.link is not None):
        board = replace(board, link=secrets.token_urlsafe(ID_BYTES) if body.shared else None)
    if body.cover is not None:
        board = replace(board, cover=known[body.cover] if body.cover else None)
    name, note = (
        before if now is None else now
        for now, before in ((body.name, board.name), (body.note, board.note))
    )
    store.update(replace(board, name=name, note=note))


def board_json(services: Services, board: Board) -> BoardFacts:
    """A board without its pictures."""
    return facts_json(board, services.file_services().boards.pictures_of(board))


def facts_json(board: Board, pictures: Sequence[BoardPicture]) -> BoardFacts:
    """The same, of pictures that are known."""
    paths = {picture.stamp: picture.path for picture in pictures}
    first = pictures[0].path if pictures else None
    return {
        "id": board.id,
        "name": board.name,
        "note": board.note,
        "cover": paths.get(board.cover, first) if board.cover else first,
        "count": len(pictures),
        "made": board.made,
        "url": url_for("public_boards.page", link=board.link) if board.link else None,
    }


def whole_board(services: Services, access: FileAccess, board: Board) -> WholeBoard:
    """A board with its pictures, as they are now."""
    filing = services.file_services()
    found = find_pictures(access, board, filing.boards, filing.index)
    ratings = filing.ratings.ratings_of(access.who, (picture.stamp for picture, _ in found))
    entries: list[BoardEntry] = []
    for picture, there in found:
        rating = ratings.get(picture.stamp, NO_RATING)
        entries.append(
            {
                "path": picture.path,
                "there": there,
                "modified": picture.stamp[0] / 1e9,
                "stars": rating.stars,
                "rejected": rating.rejected,
                "visitor_stars": picture.visitor_stars,
            }
        )
    return {**facts_json(board, [picture for picture, _ in found]), "pictures": entries}
