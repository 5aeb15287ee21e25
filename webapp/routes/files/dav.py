"""WebDAV at ``/dav/``: the visit of the caller's credential, and wsgidav for the rest."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, cast

from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream
from wsgidav.dav_error import DAVError, get_http_status_string

from filebrowser.dav.entries import Desk
from filebrowser.dav.provider import METHODS, application, environment
from filebrowser.happenings import Happening
from filebrowser.making_room import MakeRoom
from filebrowser.serving import SANDBOX
from filebrowser.uploads.uploads import Uploads
from webapp.errors import MalformedBody, SlowBody
from webapp.routes.files.packing import enter_listing
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

PREFIX = "/dav"


class Unbroken:
    """The body, for which a connection that breaks is an end: its length tells the difference."""

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
    inner = application(f"{root_path}{PREFIX}")

    @dav.route(PREFIX, defaults={"path": ""}, methods=METHODS, provide_automatic_options=False)
    @dav.route(f"{PREFIX}/<path:path>", methods=METHODS, provide_automatic_options=False)
    @allowed(Scope.FILES)
    def answer(path: str) -> Response:
        """Rights: by method, see docs/files.md."""
        try:
            environ = environment(request.environ, Desk(visit(), uploads, tell, make_room), PREFIX)
        except DAVError as error:
            return Response(f"{error.context_info}\n", get_http_status_string(error))
        environ["wsgi.input"] = Unbroken(get_input_stream(request.environ))
        with ExitStack() as turns:
            if request.method == "PROPFIND":
                turns.callback(enter_listing(visit().who))
            found = cast("Response", Response.from_app(inner, environ))
            found.call_on_close(turns.pop_all().close)
        found.headers.setdefault("Content-Security-Policy", SANDBOX)
        return found

    return dav
