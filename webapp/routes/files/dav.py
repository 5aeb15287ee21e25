"""WebDAV at ``/dav/``: the caller's access to files, and wsgidav for the protocol."""

import os
import stat
import threading
import time
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, cast

from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream
from wsgidav.dav_error import DAVError, get_http_status_string

from filebrowser.access.file_access import Right, check_place, resolve_path
from filebrowser.access.gate import open_place
from filebrowser.dav.entries import DavContext
from filebrowser.dav.errors import translate_errors
from filebrowser.dav.placeholders import Placeholders
from filebrowser.dav.provider import METHODS, TIME_HEADER, DavApplication, make_environ
from filebrowser.errors import FileError
from filebrowser.file_response import SANDBOX, ServeOptions
from filebrowser.listing.file_kinds import type_of
from webapp.access.scopes import AccessScope, requires
from webapp.errors import UNEXPECTED, MalformedBody, SlowBody
from webapp.http.content_encoding import check_plain
from webapp.http.file_answer import answer_file
from webapp.routes.files.archives import enter_listing_limit
from webapp.routes.files.caller_access import caller_access
from webapp.services import Services

if TYPE_CHECKING:
    from webapp.nodes.tables import RedisTable

PREFIX = "/dav"
MAX_APPLICATIONS = 256
READS = MappingProxyType({"GET": {Right.DOWNLOAD}, "HEAD": set[Right]()})
"""Rights by method of what reads a file, beside that to view."""


class EofTolerantBody:
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


@dataclass(frozen=True, slots=True)
class TreeDav:
    """wsgidav for one user's tree, and the names that wait for their bytes in it.

    ``locks`` is the table of locks where several web processes share it.
    """

    application: DavApplication
    placeholders: Placeholders
    locks: "RedisTable | None" = None

    def check(self) -> None:
        """Raise ``StoreUnavailable`` where the locks cannot be read: wsgidav would say 500."""
        if self.locks is not None:
            self.locks.get("")


class DavApplications:
    """wsgidav for each user's tree: locks and announced names go by paths, which others have too.

    Those used last are kept; a lock that is lost with one is made again, as after a restart. Where
    several web processes share them, none is lost.
    """

    def __init__(self, services: Services) -> None:
        config = services.trees.service.config
        self._prefix, self._data_dir = f"{config.root_path}{PREFIX}", config.data_dir
        self._table = services.nodes.table
        self._lock = threading.Lock()
        self._known: OrderedDict[str, TreeDav] = OrderedDict()

    def of_tree(self, name: str) -> TreeDav:
        """The application of a tree, "" for the data directory."""
        with self._lock:
            if name not in self._known:
                self._known[name] = self._create(name)
            self._known.move_to_end(name)
            if len(self._known) > MAX_APPLICATIONS:
                self._known.popitem(last=False)
            return self._known[name]

    def _create(self, name: str) -> TreeDav:
        if self._table is None:
            return TreeDav(DavApplication(self._prefix), Placeholders())
        from webapp.nodes.tables import AnnouncedFiles  # Redis' client takes 0.1 s to import

        locks, names = self._table(f"dav_locks:{name}"), self._table(f"dav_names:{name}")
        placeholders = Placeholders(time.time, AnnouncedFiles(names, self._data_dir))
        return TreeDav(DavApplication(self._prefix, locks), placeholders, locks)


def blueprint(services: Services) -> Blueprint:
    """The one route, below ``--subpath``; every method of WebDAV."""
    filing = services.file_services()
    dav = Blueprint("dav", __name__)
    applications = DavApplications(services)

    @dav.route(PREFIX, defaults={"path": ""}, methods=METHODS, provide_automatic_options=False)
    @dav.route(f"{PREFIX}/<path:path>", methods=METHODS, provide_automatic_options=False)
    @requires(AccessScope.FILES)
    def answer(path: str) -> Response:
        """Rights: by method, see docs/files.md."""
        tree_dav = applications.of_tree(services.trees.current().name)
        tree_dav.check()
        check_plain(request.headers.get("Content-Encoding", ""))
        try:
            dav_context = DavContext(
                caller_access(services),
                filing.uploads,
                filing.tell,
                tree_dav.placeholders,
                filing.reserved_space.release,
            )
            environ = make_environ(request.environ, dav_context, PREFIX)
        except DAVError as error:
            return error_response(error)
        if request.method in READS and "HTTP_IF" not in environ:
            response = file_response(services, path)
            if response is not None:
                return response
        environ["wsgi.input"] = EofTolerantBody(get_input_stream(request.environ))
        with ExitStack() as turns:
            if request.method == "PROPFIND":
                turns.callback(enter_listing_limit(services, caller_access(services).who))
            response = cast("Response", Response.from_app(tree_dav.application, environ))
            response.call_on_close(turns.pop_all().close)
        if response.status_code == 500:  # wsgidav would tell the exception; the log has it
            response.close()
            response = Response(f"{UNEXPECTED}\n", 500, content_type="text/plain; charset=utf-8")
        if TIME_HEADER in environ and response.status_code in (201, 204):
            response.headers["X-OC-Mtime"] = "accepted"  # Nextcloud's clients ask for this word
        response.headers.setdefault("Content-Security-Policy", SANDBOX)
        return response

    return dav


def file_response(services: Services, path: str) -> Response | None:
    """A file's bytes, as the other doors give them; None for all else, which is wsgidav's.

    Rights: view, and download to read.
    """
    access = caller_access(services)
    with ExitStack() as cleanup:
        try:
            place = resolve_path(access, path)
            handle = open_place(place)
        except FileError:
            return None
        cleanup.callback(os.close, handle)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        try:
            with translate_errors():
                check_place(access, place, {Right.VIEW} | READS[request.method])
        except DAVError as error:
            return error_response(error)
        cleanup.pop_all()
    name = place.names[-1]
    return answer_file(handle, ServeOptions(name, type_of(name)))


def error_response(error: DAVError) -> Response:
    """An error as plain text."""
    return Response(f"{error.context_info}\n", get_http_status_string(error))
