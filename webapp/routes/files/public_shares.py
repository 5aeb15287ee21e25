"""Public routes of shares: page, file, folder as archive.

Nothing here asks for a credential. Whatever is wrong with a link, the answer is the same page:
unknown, expired, revoked, its file gone or its owner's rights. Nothing tells where a file lies.
"""

import hashlib
import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, redirect, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place
from filebrowser.errors import FileError, NotHere, TooBusy
from filebrowser.file_response import ServeOptions
from filebrowser.shares.actions import find_share, open_shared
from filebrowser.shares.store import Share
from webapp.access.scopes import AccessScope, requires
from webapp.errors import TooManyTries
from webapp.files.caller_rights import access_of
from webapp.http.file_answer import answer_file
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.context import MAX_FORM_BYTES
from webapp.routes.files import share_page
from webapp.routes.files.archives import zip_response
from webapp.routes.files.pictures import PICTURES
from webapp.services import Services

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

TICKET_SECONDS = 24 * 3600  # seconds that a ticket opens a share after its password was given
PRIVATE = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}
BINARY = {"type": "string", "format": "binary"}
INNER = {"path": {"type": "string"}}
HTML = "text/html"
TEXT = {"type": "string"}
GONE = {"404": TEXT}
WRONG = {"401": TEXT, "404": TEXT, "303": TEXT, "429": TEXT}


def blueprint(services: Services) -> Blueprint:
    """The routes of shares."""
    shared = Blueprint("shared", __name__, url_prefix="/s")
    add_error_pages(shared)
    add_page(shared, services)
    add_password_form(shared, services)
    add_content(shared, services)
    add_archive(shared, services)
    return shared


def add_error_pages(shared: Blueprint) -> None:
    """What is answered where a share cannot be shown."""

    @shared.errorhandler(FileError)
    def handle_file_error(_: FileError) -> Response:
        return with_private_headers(share_page.not_found_page())

    @shared.errorhandler(TooBusy)
    def handle_busy(error: TooBusy) -> Response:
        answer = Response(f"{error}\n", 429, content_type="text/plain; charset=utf-8")
        answer.headers["Retry-After"] = "10"
        return with_private_headers(answer)

    @shared.errorhandler(TooManyTries)
    def handle_throttled(error: TooManyTries) -> Response:
        answer = share_page.password_page(
            url_for("shared.enter", **(request.view_args or {})), "wait", error.status
        )
        answer.headers["Retry-After"] = str(error.wait)
        return with_private_headers(answer)


def add_page(shared: Blueprint, services: Services) -> None:
    """The page of a share."""
    store = services.file_services().shares

    @shared.get("/<name>")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "The page of a share",
            query=INNER,
            content_type=HTML,
            answer=TEXT,
            public=True,
            also=GONE,
            also_type=HTML,
        )
    )
    def page(name: str) -> Response:
        """A folder's entries, a file's name and size, or the form for the password."""
        share = find_share(name, store)
        if not has_ticket(share):
            return with_private_headers(
                share_page.password_page(url_for("shared.enter", name=name))
            )
        inner = request.args.get("path", "")
        place, handle = open_shared(share, inner, partial(owner_access, services))
        try:
            return with_private_headers(share_page.content_page(share, inner, place, handle))
        finally:
            os.close(handle)


def add_password_form(shared: Blueprint, services: Services) -> None:
    """The password of a share; wrong ones are counted by share and address."""
    filing = services.file_services()
    store, passwords = filing.shares, filing.share_passwords
    throttle = services.nodes.share_throttle

    @shared.post("/<name>")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "Give a share's password",
            content_type=HTML,
            answer=TEXT,
            public=True,
            also=WRONG,
            also_type=HTML,
        )
    )
    def enter(name: str) -> "AnyResponse":
        """Set the ticket and go to the page; 429 after ten wrong passwords a minute."""
        share = find_share(name, store)
        guest = request.remote_addr or ""
        request.max_content_length = MAX_FORM_BYTES
        password = request.form.get("password", "")
        if has_ticket(share):
            return redirect(url_for("shared.page", name=name), 303)
        if not password:  # no guess
            return with_private_headers(
                share_page.password_page(url_for("shared.enter", name=name), "wrong", 401)
            )
        throttle.check(name, guest)
        if not passwords.verify_password(share.password, password):
            throttle.record_failure(name, guest)
            return with_private_headers(
                share_page.password_page(url_for("shared.enter", name=name), "wrong", 401)
            )
        throttle.record_success(name, guest)
        return with_ticket(redirect(url_for("shared.page", name=name), 303), share)


def add_content(shared: Blueprint, services: Services) -> None:
    """The bytes of a shared file."""
    store = services.file_services().shares

    @shared.get("/<name>/content")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "The bytes of a shared file, with Range",
            query=INNER,
            content_type="application/octet-stream",
            answer=BINARY,
            public=True,
            also=GONE,
            also_type=HTML,
        )
    )
    def content(name: str) -> Response:
        """To be saved; a picture is shown when ``inline`` is asked for."""
        place, handle = open_with_ticket(
            services, find_share(name, store), request.args.get("path", "")
        )
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            os.close(handle)
            raise NotHere("There is no file here.")
        return with_private_headers(answer_file(handle, shown_file(place)))


def add_archive(shared: Blueprint, services: Services) -> None:
    """A shared folder as a zip."""
    store = services.file_services().shares

    @shared.get("/<name>/archive")
    @requires(AccessScope.PUBLIC)
    @with_note(
        RouteNote(
            "A shared folder as one zip",
            query=INNER,
            content_type="application/zip",
            answer=BINARY,
            public=True,
            also=GONE,
            also_type=HTML,
        )
    )
    def archive(name: str) -> Response:
        """Two at once of one share; 429 then."""
        share = find_share(name, store)
        place, handle = open_with_ticket(services, share, request.args.get("path", ""))
        os.close(handle)
        access = owner_access(services, share.owner)
        if access is None or not share.folder:
            raise NotHere("There is no folder here.")
        return with_private_headers(
            zip_response(services, access, [f"/{place.text}"], who=f"share {share.id}")
        )


def shown_file(place: Place) -> ServeOptions:
    """How a shared file is handed out: the type of a picture by its name, else plain bytes."""
    name = place.names[-1]
    kind = PICTURES.get(os.path.splitext(name)[1].lower(), "")
    inline = "inline" in request.args and kind.startswith("image/")
    return ServeOptions(name, kind, attachment=False) if inline else ServeOptions(name)


def open_with_ticket(services: Services, share: Share, inner: str) -> tuple[Place, int]:
    """A shared place and its descriptor. Raises :class:`NotHere`, also without the password."""
    if not has_ticket(share):
        raise NotHere("There is nothing here.")
    return open_shared(share, inner, partial(owner_access, services))


def owner_access(services: Services, name: str) -> FileAccess | None:
    """The visit that the caller of this name would have now."""
    caller = services.credentials.by_name(name)
    return access_of(caller, services.trees.of(caller).config) if caller else None


def with_private_headers(answer: Response) -> Response:
    """The same, kept by nobody, and its address told to nobody."""
    answer.headers.update(PRIVATE)
    return answer


def ticket_serializer() -> URLSafeTimedSerializer:
    """Signs what a browser keeps after the right password."""
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="easel.share")


def ticket_value(share: Share) -> str:
    """What the ticket of a share says: nothing that opens another one, or one made anew."""
    return hashlib.sha256(f"{share.id} {share.password}".encode()).hexdigest()


def has_ticket(share: Share) -> bool:
    """Whether the request may see the share: it has no password, or its ticket came along."""
    if share.password is None:
        return True
    try:
        value = ticket_serializer().loads(
            request.cookies.get(f"share_{share.id}", ""), max_age=TICKET_SECONDS
        )
    except BadSignature:
        return False
    return bool(value == ticket_value(share))


def with_ticket(answer: "AnyResponse", share: Share) -> "AnyResponse":
    """The answer with the cookie that opens this share alone, for a day."""
    answer.headers.update(PRIVATE)
    answer.set_cookie(
        f"share_{share.id}",
        str(ticket_serializer().dumps(ticket_value(share))),
        max_age=TICKET_SECONDS,
        path=url_for("shared.page", name=share.id),
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
        httponly=True,
        samesite="Lax",
    )
    return answer
