"""An open file as an HTTP response: ranges, conditional requests, security headers.

The only module here that knows Werkzeug; none knows Flask.
"""

import os
import re
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from werkzeug.http import is_resource_modified, parse_if_range_header
from werkzeug.wrappers import Request, Response

from filebrowser.disposition import content_disposition
from filebrowser.errors import NotAFile
from filebrowser.listing.file_kinds import OCTET_STREAM
from filebrowser.resources import clamp_time

PIECE = 1024 * 1024  # bytes read at once
MAX_DIGITS = 19  # digits
RANGE = re.compile(r"[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*")
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
"""For whatever a user brought here: it is shown, and runs nothing."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Response options of a file. Unknown media types are always attachments."""

    name: str  # the file's name for the one who saves it
    media_type: str = OCTET_STREAM
    attachment: bool = True
    max_age: int = 0  # seconds in the caller's own cache


class Shrunk(OSError):
    """The file became shorter while it was sent; the connection is broken off on purpose."""


def respond(fd: int, options: ServeOptions, request: Request) -> Response:
    """The answer to ``request`` (GET or HEAD) with the open file ``fd``.

    Takes the descriptor over and closes it, whatever happens. 200, 206 for one range, 304, 412, or
    416; several ranges are answered whole, as RFC 9110 section 14.2 allows. Reads begin at the
    offset asked for, however large the file. Raises :class:`NotAFile` for a folder.
    """
    with ExitStack() as held:
        held.callback(os.close, fd)
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise NotAFile(f"{options.name!r} is a folder, which has no bytes of its own.")
        etag = etag_of(facts)
        changed = datetime.fromtimestamp(clamp_time(int(facts.st_mtime)), UTC)
        if status := _status_without_body(request, etag, changed):
            return _set_headers(Response(status=status), options, etag, changed)
        matches = _if_range_matches(request, etag, changed)
        spans = _requested_ranges(request, facts.st_size) if matches else None
        if spans == []:
            refused = Response(status=416)
            refused.headers["Content-Range"] = f"bytes */{facts.st_size}"
            return _set_headers(refused, options, etag, changed)
        start, end = spans[0] if spans else (0, facts.st_size)
        answer = _body_response(request, fd, (start, end), 206 if spans else 200)
        answer.content_length = end - start
        if spans:
            answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{facts.st_size}"
        _set_headers(answer, options, etag, changed)
        held.pop_all()  # the answer closes it
        return answer


def _status_without_body(request: Request, etag: str, changed: datetime) -> int:
    """The status by which the request's conditions rule the bytes out; 0 where they do not."""
    since = request.if_unmodified_since
    if request.if_match:
        if not request.if_match.is_strong(etag):
            return 412
    elif since is not None and changed > since:
        return 412
    return 0 if is_resource_modified(request.environ, etag, last_modified=changed) else 304


def etag_of(facts: os.stat_result) -> str:
    """The state of a file: it differs where the content may."""
    return f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"


def _requested_ranges(request: Request, size: int) -> list[tuple[int, int]] | None:
    """The first byte and the one after the last that the Range header asks for.

    None for the whole: no such header, one that is malformed, several ranges, or one of all bytes.
    Empty where all ranges begin behind the end.
    """
    unit, _, listed = request.headers.get("Range", "").partition("=")
    ranges = [RANGE.fullmatch(each) for each in listed.split(",") if each.strip(" \t")]
    if unit.strip().lower() != "bytes" or not ranges:
        return None
    spans = []
    for each in ranges:
        span = each and _to_range(each[1], each[2], each[3], size)
        if span is None:
            return None
        if span[0] < span[1]:
            spans.append(span)
    if (len(ranges) > 1 and spans) or spans == [(0, size)]:
        return None
    return spans


def _to_range(first: str, last: str, suffix: str | None, size: int) -> tuple[int, int] | None:
    """One range, empty where it begins behind the end; None for one that ends before it begins."""
    if suffix is not None:
        return max(0, size - _parse_number(suffix)), size
    start = _parse_number(first)
    if not last:
        return start, size
    return (start, min(size, _parse_number(last) + 1)) if _parse_number(last) >= start else None


def _parse_number(digits: str) -> int:
    """A number of bytes; one that no file has for numbers of any length."""
    return int(digits) if len(digits) < MAX_DIGITS else sys.maxsize


def _if_range_matches(request: Request, etag: str, changed: datetime) -> bool:
    """Whether the file is the one that ``If-Range`` speaks of."""
    condition = parse_if_range_header(request.headers.get("If-Range"))
    if condition.date is not None:
        return changed <= condition.date
    return condition.etag in (None, etag)


def _body_response(request: Request, fd: int, span: tuple[int, int], status: int) -> Response:
    """The bytes; by the kernel alone, from where they begin, where gunicorn serves without TLS.

    It sends as many as the answer's length says (``sendfile``). Other servers get them in pieces.
    """
    by_kernel = {"gunicorn.socket", "wsgi.file_wrapper"} <= request.environ.keys()
    if by_kernel and request.method == "GET" and request.scheme == "http" and span[1] > span[0]:
        os.lseek(fd, span[0], os.SEEK_SET)
        sent = _SendfileFile(fd, span[1], request.environ["gunicorn.socket"])
        wrapper = request.environ["wsgi.file_wrapper"]
        return Response(wrapper(sent, PIECE), status, direct_passthrough=True)
    answer = Response(_read_pieces(fd, *span), status)
    answer.call_on_close(lambda: os.close(fd))
    return answer


@dataclass(frozen=True, slots=True)
class _SendfileFile:
    """A file that the kernel sends up to ``end``. One that became shorter ends the connection:
    who waits for the missing bytes would take the next answer for them."""

    fd: int
    end: int
    connection: socket.socket

    def fileno(self) -> int:
        return self.fd

    def read(self, most: int) -> bytes:
        return os.read(self.fd, most)

    def close(self) -> None:
        if os.fstat(self.fd).st_size < self.end:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        os.close(self.fd)


def _read_pieces(fd: int, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        piece = os.pread(fd, min(PIECE, end - start), start)
        if not piece:
            raise Shrunk("The file became shorter while it was sent.")
        start += len(piece)
        yield piece


def _set_headers(answer: Response, options: ServeOptions, etag: str, changed: datetime) -> Response:
    answer.set_etag(etag)
    answer.last_modified = changed
    answer.content_type = options.media_type
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Content-Security-Policy"] = SANDBOX
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    cached = f"private, max-age={options.max_age}" if options.max_age else "private, no-cache"
    answer.headers["Cache-Control"] = cached
    answer.headers["Content-Disposition"] = content_disposition(
        options.name, attachment=options.attachment or options.media_type == OCTET_STREAM
    )
    return answer
