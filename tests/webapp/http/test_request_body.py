"""Bodies straight from the socket: the same bytes as gunicorn's own reading, and it knows of it."""

import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.unreader import SocketUnreader

from webapp.http import request_body
from webapp.http.request_body import socket_source

CONTENT = random.Random(7).randbytes(3_000_000)
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["plain", "tls"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """A client's connection, and the server's end of it."""
    client, server = socket.socketpair()
    if request.param == "tls":
        client, server = over_tls(client, server, tmp_path)
    client.settimeout(20)
    yield client, server
    client.close()
    server.close()


def over_tls(client: socket.socket, server: socket.socket, folder: Path) -> Pair:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    words = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=easel"]
    made = [*words, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.load_verify_locations(certificate)
    found: list[ssl.SSLSocket] = []
    shaking = threading.Thread(
        target=lambda: found.append(theirs.wrap_socket(client, server_hostname="easel"))
    )
    shaking.start()
    wrapped = ours.wrap_socket(server, server_side=True)
    shaking.join()
    return found[0], wrapped


def environ_of(server: socket.socket, length: int, early: bytes = b"") -> dict[str, Any]:
    """What gunicorn hands over; ``early`` came with the headers."""
    unreader = SocketUnreader(server)
    unreader.unread(early)
    return {"gunicorn.socket": server, "wsgi.input": Body(LengthReader(unreader, length))}


def read_body_bytes(environ: dict[str, Any], room: int) -> bytes:
    source, memory = socket_source(environ), memoryview(bytearray(room))
    assert source is not None
    found = bytearray()
    while count := source(memory):
        found += memory[:count]
    return bytes(found)


@pytest.mark.parametrize("room", [1000, 70_000, 1 << 20])
def test_all_bytes_come_and_none_of_the_next_request(pair: Pair, room: int) -> None:
    client, server = pair
    following = b"GET / HTTP/1.1\r\n\r\n"
    sender = threading.Thread(target=client.sendall, args=(CONTENT[5000:] + following,))
    sender.start()
    environ = environ_of(server, len(CONTENT), CONTENT[:5000])
    assert read_body_bytes(environ, room) == CONTENT
    sender.join()
    assert environ["wsgi.input"].read(10) == b""
    assert environ["wsgi.input"].reader.unreader.read() == following


def test_a_body_that_came_with_the_headers_and_the_next_request_behind_it(pair: Pair) -> None:
    _, server = pair
    environ = environ_of(server, 5, b"01234GET /")
    assert read_body_bytes(environ, 100) == b"01234"
    assert environ["wsgi.input"].reader.unreader.take_buffered() == b"GET /"


def test_what_is_there_is_handed_over_though_more_is_announced(pair: Pair) -> None:
    client, server = pair
    client.sendall(CONTENT[:1000])
    source, memory = socket_source(environ_of(server, 5000)), memoryview(bytearray(5000))
    assert source is not None
    assert source(memory) == 1000  # the test would hang here
    client.sendall(CONTENT[1000:1500])
    assert source(memory) == 500
    assert memory[:500] == CONTENT[1000:1500]
    assert server.gettimeout() is None
    client.shutdown(socket.SHUT_WR)
    assert source(memory) == 0


def test_a_trickle_is_handed_over_now_and_then(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = pair
    monkeypatch.setattr(request_body, "GATHER_SECONDS", 0.05)
    stop = threading.Event()

    def trickle() -> None:
        while not stop.is_set():
            client.sendall(b"x")
            time.sleep(0.005)

    sender = threading.Thread(target=trickle)
    sender.start()
    source = socket_source(environ_of(server, 1 << 30))
    assert source is not None
    assert 0 < source(memoryview(bytearray(1 << 20))) < 10_000
    stop.set()
    sender.join()


def test_what_came_before_a_break_counts(pair: Pair) -> None:
    client, server = pair
    client.sendall(CONTENT[:1000])
    client.close()
    assert read_body_bytes(environ_of(server, 5000), 5000) == CONTENT[:1000]


def test_chunks_and_other_bodies_are_left_to_the_server() -> None:
    client, server = socket.socketpair()
    with client, server:
        unreader = SocketUnreader(server)
        chunked = Body(ChunkedReader(None, unreader))
        assert socket_source({"gunicorn.socket": server, "wsgi.input": chunked}) is None
        assert socket_source({"wsgi.input": Body(LengthReader(unreader, 5))}) is None
        begun = Body(LengthReader(unreader, 5))
        begun.buf.write(b"0")
        assert socket_source({"gunicorn.socket": server, "wsgi.input": begun}) is None
    assert socket_source({}) is None
