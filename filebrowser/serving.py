"""An open file as an HTTP answer: Range at any offset, conditions, headers that keep it tame."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Response, request
from werkzeug.http import is_resource_modified, parse_if_range_header, parse_range_header

PIECE = 1024 * 1024  # bytes read at once
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
"""For whatever a user brought here: it is shown, and runs nothing."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a file is handed out."""

    name: str  # the file's name for the one who saves it
    kind: str = "application/octet-stream"
    attachment: bool = True
    max_age: int = 0  # seconds in the caller's own cache


class Shrunk(OSError):
    """The file became shorter while it was sent; the connection is broken off on purpose."""


def respond(found: int, shown: Shown) -> Response:
    """The answer to the current request (GET or HEAD) with the open file ``found``.

    Takes the descriptor over and closes it. 200, 206 for one range, 304, or 416; several ranges
    are answered whole, as RFC 9110 section 14.2 allows. Reads begin at the offset asked for,
    however large the file.
    """
    facts = os.fstat(found)
    etag = etag_of(facts)
    changed = datetime.fromtimestamp(int(facts.st_mtime), UTC)
    if not is_resource_modified(request.environ, etag, last_modified=changed):
        os.close(found)
        return _headed(Response(status=304), shown, etag, changed)
    span = _span(facts.st_size, etag, changed)
    if span is None:
        os.close(found)
        refused = Response(status=416)
        refused.headers["Content-Range"] = f"bytes */{facts.st_size}"
        return _headed(refused, shown, etag, changed)
    answer = _body(found, span, 206 if _partial(span, facts.st_size) else 200)
    answer.content_length = span[1] - span[0]
    if answer.status_code == 206:
        answer.headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{facts.st_size}"
    return _headed(answer, shown, etag, changed)


def etag_of(facts: os.stat_result) -> str:
    """The state of a file: it differs where the content may."""
    return f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"


def _partial(span: tuple[int, int], size: int) -> bool:
    return span != (0, size)


def _span(size: int, etag: str, changed: datetime) -> tuple[int, int] | None:
    """The first byte and the one after the last that are wanted; None for a range past the end."""
    asked = parse_range_header(request.headers.get("Range"))
    if (
        asked is None
        or asked.units != "bytes"
        or len(asked.ranges) != 1
        or not _still(etag, changed)
    ):
        return 0, size
    return asked.range_for_length(size)


def _still(etag: str, changed: datetime) -> bool:
    """Whether the file is the one that ``If-Range`` speaks of."""
    condition = parse_if_range_header(request.headers.get("If-Range"))
    if condition.date is not None:
        return changed <= condition.date
    return condition.etag in (None, etag)


def _body(found: int, span: tuple[int, int], status: int) -> Response:
    """The bytes; by the kernel alone, from where they begin, where gunicorn serves without TLS.

    It sends as many as the answer's length says (``sendfile``). Other servers get them in pieces.
    """
    by_kernel = {"gunicorn.socket", "wsgi.file_wrapper"} <= request.environ.keys()
    if by_kernel and request.method == "GET" and request.scheme == "http" and span[1] > span[0]:
        os.lseek(found, span[0], os.SEEK_SET)
        sent = _Sent(found, span[1], request.environ["gunicorn.socket"])
        wrapper = request.environ["wsgi.file_wrapper"]
        return Response(wrapper(sent, PIECE), status, direct_passthrough=True)
    answer = Response(_pieces(found, *span), status)
    answer.call_on_close(lambda: os.close(found))
    return answer


@dataclass(frozen=True, slots=True)
class _Sent:
    """A file that the kernel sends up to ``end``. One that became shorter ends the connection:
    who waits for the missing bytes would take the next answer for them."""

    found: int
    end: int
    connection: socket.socket

    def fileno(self) -> int:
        return self.found

    def read(self, most: int) -> bytes:
        return os.read(self.found, most)

    def close(self) -> None:
        if os.fstat(self.found).st_size < self.end:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        os.close(self.found)


def _pieces(found: int, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        piece = os.pread(found, min(PIECE, end - start), start)
        if not piece:
            raise Shrunk("The file became shorter while it was sent.")
        start += len(piece)
        yield piece


def _headed(answer: Response, shown: Shown, etag: str, changed: datetime) -> Response:
    answer.set_etag(etag)
    answer.last_modified = changed
    answer.content_type = shown.kind
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Content-Security-Policy"] = SANDBOX
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    cached = f"private, max-age={shown.max_age}" if shown.max_age else "private, no-cache"
    answer.headers["Cache-Control"] = cached
    how = "attachment" if shown.attachment else "inline"
    answer.headers.set("Content-Disposition", how, filename=shown.name)
    return answer
