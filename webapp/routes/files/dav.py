"""WebDAV at ``/dav/``: the caller's access to files, and wsgidav for the protocol."""

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from types import MappingProxyType
from typing import IO, cast

from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream
from wsgidav.dav_error import DAVError, get_http_status_string

from filebrowser.dav.entries import Desk
from filebrowser.dav.errors import translated
from filebrowser.dav.placeholders import Placeholders
from filebrowser.dav.provider import METHODS, TIME_HEADER, Application, environment
from filebrowser.errors import FileError
from filebrowser.gate import open_place
from filebrowser.happenings import Happening
from filebrowser.kinds import type_of
from filebrowser.making_room import MakeRoom
from filebrowser.serving import SANDBOX, Shown, respond
from filebrowser.uploads.uploads import Uploads
from filebrowser.visit import Right, check_rights, reach
from webapp.content_encoding import check_plain
from webapp.errors import UNEXPECTED, MalformedBody, SlowBody
from webapp.routes.files.packing import enter_listing
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

PREFIX = "/dav"
READS = MappingProxyType({"GET": {Right.DOWNLOAD}, "HEAD": set[Right]()})
"""Rights by method of what reads a file, beside that to view."""


class Unbroken:
    """A request body that ends where the connection breaks; its length tells the difference."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; b"" at the end."""
        try:
            return self.stream.read(size)
        except ClientDisconnected:
            return b""
        except (MalformedBody, SlowBody) as error:
            raise DAVError(error.status, error.detail) from None


def blueprint(
    root_path: str, uploads: Uploads, tell: Callable[[Happening], None], make_room: MakeRoom
) -> Blueprint:
    """The one route, below ``root_path``; every method of WebDAV."""
    dav = Blueprint("dav", __name__)
    inner, placeholders = Application(f"{root_path}{PREFIX}"), Placeholders()

    @dav.route(PREFIX, defaults={"path": ""}, methods=METHODS, provide_automatic_options=False)
    @dav.route(f"{PREFIX}/<path:path>", methods=METHODS, provide_automatic_options=False)
    @allowed(Scope.FILES)
    def answer(path: str) -> Response:
        """Rights: by method, see docs/files.md."""
        check_plain(request.headers.get("Content-Encoding", ""))
        try:
            desk = Desk(visit(), uploads, tell, placeholders, make_room)
            environ = environment(request.environ, desk, PREFIX)
        except DAVError as error:
            return refused(error)
        if request.method in READS and "HTTP_IF" not in environ:
            found = file_asked(path)
            if found is not None:
                return found
        environ["wsgi.input"] = Unbroken(get_input_stream(request.environ))
        with ExitStack() as turns:
            if request.method == "PROPFIND":
                turns.callback(enter_listing(visit().who))
            found = cast("Response", Response.from_app(inner, environ))
            found.call_on_close(turns.pop_all().close)
        if found.status_code == 500:  # wsgidav would tell the exception; the log has it
            found.close()
            found = Response(f"{UNEXPECTED}\n", 500, content_type="text/plain; charset=utf-8")
        if TIME_HEADER in environ and found.status_code in (201, 204):
            found.headers["X-OC-Mtime"] = "accepted"  # Nextcloud's clients ask for this word
        found.headers.setdefault("Content-Security-Policy", SANDBOX)
        return found

    return dav


def file_asked(path: str) -> Response | None:
    """A file's bytes, as the other doors give them; None for all else, which is wsgidav's.

    Rights: view, and download to read.
    """
    here = visit()
    with ExitStack() as held:
        try:
            place = reach(here, path)
            found = open_place(place)
        except FileError:
            return None
        held.callback(os.close, found)
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return None
        try:
            with translated():
                check_rights(here, {Right.VIEW} | READS[request.method])
        except DAVError as error:
            return refused(error)
        held.pop_all()
    name = place.names[-1]
    return respond(found, Shown(name, type_of(name)))


def refused(error: DAVError) -> Response:
    """An error as plain text."""
    return Response(f"{error.context_info}\n", get_http_status_string(error))
