"""The attack checklist where bytes meet the server itself, 29, 38, 63 and 72: a real gunicorn."""

import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from tests.wait import TIMEOUT, wait_until
from tests.webapp.web_process import WebProcess, web_process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with web_process(tmp_path_factory.mktemp("served")) as running:
        (running.data_dir / "work").mkdir()
        (running.data_dir / "work" / "a.txt").write_bytes(b"letters")
        yield running


def raw(server: WebProcess, text: str, wait: float = 2.0) -> bytes:
    """What the server says to these bytes until it closes, or falls silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as connection:
        connection.sendall(text.encode("latin-1"))
        found = b""
        try:
            while piece := connection.recv(65536):
                found += piece
        except (TimeoutError, ConnectionResetError):
            pass
    return found


INNER = "DELETE /dav/data/work/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        f"Content-Length: {len(INNER) + 5}\r\nTransfer-Encoding: chunked\r\n",
        f"Transfer-Encoding: chunked\r\nContent-Length: {len(INNER) + 5}\r\n",
        f"Transfer-Encoding: xchunked\r\nContent-Length: {len(INNER) + 5}\r\n",
        f"Content-Length: {len(INNER) + 5}\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: identity, chunked, identity\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding : chunked\r\n",
    ],
)
def test_38_two_lengths_smuggle_nothing(server: WebProcess, headers: str) -> None:
    text = f"POST /api/files/folder HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n0\r\n\r\n{INNER}"
    found = raw(server, text)
    assert found.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert b"HTTP/1.1 204" not in found
    assert (server.data_dir / "work" / "a.txt").read_bytes() == b"letters"


@pytest.mark.parametrize("name", ["a%0d%0aX-Evil:1", "a%0aSet-Cookie:x=1", "%00"])
def test_38_line_breaks_become_no_header(server: WebProcess, name: str) -> None:
    for path in (f"/api/files/content?path=/data/work/{name}", f"/dav/data/work/{name}"):
        found = raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = found.partition(b"\r\n\r\n")[0].lower()
        assert found.startswith(b"HTTP/1.1 4")
        assert b"x-evil" not in head
        assert b"set-cookie" not in head


def test_38_chunks_with_trailers_are_one_upload(server: WebProcess) -> None:
    body = "3\r\none\r\n3\r\ntwo\r\n0\r\nX-Trailer: DELETE\r\n\r\n"
    head = "PUT /dav/data/work/chunks.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    found = raw(server, f"{head}Transfer-Encoding: chunked\r\n\r\n{body}")
    assert found.startswith((b"HTTP/1.1 201", b"HTTP/1.1 4"))
    path = server.data_dir / "work" / "chunks.txt"
    assert not path.exists() or path.read_bytes() == b"onetwo"


def test_29_slow_bodies_keep_nobody_else_waiting(server: WebProcess) -> None:
    begun = []
    for _ in range(24):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
        connection.sendall(
            b"PUT /dav/data/work/slow.txt HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 1000\r\n\r\nx"
        )
        begun.append(connection)
    try:
        asked = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
        asked.request("GET", "/api/files?path=/data/work", headers={"Host": "localhost"})
        assert asked.getresponse().status == 200
        asked.close()
    finally:
        for connection in begun:
            connection.close()
    assert not (server.data_dir / "work" / "slow.txt").exists()


def test_a_put_that_breaks_off_leaves_nothing(server: WebProcess) -> None:
    head = "PUT /dav/data/work/cut.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        connection.sendall(head.encode() + b"x" * 500)
    staging = server.data_dir / ".uploads"
    time.sleep(0.3)
    wait_until(lambda: not list(staging.rglob("data")))
    assert not (server.data_dir / "work" / "cut.txt").exists()
