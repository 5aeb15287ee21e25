from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

from webapp.http.joined_response import JOINED_BYTES, JoinedResponse, send_answer


class Wire:
    """Notes what is sent, a piece at a time."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.pieces.append(data)


def answer_of(wire: Wire, method: str = "GET", **headers: str) -> JoinedResponse:
    request: Any = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
    answer = JoinedResponse(request, wire, Config())
    answer.start_response("200 OK", [(name.replace("_", "-"), headers[name]) for name in headers])
    return answer


def test_a_short_answer_is_one_piece() -> None:
    wire = Wire()
    send_answer(answer_of(wire, Content_Length="2"), [b"OK"])
    (piece,) = wire.pieces
    assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
    assert piece.endswith(b"\r\n\r\nOK")


def test_a_long_body_is_not_copied() -> None:
    wire, body = Wire(), bytes(JOINED_BYTES + 1)
    send_answer(answer_of(wire, Content_Length=str(len(body))), [body, b""])
    assert wire.pieces[1] is body
    assert len(wire.pieces) == 2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_head_of_a_stream_goes_out_before_its_first_piece(method: str) -> None:
    wire = Wire()
    answer = answer_of(wire, method)
    answer.write(b"")
    assert wire.pieces[0].endswith(b"\r\n\r\n")
    answer.write(b"later")
    answer.close()
    assert wire.pieces[1:] == ([b"5\r\nlater\r\n", b"0\r\n\r\n"] if method == "GET" else [])


def test_an_answer_without_a_body_is_its_head() -> None:
    wire = Wire()
    send_answer(answer_of(wire, Content_Length="0"), [])
    (head,) = wire.pieces
    assert head.endswith(b"Content-Length: 0\r\n\r\n")
