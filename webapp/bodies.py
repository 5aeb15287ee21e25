"""Bodies of requests, however long, into memory that the caller brings. No Flask.

Gunicorn's own reading copies each byte twice on its way from the socket; a body whose length is
known is taken from the socket itself here, and gunicorn is told how far it is.
"""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gunicorn.http.body import Body, LengthReader

from filebrowser.uploads.blocks import Source

A_MOMENT = 0.1  # seconds for which bytes are gathered before they are handed over


def connection_of(environ: Mapping[str, Any]) -> socket.socket | None:
    """The connection that a request came by, where the server tells."""
    found = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    return found if isinstance(found, socket.socket) else None


def from_socket(environ: Mapping[str, Any]) -> Source | None:
    """How to take the body from the socket; None where that cannot be done: chunks, HTTP/2."""
    body, connection = environ.get("wsgi.input"), connection_of(environ)
    if connection is None or not isinstance(body, Body) or body.buf.tell():
        return None
    if not isinstance(body.reader, LengthReader):
        return None
    return _Socket(connection, body.reader)


@dataclass(slots=True)
class _Socket:
    connection: socket.socket
    reader: LengthReader

    def __call__(self, room: memoryview, /) -> int:
        """Fill ``room`` with what comes within a moment, once anything does; 0 at the end."""
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
        count = self.connection.recv_into(room)
        until = time.monotonic() + A_MOMENT
        self.connection.settimeout(A_MOMENT)
        try:
            while 0 < count < len(room) and time.monotonic() < until:
                more = self.connection.recv_into(room[count:])
                if not more:
                    break
                count += more
        except OSError:  # nothing for a moment, or a broken connection: the next call tells
            pass
        finally:
            self.connection.settimeout(None)
        return count
