"""Requests over a socket that the test holds."""

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping

from tests.wait import TIMEOUT
from tests.webapp.web_process import WebProcess


def ask(
    server: WebProcess,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, body, headers. JSON for what is no bytes; an iterator goes in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    plain = body is None or isinstance(body, bytes | Iterator)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it heard enough
            connection.request(
                method, path, body if plain else json.dumps(body), dict(headers or {})
            )
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()
