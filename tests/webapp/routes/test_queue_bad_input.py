"""What strangers send to the queues, through a real web process: refused, and nothing is lost."""

import base64
import socket
import sqlite3
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from urllib.parse import quote

import pytest
import requests

from tests.wait import TIMEOUT, wait_until
from tests.webapp.http.websocket_client import Refused
from tests.webapp.routes.queue_service import TOKEN, QueueService, queue_service

WATCH = "/api/predict/easel/sink?_watch_=true&_window_=5&_auto_commit_=false"
MIB = 2**20
MANY_WATCHERS = 400


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueService]:
    """One service for all tests here."""
    with queue_service(tmp_path_factory.mktemp("strangers") / "data") as service:
        yield service


@pytest.fixture
def service(running: QueueService) -> QueueService:
    """The service with empty queues."""
    running.empty()
    return running


# -- values -------------------------------------------------------------------------------------

NUMBERS = ("-2", str(2**63), str(2**64), "1e3", "0x10", "1_0", "%2B1", "%00", "%D9%A1", "NaN")
VALUES = {
    "GET easel/sink?_index_=": NUMBERS,
    "GET easel/sink?_length_=": (*NUMBERS, "0", "-1", "1001"),
    "GET easel/sink?_watch_=true&_window_=": (*NUMBERS, "-1", "10001"),
    "GET easel/sink?_count_=true&_priority_=": (*NUMBERS, "-1", str(2**31)),
    "GET easel/sink?_timeout_=": ("5S", "-5s", "1e9s", "nan", "inf", "1h1h", "%205s", "%D9%A5s"),
    "GET easel/sink?_raw_=": ("yes", "2", "%00"),
    "PUT easel/sink?_indexes_=": (*NUMBERS, "0", "-1", "1,,2", "1;2"),
    "DELETE easel/sink?_indexes_=": (*NUMBERS, "0", "1,a"),
    "DELETE easel/sink?_trunc_=true&_index_=": NUMBERS,
    "POST easel/sink?_eos_=": ("maybe",),
    "POST easel/sink?_priority_=": (*NUMBERS, "-1"),
    "POST easel/sink?a=": ("%00", "x" * 1025),
    "POST easel/sink?": ("a%00=1", "&".join(f"t{n}=1" for n in range(33)), "x" * 1025),
}


def test_malformed_values_are_400_with_the_name_and_change_nothing(service: QueueService) -> None:
    index, _ = service.put("easel/sink", "kept")
    for start, values in VALUES.items():
        method, path = start.split(" ")
        name = path.rpartition("?")[2].rpartition("&")[2].rstrip("=")
        for value in values:
            answer = service.ask(method, path + value)
            assert answer.status_code == 400, (start, value, answer.text)
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert name in answer.text or "tag" in answer.text, (start, value, answer.text)
    found = service.attributes()
    assert (found["stream.length"], found["stream.firstEntry"]) == ("1", str(index))


def test_tags_of_any_alphabet_come_back_and_are_found(service: QueueService) -> None:
    tags = {"ключ": "ü€😀", "a b": "c&d=e", "": "no name"}
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in tags.items())
    _, request_id = service.put(f"easel/sink?{query}", b"\0\xff")
    (found,) = service.ask("GET", f"easel/sink?_raw_=false&{query}").json()
    assert found["tags"] == {**tags, "requestId": request_id}
    assert base64.b64decode(found["data"]) == b"\0\xff"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("PATCH", "easel/sink", 405, "Method Not Allowed"),
        ("POST", "easel/../../login", 404, "no path"),
        ("POST", "easel/sdapi/v1/txt2img%00", 404, "no path"),
        ("POST", "easel/sink/more", 404, "no path"),
        ("GET", "%D0%BA?_attrs_=true", 404, "Known: easel"),
        ("POST", f"easel/sink?t={'x' * 9000}", 414, "Request Line is too large"),
    ],
)
def test_addresses_that_lead_nowhere(
    service: QueueService, method: str, path: str, status: int, words: str
) -> None:
    answer = raw_request(service, method, f"/api/predict/{path}")
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert words in answer
    assert '{"' not in answer


def raw_request(service: QueueService, method: str, target: str, *headers: str) -> str:
    """The whole answer to a request whose target no client has tidied."""
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Authorization: {TOKEN}"]
    with socket.create_connection(("127.0.0.1", service.web.port), TIMEOUT) as connection:
        text = "\r\n".join([*lines, "Connection: close", "Content-Length: 0", *headers, "", ""])
        connection.sendall(text.encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


# -- a store that cannot be written -------------------------------------------------------------


def test_a_queue_that_another_process_holds_is_503_and_recovers(service: QueueService) -> None:
    """And no put of a client that was told so, or has given up, is stored later."""
    service.pause()
    index, _ = service.put("easel/sink", "kept")
    before, asked = service.web.serving.pid, ("POST easel/sink", "GET easel/sink")
    asked = (*asked, f"PUT easel/sink?_indexes_={index}", f"DELETE easel/sink?_indexes_={index}")
    path = service.web.data_dir / ".easel/queue.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(4) as at:
        other.execute("BEGIN IMMEDIATE")
        answers = list(at.map(lambda each: service.ask(*each.split(" "), data="x"), asked))
        other.execute("ROLLBACK")
    for each in answers:
        assert (each.status_code, each.headers["Retry-After"]) == (503, "5"), each.text
        assert "another process" in each.text
    assert service.ask("GET", "easel/sink").content == b"kept"
    assert service.attributes()["stream.length"] == "0"
    assert service.web.serving.pid == before


# -- connections --------------------------------------------------------------------------------


def frame(opcode: int, payload: bytes = b"", *, last: bool = True, masked: bool = True) -> bytes:
    """A frame as a client sends it, with the mask 0."""
    mask, size = 0x80 * masked, len(payload)
    length = bytes([mask | size]) if size < 126 else struct.pack(">BH", mask | 126, size)
    return bytes([0x80 * last | opcode]) + length + bytes(4 * masked) + payload


RUBBISH = {
    "noise": b"\xff" * 200,
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "no mask": frame(2, b"abc", masked=False),
    "reserved opcode": frame(3, b"abc"),
    "long ping": frame(9, b"x" * 200),
    "fragmented ping": frame(9, b"x", last=False),
    "continuation of nothing": frame(0, b"x"),
    "text that is none": frame(1, b"\xff\xfe"),
    "length of 2**63": b"\x82\xff" + b"\xff" * 8,
    "closing frame without a code": frame(8, b"\x03"),
}


def test_rubbish_ends_its_watch_and_nothing_else(service: QueueService) -> None:
    before = service.web.serving.pid
    for name, data in RUBBISH.items():
        with service.watch(WATCH.removeprefix("/api/predict/")) as watch:
            watch.socket.sendall(data)
            watch.socket.settimeout(TIMEOUT)
            while watch.socket.recv(65536):
                pass
        assert service.web.serving.pid == before, name
    service.put("easel/sink", "x")


def test_endless_fragments_and_pings_take_no_memory(service: QueueService) -> None:
    piece = frame(0, b"x" * 60_000, last=False)
    with service.watch(WATCH.removeprefix("/api/predict/")) as watch:
        watch.socket.sendall(frame(2, b"x", last=False) + piece)
        assert watch.ping(b"between") == b"between"
        before = service.web.serving.memory_info().rss
        for _ in range(500):  # 30 MB of one message
            watch.socket.sendall(piece)
        assert watch.ping(b"after") == b"after"
        assert service.web.serving.memory_info().rss - before < 10 * MIB


@pytest.mark.parametrize("how", ["get", "watch"])
def test_a_half_closed_connection_takes_no_entry_along(service: QueueService, how: str) -> None:
    query = {"get": "?_timeout_=50s", "watch": "?_watch_=true&_auto_commit_=true"}[how]
    head = f"GET /api/predict/easel/sink{query} HTTP/1.1\r\nHost: x\r\nAuthorization: {TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", service.web.port), TIMEOUT) as connection:
        connection.sendall(f"{head}\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    service.put("easel/sink", "kept")
    assert service.ask("GET", "easel/sink").content == b"kept"


def test_a_watch_of_plain_http_answers_before_the_first_entry(service: QueueService) -> None:
    url = f"{service.web.url}{WATCH}"
    with requests.get(
        url, headers={"Authorization": TOKEN}, stream=True, timeout=TIMEOUT
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"


def test_watchers_beyond_the_limit_are_503_and_requests_go_on(service: QueueService) -> None:
    path = WATCH.removeprefix("/api/predict/")
    with ExitStack() as stack:
        with pytest.raises(Refused, match="watch") as refusal:
            for number in range(MANY_WATCHERS):
                uid = {"X-EAS-QueueService-Redis-Uid": f"watcher {number}"}
                stack.enter_context(service.watch(path, **uid))
        assert refusal.value.status == 503
        service.put("easel/sink", "x")
        assert service.ask("GET", "easel/sink?_count_=true").text == "1"
        long = service.ask("POST", "easel/sink", data=b"x" * 200_000)  # read by a thread for bodies
        assert long.status_code == 413
        answer = raw_request(service, "GET", WATCH)
        assert answer.startswith("HTTP/1.1 503 ")
        assert "Retry-After: " in answer
    wait_until(lambda: watches_again(service, path), message="the places are not given back")


def watches_again(service: QueueService, path: str) -> bool:
    """Whether one more watcher is let in."""
    try:
        with service.watch(path):
            return True
    except Refused:
        return False
