"""The WSGI application that speaks WebDAV, for a visit that its caller puts in the environment."""

import logging
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from wsgidav.dav_error import DAVError, PRECONDITION_CODE_PropfindFiniteDepth
from wsgidav.dav_provider import DAVProvider
from wsgidav.error_printer import ErrorPrinter
from wsgidav.request_resolver import RequestResolver
from wsgidav.wsgidav_app import WsgiDAVApp

from filebrowser.dav.entries import DESK, Desk, entry_at
from filebrowser.dav.locks import Locks

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
BLOCK = 1024 * 1024  # bytes of a file sent at once
METHODS = (
    *("OPTIONS", "HEAD", "GET", "PROPFIND", "PUT", "DELETE", "COPY", "MOVE", "MKCOL", "PROPPATCH"),
    *("LOCK", "UNLOCK"),
)
FOLDER_TYPE = "httpd/unix-directory"
LARGEST_XML = 256 * 1024  # bytes of a body that is no file
LONGEST_CONDITION = 4096  # characters of an If header


class Provider(DAVProvider):
    """Finds what a path means for the visit of its request."""

    def get_resource_inst(self, path: str | None, environ: dict[str, Any]) -> Any:
        """A file, a folder, the trees, or None; the trees have no parent."""
        return None if path is None else entry_at(path, environ)

    def custom_request_handler(
        self, environ: dict[str, Any], start_response: Any, default_handler: Wsgi
    ) -> Any:
        """Refuse what asks for too much before it is looked at."""
        method = environ["REQUEST_METHOD"]
        if method != "PUT" and int(environ.get("CONTENT_LENGTH") or 0) > LARGEST_XML:
            raise DAVError(413, "The body is too long.")
        if len(environ.get("HTTP_IF", "")) > LONGEST_CONDITION:
            raise DAVError(400, "The If header is too long.")
        if method == "PROPFIND" and environ.get("HTTP_DEPTH", "infinity") not in ("0", "1"):
            finite = PRECONDITION_CODE_PropfindFiniteDepth
            raise DAVError(403, "Ask for one level at a time.", err_condition=finite)
        if method == "HEAD" and is_folder(environ):
            start_response("200 OK", [("Content-Type", FOLDER_TYPE), ("Content-Length", "0")])
            return []
        return default_handler(environ, start_response)


def is_folder(environ: dict[str, Any]) -> bool:
    """Whether a request is for a folder that is there; clients ask so before they list it."""
    found = entry_at(environ["PATH_INFO"], environ)
    return found is not None and bool(found.is_collection)


def application(mount_path: str) -> Wsgi:
    """WebDAV below ``mount_path``, "" or "/a/b". No pages, no credentials: its caller has them."""
    logging.getLogger("wsgidav").setLevel(logging.ERROR)  # it warns of what it refuses
    application: Wsgi = WsgiDAVApp(
        {
            "provider_mapping": {"/": Provider()},
            "mount_path": mount_path,
            "middleware_stack": [ErrorPrinter, RequestResolver],
            "lock_storage": Locks(),
            "property_manager": None,
            "block_size": BLOCK,
            "honor_mtime_header": True,
            "hotfixes": {"emulate_win32_lastmod": True},
            "suppress_version_info": True,
            "http_authenticator": {"accept_basic": False, "accept_digest": False},
            "verbose": 1,
            "logging": {"enable": False},
        }
    )
    return application


def environment(given: dict[str, Any], desk: Desk, prefix: str) -> dict[str, Any]:
    """The environment of a request for :func:`application`; its path begins with ``prefix``.

    Raises :class:`DAVError` 502 for a ``Destination`` that is not here and 400 for one that
    wsgidav would cut short.
    """
    check_dots(given["PATH_INFO"])
    environ = dict(given)
    environ["SCRIPT_NAME"] = given.get("SCRIPT_NAME", "") + prefix
    environ["PATH_INFO"] = given["PATH_INFO"].removeprefix(prefix) or "/"
    environ["wsgidav.auth.user_name"] = desk.visit.who
    environ["wsgidav.some_input_read"] = 1  # or a refused body would be read into memory whole
    environ[DESK] = desk
    for forwarded in ("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO"):
        environ.pop(forwarded, None)
    if "HTTP_DESTINATION" in given:
        environ["HTTP_DESTINATION"] = destination(given)
    return environ


def destination(environ: dict[str, Any]) -> str:
    """The path of the ``Destination`` header, which must name this host, whatever its scheme."""
    said = urlsplit(environ["HTTP_DESTINATION"])
    if said.netloc and said.netloc.lower() != environ.get("HTTP_HOST", "").lower():
        raise DAVError(502, "Copies and moves stay on this host.")
    if said.query or any(sign in unquote(said.path) for sign in ";?#"):
        raise DAVError(400, "WebDAV gives no names with ; ? or # here.")
    check_dots(unquote(said.path))
    if any(unicodedata.category(sign) == "Cc" for sign in unquote(said.path)):
        raise DAVError(400, "A name holds no control characters.")  # urlsplit would drop some
    return said.path


def check_dots(path: str) -> None:
    """Refuse what wsgidav would resolve by itself: nobody who means well sends it."""
    if {".", ".."} & set(path.replace("\\", "/").split("/")):
        raise DAVError(400, "A path does not go up.")
