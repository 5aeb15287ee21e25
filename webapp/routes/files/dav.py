"""WebDAV at ``/dav/``: the visit of the caller's credential, and wsgidav for the rest."""

from typing import cast

from flask import Blueprint, Response, request
from werkzeug.wsgi import get_input_stream
from wsgidav.dav_error import DAVError, get_http_status_string

from filebrowser.dav.provider import METHODS, application, environment
from filebrowser.serving import SANDBOX
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

PREFIX = "/dav"


def blueprint(root_path: str) -> Blueprint:
    """The one route, below ``root_path``; every method of WebDAV."""
    dav = Blueprint("dav", __name__)
    inner = application(f"{root_path}{PREFIX}")

    @dav.route(PREFIX, defaults={"path": ""}, methods=METHODS, provide_automatic_options=False)
    @dav.route(f"{PREFIX}/<path:path>", methods=METHODS, provide_automatic_options=False)
    @allowed(Scope.FILES)
    def answer(path: str) -> Response:
        """Rights: by method, see docs/files.md."""
        try:
            environ = environment(request.environ, visit(), PREFIX)
        except DAVError as error:
            return Response(f"{error.context_info}\n", get_http_status_string(error))
        environ["wsgi.input"] = get_input_stream(request.environ)
        found = cast("Response", Response.from_app(inner, environ))
        found.headers.setdefault("Content-Security-Policy", SANDBOX)
        return found

    return dav
