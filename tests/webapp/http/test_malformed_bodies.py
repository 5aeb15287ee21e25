"""Malformed bodies at every kind of route that reads one, through gunicorn: 400 and one line."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.plugins.plugin_files import make_plugin
from tests.wait import TIMEOUT, wait_until
from tests.webapp.web_process import WebProcess, web_process

WEB = """
from plugins.api import Reply, Route

class Plugin:
    def __init__(self, home):
        self.home = home

    @hook
    def routes(self):
        return [Route("/echo", lambda ask: Reply({"got": ask.body}), methods=("POST",))]
"""
CHUNKS = {
    "no number": b"xyz\r\nabc\r\n0\r\n\r\n",
    "negative": b"-3\r\nabc\r\n0\r\n\r\n",
    "signed": b"+3\r\nabc\r\n0\r\n\r\n",
    "prefixed": b"0x3\r\nabc\r\n0\r\n\r\n",
    "empty size": b"\r\nabc\r\n0\r\n\r\n",
    "no end of the chunk": b"3\r\nabcXX0\r\n\r\n",
    "endless size line": b"1" * 20_000,
    "bad extension": b"3;\x01=\r\nabc\r\n0\r\n\r\n",
    "bad trailer": b"3\r\nabc\r\n0\r\nBad Trailer: x\r\n\r\n",
    "bare line feed in a trailer": b"3\r\nabc\r\n0\r\nA: b\n\r\n",
    "second chunk": b"3\r\nabc\r\nzz\r\nabc\r\n0\r\n\r\n",
}
CUT = {
    "cut size": b"3",
    "cut chunk": b"ff\r\nabc",
    "cut end": b"3\r\nabc",
    "no last": b"3\r\nabc\r\n",
}
ROUTES = {
    "json": ("POST", "/internal/token-count", {"Content-Type": "application/json"}),
    "draw": ("POST", "/sdapi/v1/txt2img", {"Content-Type": "application/json"}),
    "form": ("POST", "/login", {"Content-Type": "application/x-www-form-urlencoded"}),
    "multipart": ("POST", "/login", {"Content-Type": "multipart/form-data; boundary=b"}),
    "text": ("PUT", "/api/files/text?path=/data/work/t.txt", {"If-None-Match": "*"}),
    "dav": ("PUT", "/dav/data/work/new.txt", {}),
    "suggest": ("POST", "/api/files/uploads/suggest", {}),
    "plugin": ("POST", "/plugins/echoes/echo", {"Content-Type": "application/json"}),
    "archive": ("POST", "/api/plugins/install", {}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    data_dir = tmp_path_factory.mktemp("malformed")
    make_plugin(data_dir, "echoes", web=WEB, hooks="routes")
    (data_dir / "work").mkdir()
    with web_process(data_dir, log=data_dir.parent / "malformed.log") as running:
        yield running


def ask(server: WebProcess, route: tuple[str, str, dict[str, str]], body: bytes) -> bytes:
    """All that comes back for a chunked request whose sender says no more after ``body``."""
    method, path, headers = route
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: _receive(connection), b""))


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:  # it closed with bytes of ours unread
        return b""


def begin_upload(server: WebProcess) -> tuple[str, str, dict[str, str]]:
    """The route of a PATCH at an upload whose length is not known."""
    head = (
        "POST /api/files/uploads HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n"
        "Upload-Defer-Length: 1\r\nConnection: close\r\nContent-Length: 0\r\n"
        "Upload-Metadata: filename dXAudHh0,folder L2RhdGEvd29yaw==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        connection.sendall(head.encode())
        found = b"".join(iter(lambda: _receive(connection), b"")).decode()
    place = found.partition("Location: ")[2].partition("\r\n")[0]
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
    return "PATCH", place, {**headers, "Content-Type": "application/offset+octet-stream"}


@pytest.mark.parametrize("route", [*ROUTES, "tus"])
def test_malformed_chunks_are_refused_in_one_line(server: WebProcess, route: str) -> None:
    for name, body in (CHUNKS | CUT).items():
        before = server.log_text()
        asked = begin_upload(server) if route == "tus" else ROUTES[route]
        found = ask(server, asked, body)
        assert found.startswith(b"HTTP/1.1 400"), (name, found[:200])
        assert found.count(b"Server: gunicorn") == 1, (name, found)
        assert b"Connection: close" in found, name
        told = server.log_text()[len(before) :]
        assert "Traceback" not in told, (name, told)
        assert len(told.splitlines()) <= 1, (name, told)
    assert not [*(server.data_dir / "work").iterdir()]


@pytest.mark.parametrize("name", [*CHUNKS, *CUT])
def test_routes_that_read_no_body_answer_once_and_close(server: WebProcess, name: str) -> None:
    before = server.log_text()
    again = b"GET /internal/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for method, path in (("GET", "/internal/ping"), ("PUT", "/nothing"), ("PROPFIND", "/dav/data")):
        found = ask(server, (method, path, {"Depth": "0"}), {**CHUNKS, **CUT}[name] + again)
        assert found.count(b"Server: gunicorn") == 1, found
        assert not found.startswith(b"HTTP/1.1 5")
    assert "Traceback" not in server.log_text()[len(before) :]


@pytest.mark.parametrize("path", ["/internal/token-count", "/sdapi/v1/txt2img", "/login"])
def test_a_body_that_is_shorter_than_told_is_refused(server: WebProcess, path: str) -> None:
    kind = "application/x-www-form-urlencoded" if path == "/login" else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    text = f"{head}Content-Length: 90\r\n\r\n{{"
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        connection.sendall(text.encode())
        connection.shutdown(socket.SHUT_WR)
        assert _receive(connection).startswith(b"HTTP/1.1 400")
    assert "Traceback" not in server.log_text()


def test_well_formed_chunks_are_read_and_the_connection_goes_on(server: WebProcess) -> None:
    body = json.dumps({"text": "a cat"}).encode()
    chunks = b"%x;a=b\r\n%s\r\n0\r\nX-Trailer: yes\r\n\r\n" % (len(body), body)
    head = b"POST /plugins/echoes/echo HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        for _ in range(2):
            connection.sendall(head + chunks)
            found = b""
            while b'"a cat"' not in found:
                found += (piece := connection.recv(65536))
                assert piece, found
            assert found.startswith(b"HTTP/1.1 200")
    wait_until(lambda: "Traceback" not in server.log_text(), polls=1)
