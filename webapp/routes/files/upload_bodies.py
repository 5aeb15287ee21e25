"""The body of an upload's piece, read from the connection as it comes."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from flask import request
from werkzeug.exceptions import ClientDisconnected

from filebrowser.access.file_access import Right, check_rights
from filebrowser.uploads.block_reader import BlockReader
from filebrowser.uploads.blocks import Source
from filebrowser.uploads.completion import UploadStatus
from filebrowser.uploads.upload_session import UploadChunk
from filebrowser.uploads.upload_store import UploadStore
from webapp.access.auth import identify
from webapp.files import tus_headers
from webapp.files.caller_rights import access_of
from webapp.http.content_encoding import check_plain
from webapp.http.request_body import connection_of, socket_source
from webapp.routes.files.caller_access import caller_access
from webapp.services import Services

RIGHTS_CHECK_SECONDS = 2.0  # seconds between two looks at whether the caller may still send
MAX_BODY = 1 << 62  # bytes: other routes take less, and what fits is checked by offsets here


def append_piece(
    services: Services, uploads: UploadStore, name: str, piece: UploadChunk
) -> UploadStatus:
    """Append the body of the current request."""
    return uploads.append(
        caller_access(services),
        name,
        piece,
        body_source(),
        rights_check(services),
        read_interrupter(),
    )


def body_source() -> Source:
    """The body of the current request, however long; it ends where the connection breaks off.

    Werkzeug puts a limit around every body, which costs two copies of each byte; where the server
    itself knows the body's end, as gunicorn does, it is read without.
    """
    check_plain(request.headers.get("Content-Encoding", ""))
    from_connection = socket_source(request.environ)
    if from_connection is not None:
        return from_connection
    if request.environ.get("wsgi.input_terminated"):
        return BlockReader(request.environ["wsgi.input"].read)
    request.max_content_length = MAX_BODY

    def read(most: int, /) -> bytes:
        try:
            return request.stream.read(most)
        except ClientDisconnected:
            return b""

    return BlockReader(read)


def has_body() -> bool:
    """Whether the request brings bytes of a piece, by its type."""
    return request.mimetype == tus_headers.CONTENT_TYPE


def body_size() -> int | None:
    """Bytes of the body; None where it comes in chunks."""
    return request.content_length


def rights_check(services: Services) -> Callable[[], None]:
    """A look, now and then, at whether the caller may still do what he began."""
    trees, credentials, checked_at = services.trees, services.credentials, time.monotonic()

    def look() -> None:
        nonlocal checked_at
        if time.monotonic() - checked_at > RIGHTS_CHECK_SECONDS:
            checked_at = time.monotonic()
            who = identify(credentials)
            check_rights(access_of(who, trees.of(who).config), {Right.CREATE})

    return look


def read_interrupter() -> Callable[[], None]:
    """Ends a read that waits for the current connection, from another thread."""
    connection = connection_of(request.environ)

    def end() -> None:
        if connection is not None:
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as twin:
                twin.shutdown(socket.SHUT_RDWR)

    return end
