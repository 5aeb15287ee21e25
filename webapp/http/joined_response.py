"""Gunicorn's writing of an answer, with head and body in one piece. No Flask."""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi

JOINED_BYTES = 64 * 1024
"""Bytes of a body that is copied behind its head; a longer one is sent after it."""


class JoinedResponse(wsgi.Response):
    """An answer whose head waits for the first piece of its body.

    Each piece that is sent costs a call of the system, in which the thread gives its turn away,
    and wakes the client once more.
    """

    headers_sent: bool
    _waiting_head = b""

    def default_headers(self) -> list[str]:
        """The first lines; the date is written once a second."""
        connection = "close" if self.should_close() else "keep-alive"
        major, minor = self.req.version
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {date_line(int(time.time()))}\r\n",
            f"Connection: {'upgrade' if self.upgrade else connection}\r\n",
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines

    def send_headers(self) -> None:
        """Send the head, unless :meth:`write` has made it, where it waits for the body."""
        if not self.headers_sent:
            self._make_head()
            self._send_waiting()

    def write(self, arg: bytes) -> None:
        """Send a piece of the body, the first one with the head; an empty one sends that alone."""
        if not self.headers_sent:
            self._make_head()
        super().write(arg)
        self._send_waiting()

    def _make_head(self) -> None:
        lines = self.default_headers()
        lines.extend([f"{name}: {value}\r\n" for name, value in self.headers])
        self._waiting_head = ("".join(lines) + "\r\n").encode("latin-1")
        self.headers_sent = True

    def _send_waiting(self) -> None:
        head, self._waiting_head = self._waiting_head, b""
        if head:
            self.sock.sendall(head)

    def _emit_body(self, data: bytes) -> None:
        if self.chunked or len(data) > JOINED_BYTES:
            self._send_waiting()
            util.write(self.sock, data, self.chunked)
        else:
            head, self._waiting_head = self._waiting_head, b""
            self.sock.sendall(head + data)


@lru_cache(maxsize=2)
def date_line(second: int) -> str:
    """A moment as heads write it."""
    return str(util.http_date(second))


def make_exchange(req: Any, conn: Any, cfg: Any) -> tuple[JoinedResponse, dict[str, Any]]:
    """A request's answer and its WSGI environment."""
    answer, environ = wsgi.create(req, conn.sock, conn.client, conn.server, cfg, JoinedResponse)
    environ["wsgi.multithread"] = True
    return answer, environ


def send_answer(answer: JoinedResponse, parts: Iterable[bytes]) -> None:
    """Send what the app answers, and close it whether or not that went well."""
    try:
        if isinstance(parts, wsgi.FileWrapper):
            answer.write_file(parts)
        else:
            for part in parts:
                answer.write(part)
        answer.close()
    finally:
        if hasattr(parts, "close"):
            parts.close()
