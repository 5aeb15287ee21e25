"""Reads request bodies: refuses malformed ones, avoids copies of long ones. No Flask.

Gunicorn's own reading copies each byte twice on its way from the socket; a body whose length is
known is taken from the socket itself here, and gunicorn is told how far it is.
"""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gunicorn.http.body import Body, LengthReader
from gunicorn.http.errors import NoMoreData, ParseException

from filebrowser.uploads.blocks import Source
from webapp.errors import MalformedBody
from webapp.http.body_pace import PacedUnreader

GATHER_SECONDS = 0.1  # seconds for which bytes are gathered before they are handed over


@dataclass(slots=True)
class CheckedBody:
    """``wsgi.input`` that raises ``MalformedBody`` where the caller sent something else.

    Malformed chunks, and bodies that end before their last byte: gunicorn ends those in silence,
    and half a file would pass for the whole.
    """

    body: Body
    missing: int = 0  # bytes that are still to come, where the length was told

    def read(self, size: int | None = None) -> bytes:
        """At most ``size`` bytes; b"" at the end."""
        to_end = size is None or size < 0
        return self._read_checked(lambda: self.body.read(size), self.missing if to_end else size)

    def readline(self, size: int | None = None) -> bytes:
        """The next line, or its first ``size`` bytes."""
        return self._read_checked(lambda: self.body.readline(size), 1)

    def readlines(self, size: int | None = None) -> list[bytes]:
        """The lines that are left."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        """The lines that are left."""
        return iter(self.readline, b"")

    def _read_checked(self, read: Callable[[], bytes], least: int | None) -> bytes:
        try:
            data = read()
            self.missing -= len(data)
            if self.missing > 0 and len(data) < (least or 0):
                raise NoMoreData
            return data
        except ParseException as error:
            raise MalformedBody(f"The body's chunks are malformed: {str(error)[:200]}") from None
        except NoMoreData:
            raise MalformedBody("The body ended too early; send it whole.") from None
        finally:
            if self.body.failed:  # where the next request would begin is unknown
                self._close_afterwards()

    def _close_afterwards(self) -> None:
        message = getattr(self.body.reader, "req", None)
        if message is not None:
            message.force_close()


def check_body(environ: dict[str, Any]) -> None:
    """Let the body of a request be read through :class:`CheckedBody`."""
    body = environ.get("wsgi.input")
    if isinstance(body, Body):
        length = body.reader.length if isinstance(body.reader, LengthReader) else 0
        environ["wsgi.input"] = CheckedBody(body, length)


def connection_of(environ: Mapping[str, Any]) -> socket.socket | None:
    """The connection that a request came by, where the server tells."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    return connection if isinstance(connection, socket.socket) else None


def socket_source(environ: Mapping[str, Any]) -> Source | None:
    """How to take the body from the socket; None where that cannot be done: chunks, HTTP/2."""
    checked, connection = environ.get("wsgi.input"), connection_of(environ)
    body = checked.body if isinstance(checked, CheckedBody) else checked
    if connection is None or not isinstance(body, Body) or body.buf.tell():
        return None
    if not isinstance(body.reader, LengthReader):
        return None
    return _SocketReader(connection, body.reader)


@dataclass(slots=True)
class _SocketReader:
    connection: socket.socket
    reader: LengthReader

    def __call__(self, room: memoryview, /) -> int:
        """Fill ``room`` with the bytes that arrive; 0 at the end.

        Returns ``GATHER_SECONDS`` after the first byte at the latest.
        """
        room = room[: self.reader.length]
        early = len(self.reader.unreader.buf.getvalue())  # came along with the headers
        if early and room:
            block = self.reader.read(min(early, len(room)))
            room[: len(block)] = block
            return len(block)
        count = self._gather(room) if room else 0
        self.reader.length -= count
        return count

    def _gather(self, room: memoryview) -> int:
        timeout = self.connection.gettimeout()
        count = self._read_first(room)
        until = time.monotonic() + GATHER_SECONDS
        self.connection.settimeout(GATHER_SECONDS)
        try:
            while 0 < count < len(room) and time.monotonic() < until:
                more = self.connection.recv_into(room[count:])
                if not more:
                    break
                count += more
        except OSError:  # nothing for a moment, or a broken connection: the next call tells
            pass
        finally:
            self.connection.settimeout(timeout)
        return count

    def _read_first(self, room: memoryview) -> int:
        """What comes first, however long that takes within the pace of the server."""
        unreader = self.reader.unreader
        if isinstance(unreader, PacedUnreader):
            return unreader.pace.take(lambda: self.connection.recv_into(room), int)
        return self.connection.recv_into(room)
