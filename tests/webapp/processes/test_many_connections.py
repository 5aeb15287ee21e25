"""What many connections may do to a real web process: cost files, and no threads."""

import http.client
import json
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.wait import TIMEOUT, join_thread, wait_until
from tests.webapp.web_process import WebProcess, unverified_context, web_process

FLAGS = ("--max-connections", "700", "--max-connections-per-address", "600")
SILENT = b""
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost:"
HALF_A_FORM = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40\r\n\r\ntoken"
HALF_A_CHUNK = (
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nto"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with web_process(
        tmp_path_factory.mktemp("served"), *FLAGS, "--max-waiting-requests", "40"
    ) as running:
        yield running


@pytest.fixture
def over_tls(tmp_path: Path) -> Iterator[WebProcess]:
    """A web process that speaks TLS alone; its clients do not ask who it is."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    words = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=easel"]
    made = [*words, "-keyout", key, "-out", certificate]
    subprocess.run(made, check=True, capture_output=True)
    flags = ("--tls-keyfile", key, "--tls-certfile", certificate)
    running = WebProcess(tmp_path / "data", flags, scheme="https")
    running.start()
    yield running
    running.stop()


def open_connections(
    server: WebProcess, count: int, sent: bytes, stack: ExitStack
) -> list[socket.socket]:
    """Connections that send so much and then nothing."""
    made = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
        stack.callback(one.close)
        one.sendall(sent)
        made.append(one)
    return made


def status_of(server: WebProcess, path: str, method: str = "GET") -> int:
    """The status of a request on a connection of its own."""
    asking = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    try:
        asking.request(method, path, headers={"Host": "localhost"})
        return asking.getresponse().status
    finally:
        asking.close()


@pytest.mark.parametrize("sent", [SILENT, HALF_A_HEAD, HALF_A_FORM, HALF_A_CHUNK])
def test_half_sent_requests_hold_no_thread(server: WebProcess, sent: bytes) -> None:
    before = server.serving.num_threads()
    with ExitStack() as stack:
        open_connections(server, 300, sent, stack)
        assert status_of(server, "/healthz") == 200
        assert status_of(server, "/sdapi/v1/samplers") == 200
        assert server.serving.num_threads() < before + 50


def test_more_connections_than_may_be_open_close_the_oldest_silent_one(server: WebProcess) -> None:
    with ExitStack() as stack:
        made = open_connections(server, 620, SILENT, stack)
        assert status_of(server, "/healthz") == 200
        assert made[0].recv(1) == b""
        made[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert made[-1].recv(15).startswith(b"HTTP/1.1 200")


def test_clients_that_read_no_answer_keep_nobody_waiting(server: WebProcess) -> None:
    closing = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        open_connections(server, 100, closing, stack)  # answered, and left open by the client
        assert status_of(server, "/healthz") == 200


def test_waiting_draws_leave_threads_for_others_and_have_a_cap(server: WebProcess) -> None:
    """Nobody works on the queue here: each draw waits until its client leaves."""
    body = json.dumps({"prompt": "a cat", "steps": 1}).encode()
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    text = f"POST /sdapi/v1/txt2img HTTP/1.1\r\n{head}\r\n\r\n".encode() + body
    with ExitStack() as stack:
        made = open_connections(server, 60, text, stack)
        refused: list[bytes] = []

        def read(one: socket.socket) -> None:
            if first := one.recv(4096):
                refused.append(first)

        readers = [threading.Thread(target=read, args=(one,), daemon=True) for one in made]
        for reader in readers:
            reader.start()
        wait_until(lambda: len(refused) == 15)  # of 60, 40 and the owner's 5 wait
        assert all(b" 503 " in first and b"Retry-After: 5" in first for first in refused)
        assert status_of(server, "/healthz") == 200
        assert status_of(server, "/sdapi/v1/interrupt", "POST") == 200
        assert status_of(server, "/sdapi/v1/samplers") == 200
        for one in made:
            one.shutdown(socket.SHUT_RDWR)
        for reader in readers:
            join_thread(reader)


def test_a_request_that_asks_before_it_sends_is_told_to(server: WebProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as one:
        one.sendall(
            b"POST /internal/token-count HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/json\r\nContent-Length: 19\r\n\r\n"
        )
        assert one.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.sendall(b'{"prompt": "a cat"}')
        assert one.recv(100).startswith(b"HTTP/1.1 200")


def test_two_requests_in_one_piece_are_both_answered(server: WebProcess) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        connection.sendall(one + one[:20])
        found = b""
        while b"ok" not in found:
            found += connection.recv(4096)
        connection.sendall(one[20:])
        found = b""
        while b"ok" not in found:
            found += connection.recv(4096)


def test_a_head_without_an_end_is_refused(server: WebProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as one:
        one.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 140_000)
        assert one.recv(100).startswith(b"HTTP/1.1 431")


def test_half_shaken_hands_hold_no_thread(over_tls: WebProcess) -> None:
    with ExitStack() as stack:
        for sent in (SILENT, b"\x16\x03\x01\x02\x00\x01", HALF_A_HEAD):
            open_connections(over_tls, 100, sent, stack)
        for _ in range(3):
            with urllib.request.urlopen(
                f"{over_tls.url}/healthz", context=unverified_context(), timeout=TIMEOUT
            ) as answer:
                assert answer.status == 200
        talking = http.client.HTTPSConnection(
            "127.0.0.1", over_tls.port, context=unverified_context(), timeout=TIMEOUT
        )
        stack.callback(talking.close)
        for size in (2, 200_000, 3):  # short and long bodies on one connection
            body = b'{"prompt": "' + b"a" * size + b'"}'
            talking.request(
                "POST", "/internal/token-count", body, {"Content-Type": "application/json"}
            )
            answer = talking.getresponse()
            answer.read()
            assert answer.status in (200, 422)
