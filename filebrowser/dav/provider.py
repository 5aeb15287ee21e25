"""WSGI application for WebDAV; the caller's ``FileAccess`` comes in the WSGI environment."""

import logging
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import replace
from io import BytesIO
from typing import Any

from wsgidav.dav_error import (
    DAVError,
    PRECONDITION_CODE_PropfindFiniteDepth,
    get_http_status_string,
)
from wsgidav.dav_provider import DAVProvider
from wsgidav.error_printer import ErrorPrinter
from wsgidav.request_resolver import RequestResolver
from wsgidav.request_server import RequestServer
from wsgidav.util import normalize_path, re_encode_wsgi
from wsgidav.wsgidav_app import WsgiDAVApp

from filebrowser.dav.destination import check_dots, read_destination, restore_signs
from filebrowser.dav.entries import CONTEXT_KEY, DavContext
from filebrowser.dav.locks import BoundedLockStorage
from filebrowser.dav.lookup import CREATING_METHODS, entry_at
from filebrowser.dav.propfind import StreamedResponse, stream_propfind
from filebrowser.dav.times import read_time

LOG = logging.getLogger(__name__)
WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
BLOCK = 1024 * 1024  # bytes of a file sent at once
METHODS = (
    *("OPTIONS", "HEAD", "GET", "PROPFIND", "PUT", "DELETE", "COPY", "MOVE", "MKCOL", "PROPPATCH"),
    *("LOCK", "UNLOCK"),
)
FOLDER_TYPE = "httpd/unix-directory"
MAX_XML_BYTES = 256 * 1024  # bytes of a body that is no file
MAX_CONDITION_LENGTH = 4096  # characters of an If header
TIME_HEADER = "HTTP_X_OC_MTIME"
CONDITIONS = frozenset(
    {"HTTP_IF", "HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"}
    | {"HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"}
)


class Provider(DAVProvider):
    """Resolves paths for the request's ``FileAccess``."""

    def get_resource_inst(self, path: str | None, environ: dict[str, Any]) -> Any:
        """A file, a folder, the trees, or None; the trees have no parent."""
        return None if path is None else entry_at(restore_signs(path), environ)

    def custom_request_handler(
        self, environ: dict[str, Any], start_response: Any, default_handler: WsgiApp
    ) -> Any:
        """Refuse what asks for too much before it is looked at."""
        check_request(environ)
        check_if_match(environ)
        if environ["REQUEST_METHOD"] == "HEAD" and is_folder(environ):
            start_response("200 OK", [("Content-Type", FOLDER_TYPE), ("Content-Length", "0")])
            return []
        return default_handler(environ, start_response)


def check_request(environ: dict[str, Any]) -> None:
    """Raises :class:`DAVError` for a body, a condition or a depth that asks for too much.

    A body that comes in chunks is read here: wsgidav knows those of a told length alone.
    """
    method = environ["REQUEST_METHOD"]
    if method != "PUT" and environ.get("HTTP_TRANSFER_ENCODING"):
        body = environ["wsgi.input"].read(MAX_XML_BYTES + 1)
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    if method != "PUT" and int(environ.get("CONTENT_LENGTH") or 0) > MAX_XML_BYTES:
        raise DAVError(413, "The body is too long.")
    if len(environ.get("HTTP_IF", "")) > MAX_CONDITION_LENGTH:
        raise DAVError(400, "The If header is too long.")
    if method == "PROPFIND" and environ.get("HTTP_DEPTH", "infinity") not in ("0", "1"):
        finite = PRECONDITION_CODE_PropfindFiniteDepth
        raise DAVError(403, "Ask for one level at a time.", err_condition=finite)


def check_if_match(environ: dict[str, Any]) -> None:
    """Raises :class:`DAVError` 412 where something is to be made under ``If-Match``.

    The header is false where there is nothing (RFC 9110, 13.1.1); wsgidav looks at it only where
    there is something.
    """
    if environ["REQUEST_METHOD"] not in CREATING_METHODS or "HTTP_IF_MATCH" not in environ:
        return
    if entry_at(environ["PATH_INFO"], environ) is None:
        raise DAVError(412, "If-Match: there is nothing here any more.")


def is_folder(environ: dict[str, Any]) -> bool:
    """Whether a request is for a folder that is there; clients ask so before they list it."""
    entry = entry_at(environ["PATH_INFO"], environ)
    return entry is not None and bool(entry.is_collection)


class DavApplication:
    """WebDAV as WSGI: wsgidav, but for PROPFIND, which :mod:`filebrowser.dav.propfind` answers.

    ``locks``: a table that several processes share; None: the locks of one.
    """

    def __init__(self, mount_path: str, locks: MutableMapping[str, Any] | None = None) -> None:
        logging.getLogger("wsgidav").setLevel(logging.ERROR)  # it warns of what it refuses
        self._provider = Provider()
        self._wsgidav = WsgiDAVApp(
            {
                "provider_mapping": {"/": self._provider},
                "mount_path": mount_path,
                "middleware_stack": [ErrorPrinter, RequestResolver],
                "lock_storage": BoundedLockStorage(locks),
                "property_manager": None,
                "block_size": BLOCK,
                "suppress_version_info": True,
                "http_authenticator": {"accept_basic": False, "accept_digest": False},
                "verbose": 1,
                "logging": {"enable": False},
            }
        )

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "PROPFIND":
            answer: Iterable[bytes] = self._wsgidav(environ, start_response)
            return answer
        headers = [("Content-Type", "application/xml; charset=utf-8")]
        try:
            response = self._stream_properties(environ)
        except Exception as failure:
            error = failure if isinstance(failure, DAVError) else DAVError(500)
            if error is not failure:
                LOG.exception("PROPFIND %s failed", environ["PATH_INFO"])
            kind, page = error.get_response_page()
            start_response(
                get_http_status_string(error),
                [("Content-Type", kind), ("Content-Length", str(len(page)))],
            )
            return [page]
        if response.length is not None:
            headers.append(("Content-Length", str(response.length)))
        start_response("207 Multi-Status", headers)
        return response

    def _stream_properties(self, environ: dict[str, Any]) -> StreamedResponse:
        environ["wsgidav.provider"] = self._provider
        environ["wsgidav.config"] = self._wsgidav.config
        environ["wsgidav.user_name"] = environ["wsgidav.auth.user_name"]
        path = environ["PATH_INFO"] = normalize_path(re_encode_wsgi(environ["PATH_INFO"]))
        check_request(environ)
        entry = entry_at(path, environ)
        if entry is None:
            raise DAVError(404, path)
        if environ.keys() & CONDITIONS:
            RequestServer(self._provider)._evaluate_if_headers(entry, environ)
        return stream_propfind(entry, environ)


def make_environ(
    request_environ: dict[str, Any], context: DavContext, prefix: str
) -> dict[str, Any]:
    """The environment of a request for :class:`DavApplication`; its path begins with ``prefix``.

    Raises :class:`DAVError` 502 for a ``Destination`` that is not here, and 400 for one that
    cannot be, for a path that is not in UTF-8 and for a time that is none.
    """
    check_dots(request_environ["PATH_INFO"])
    try:
        re_encode_wsgi(request_environ["PATH_INFO"])
    except UnicodeError:
        raise DAVError(400, "The path is not in UTF-8.") from None
    environ = dict(request_environ)
    environ["SCRIPT_NAME"] = request_environ.get("SCRIPT_NAME", "") + prefix
    environ["PATH_INFO"] = request_environ["PATH_INFO"].removeprefix(prefix) or "/"
    environ["wsgidav.auth.user_name"] = context.access.who
    environ["wsgidav.some_input_read"] = 1  # or a refused body would be read into memory whole
    environ[CONTEXT_KEY] = replace(context, modified=read_time_header(request_environ))
    for forwarded in ("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO"):
        environ.pop(forwarded, None)
    if "HTTP_DESTINATION" in request_environ:
        environ["HTTP_DESTINATION"] = read_destination(request_environ)
    return environ


def read_time_header(environ: dict[str, Any]) -> int | None:
    """The file's time in nanoseconds since 1970, as ownCloud's clients and rclone send it along."""
    header = environ.get(TIME_HEADER)
    if header is None:
        return None
    try:
        return read_time(header)
    except DAVError as error:
        raise DAVError(400, f"X-OC-Mtime: {error.context_info}") from None
