"""Public routes of boards: a page without a script, its pictures made small, and visitors' stars.

Nothing here asks for a credential. A link that leads nowhere, and an owner who may not share any
more, have the same page. Visitors see pictures of at most 1024 pixels and not how they were made.
"""

import secrets
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, redirect, request, url_for
from itsdangerous import BadSignature, URLSafeSerializer
from jinja2 import Template

from filebrowser.access.file_access import FileAccess, check_rights, resolve_path
from filebrowser.errors import FileError, NotHere, TooBusy
from filebrowser.index.search_query import FileStamp
from filebrowser.pictures.thumbnails import MEDIA_TYPE
from webapp.access.scopes import AccessScope, requires
from webapp.gallery.board_contents import find_pictures
from webapp.gallery.boards import Board, BoardPicture, TooManyOnBoards
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.context import MAX_FORM_BYTES
from webapp.routes.files import share_page
from webapp.routes.files.boards import SHARING_RIGHTS
from webapp.routes.files.public_shares import GONE, HTML, TEXT, owner_access, with_private_headers
from webapp.services import Services

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

SIDE = 1024  # pixels of the longer side that visitors see
VISITOR_SECONDS = 365 * 24 * 3600  # for which a browser may take its stars back
COOKIE = "board_visitor"
BINARY = {"type": "string", "format": "binary"}
WORDS = {
    "en": {"pictures": "pictures", "star": "Give a star", "unstar": "Take the star back"},
    "zh": {"pictures": "张图片", "star": "点一颗星", "unstar": "取消星"},
}
"""Beside those of the page of a share."""


def page_template() -> Template:
    """The page of a board, which speaks as that of a share does."""
    text = files("webapp").joinpath("pages", "board.html").read_text("utf-8")
    return share_page.PAGES.from_string(text)


def blueprint(services: Services) -> Blueprint:
    """The routes over one store of boards."""
    boards = Blueprint("public_boards", __name__, url_prefix="/b")
    add_error_pages(boards)
    add_page(boards, services)
    add_stars(boards, services)
    add_picture(boards, services)
    return boards


def add_error_pages(boards: Blueprint) -> None:
    """What is answered where a board cannot be shown."""

    @boards.errorhandler(FileError)
    def handle_file_error(_: FileError) -> Response:
        return with_private_headers(share_page.not_found_page())

    @boards.errorhandler(TooBusy)
    @boards.errorhandler(TooManyOnBoards)
    def handle_busy(error: Exception) -> Response:
        answer = Response(f"{error}\n", 429, content_type="text/plain; charset=utf-8")
        answer.headers["Retry-After"] = "10"
        return with_private_headers(answer)


def add_page(boards: Blueprint, services: Services) -> None:
    """The page of a board."""
    filing = services.file_services()
    template = page_template()

    @boards.get("/<link>")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "The page of a shared board",
            content_type=HTML,
            answer=TEXT,
            public=True,
            also=GONE,
            also_type=HTML,
        )
    )
    def page(link: str) -> Response:
        """Its pictures, each with a button for a star."""
        board, access = open_board(services, link)
        found = find_pictures(access, board, filing.boards, filing.index)
        starred = filing.boards.stars_of(board, visitor()) if visitor() else set()
        text = template.render(
            title=board.name,
            note=board.note,
            words={**share_page.page_texts(), **WORDS[language()]},
            pictures=[
                picture_row(link, picture, picture.stamp in starred)
                for picture, there in found
                if there
            ],
        )
        answer = Response(text, content_type="text/html; charset=utf-8")
        answer.headers["Content-Security-Policy"] = share_page.POLICY
        answer.headers["X-Frame-Options"] = "DENY"
        answer.vary.add("Accept-Language")
        answer = with_private_headers(answer)
        # With no-referrer a browser names no origin for the form, and is taken for another site.
        answer.headers["Referrer-Policy"] = "same-origin"
        return answer


def add_stars(boards: Blueprint, services: Services) -> None:
    """Visitors' stars."""
    store = services.file_services().boards

    @boards.post("/<link>")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "Give a picture of a shared board a star, or take it back",
            content_type=HTML,
            answer=TEXT,
            public=True,
            also={**GONE, "303": TEXT, "429": TEXT},
            also_type=HTML,
        )
    )
    def star(link: str) -> "AnyResponse":
        """One star for each picture from each browser."""
        board, _ = open_board(services, link)
        request.max_content_length = MAX_FORM_BYTES
        picture = find_picture(store.pictures_of(board), request.form.get("picture", ""))
        who = visitor() or secrets.token_urlsafe(16)
        store.toggle_star(board, picture.stamp, who)
        anchor = f"{url_for('public_boards.page', link=link)}#{key_of(picture.stamp)}"
        return with_visitor(redirect(anchor, 303), who)


def add_picture(boards: Blueprint, services: Services) -> None:
    """The pictures."""
    filing = services.file_services()

    @boards.get("/<link>/<picture>")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "A picture of a shared board, made small",
            content_type=MEDIA_TYPE,
            answer=BINARY,
            public=True,
            also=GONE,
            also_type=HTML,
        )
    )
    def small(link: str, picture: str) -> Response:
        """At most 1024 pixels, without its metadata."""
        board, access = open_board(services, link)
        one = find_picture(filing.boards.pictures_of(board), picture)
        place = resolve_path(access, one.path, *SHARING_RIGHTS)
        data = filing.thumbnails.get(place, SIDE).data
        return with_private_headers(Response(data, content_type=MEDIA_TYPE))


def open_board(services: Services, link: str) -> tuple[Board, FileAccess]:
    """The board of a link, and its owner's access now. Raises :class:`NotHere`."""
    board = services.file_services().boards.by_link(link)
    access = owner_access(services, board.owner)
    if access is None:
        raise NotHere("There is nothing here.")
    check_rights(access, SHARING_RIGHTS)
    return board, access


def key_of(stamp: FileStamp) -> str:
    """What a picture is called in addresses."""
    return f"{stamp[0]:x}-{stamp[1]:x}"


def find_picture(pictures: Sequence[BoardPicture], key: str) -> BoardPicture:
    """The picture of this name. Raises :class:`NotHere`."""
    for picture in pictures:
        if key_of(picture.stamp) == key:
            return picture
    raise NotHere("There is nothing here.")


def picture_row(link: str, picture: BoardPicture, starred: bool) -> dict[str, object]:
    """What the page says of a picture."""
    key = key_of(picture.stamp)
    return {
        "key": key,
        "address": url_for("public_boards.small", link=link, picture=key),
        "stars": picture.visitor_stars,
        "starred": starred,
    }


def language() -> str:
    """The visitor's, as on the page of a share."""
    return request.accept_languages.best_match(["en", "zh"]) or "en"


def serializer() -> URLSafeSerializer:
    """Signs which visitor a browser is, so that nobody takes another's stars back."""
    return URLSafeSerializer(current_app.secret_key or "", salt="easel.board")


def visitor() -> str:
    """Which visitor this browser is; "" for a new one."""
    try:
        return str(serializer().loads(request.cookies.get(COOKIE, "")))
    except BadSignature:
        return ""


def with_visitor(answer: "AnyResponse", who: str) -> "AnyResponse":
    """The answer with the cookie that keeps who this visitor is."""
    answer.headers.update({"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"})
    answer.set_cookie(
        COOKIE,
        str(serializer().dumps(who)),
        max_age=VISITOR_SECONDS,
        path=url_for("public_boards.page", link="x").removesuffix("x"),
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
        httponly=True,
        samesite="Lax",
    )
    return answer
