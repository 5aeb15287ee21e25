"""Pages of shares for whoever has their link: a page, the file, the folder as an archive.

Nothing here asks for a credential. Whatever is wrong with a link, the answer is the same page:
unknown, expired, revoked, its file gone or its owner's rights. Nothing tells where a file lies.
"""

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, redirect, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer

from filebrowser.errors import FileError, NotHere, TooBusy
from filebrowser.gate import Place
from filebrowser.serving import Shown, respond
from filebrowser.shares.passwords import Passwords
from filebrowser.shares.store import Share, ShareStore
from filebrowser.shares.verbs import open_shared, standing
from filebrowser.visit import Visit
from webapp.browsing import visit_of
from webapp.errors import TooManyTries
from webapp.guesses import Guesses
from webapp.openapi import Note, described
from webapp.routes.context import LARGEST_FORM, services
from webapp.routes.files import share_page
from webapp.routes.files.packing import Turns, zipped
from webapp.routes.files.pictures import PICTURES
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

A_DAY = 24 * 3600  # seconds that a ticket opens a share after its password was given
PRIVATE = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}
BINARY = {"type": "string", "format": "binary"}
INNER = {"path": {"type": "string"}}
HTML = "text/html"
TEXT = {"type": "string"}
GONE = {"404": TEXT}
WRONG = {"401": TEXT, "404": TEXT, "303": TEXT, "429": TEXT}


def blueprint(
    store: ShareStore,
    passwords: Passwords,
    guesses: Guesses,
    zips: Turns,
) -> Blueprint:
    """The routes over one store; ``throttle`` counts wrong passwords by share and address."""
    shared = Blueprint("shared", __name__, url_prefix="/s")

    @shared.errorhandler(FileError)
    def gone(_: FileError) -> Response:
        return private(share_page.gone())

    @shared.errorhandler(TooBusy)
    def busy(error: TooBusy) -> Response:
        answer = Response(f"{error}\n", 429, content_type="text/plain; charset=utf-8")
        answer.headers["Retry-After"] = "10"
        return private(answer)

    @shared.errorhandler(TooManyTries)
    def waits(error: TooManyTries) -> Response:
        answer = share_page.form(
            url_for("shared.enter", **(request.view_args or {})), "wait", error.status
        )
        answer.headers["Retry-After"] = str(error.wait)
        return private(answer)

    @shared.get("/<name>")
    @allowed(Scope.PUBLIC)
    @described(
        Note(
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
        share = standing(name, store)
        if not has_ticket(share):
            return private(share_page.form(url_for("shared.enter", name=name)))
        inner = request.args.get("path", "")
        place, found = open_shared(share, inner, owner)
        try:
            return private(share_page.listing(share, inner, place, found))
        finally:
            os.close(found)

    @shared.post("/<name>")
    @allowed(Scope.PUBLIC)
    @described(
        Note(
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
        share = standing(name, store)
        guest = request.remote_addr or ""
        request.max_content_length = LARGEST_FORM
        given = request.form.get("password", "")
        if has_ticket(share):
            return redirect(url_for("shared.page", name=name), 303)
        if not given:  # no guess
            return private(share_page.form(url_for("shared.enter", name=name), "wrong", 401))
        guesses.check(name, guest)
        if not passwords.opens(share.password, given):
            guesses.failed(name, guest)
            return private(share_page.form(url_for("shared.enter", name=name), "wrong", 401))
        guesses.right(name, guest)
        return with_ticket(redirect(url_for("shared.page", name=name), 303), share)

    @shared.get("/<name>/content")
    @allowed(Scope.PUBLIC)
    @described(
        Note(
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
        place, found = opened(standing(name, store), request.args.get("path", ""))
        if stat.S_ISDIR(os.fstat(found).st_mode):
            os.close(found)
            raise NotHere("There is no file here.")
        return private(respond(found, shown(place)))

    @shared.get("/<name>/archive")
    @allowed(Scope.PUBLIC)
    @described(
        Note(
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
        share = standing(name, store)
        place, found = opened(share, request.args.get("path", ""))
        os.close(found)
        here = owner(share.owner)
        if here is None or not share.folder:
            raise NotHere("There is no folder here.")
        return private(zipped(here, [f"/{place.text}"], zips, who=f"share {share.id}"))

    return shared


def shown(place: Place) -> Shown:
    """How a shared file is handed out: the type of a picture by its name, else plain bytes."""
    name = place.names[-1]
    kind = PICTURES.get(os.path.splitext(name)[1].lower(), "")
    inline = "inline" in request.args and kind.startswith("image/")
    return Shown(name, kind, attachment=False) if inline else Shown(name)


def opened(share: Share, inner: str) -> tuple[Place, int]:
    """A shared place and its descriptor. Raises :class:`NotHere`, also without the password."""
    if not has_ticket(share):
        raise NotHere("There is nothing here.")
    return open_shared(share, inner, owner)


def owner(name: str) -> Visit | None:
    """The visit that the caller of this name would have now."""
    here = services()
    caller = here.credentials.by_name(name)
    return visit_of(caller, here.config) if caller else None


def private(answer: Response) -> Response:
    """The same, kept by nobody, and its address told to nobody."""
    answer.headers.update(PRIVATE)
    return answer


def tickets() -> URLSafeTimedSerializer:
    """Signs what a browser keeps after the right password."""
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="easel.share")


def ticket(share: Share) -> str:
    """What the ticket of a share says: nothing that opens another one, or one made anew."""
    return hashlib.sha256(f"{share.id} {share.password}".encode()).hexdigest()


def has_ticket(share: Share) -> bool:
    """Whether the request may see the share: it has no password, or its ticket came along."""
    if share.password is None:
        return True
    try:
        said = tickets().loads(request.cookies.get(f"share_{share.id}", ""), max_age=A_DAY)
    except BadSignature:
        return False
    return bool(said == ticket(share))


def with_ticket(answer: "AnyResponse", share: Share) -> "AnyResponse":
    """The answer with the cookie that opens this share alone, for a day."""
    answer.headers.update(PRIVATE)
    answer.set_cookie(
        f"share_{share.id}",
        str(tickets().dumps(ticket(share))),
        max_age=A_DAY,
        path=url_for("shared.page", name=share.id),
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
        httponly=True,
        samesite="Lax",
    )
    return answer
