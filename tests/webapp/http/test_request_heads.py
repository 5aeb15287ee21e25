"""Heads and chunks of requests as bytes; pace; who gets a thread."""

from contextlib import ExitStack

import pytest

from tests.wait import Clock
from webapp.access.credentials import OWNER_CALLER, Caller
from webapp.errors import SlowBody, Unavailable
from webapp.http.body_pace import GRACE_SECONDS, BodyPace
from webapp.http.request_heads import ChunkScan, find_head, is_path_in, without_expectation
from webapp.http.thread_admission import (
    COMPUTING_SECONDS,
    ThreadAdmission,
    ThreadLimits,
    ThreadRequest,
    mark_start,
    mark_waiting,
)
from webapp.http.waiting_limit import WaitingLimit


@pytest.mark.parametrize(
    ("lines", "body", "chunked"),
    [
        ("", 0, False),
        ("Content-Length: 12\r\n", 12, False),
        ("content-length:12 \r\n", 12, False),
        ("Transfer-Encoding: chunked\r\n", None, True),
        ("Transfer-Encoding: chunked\r\nContent-Length: 12\r\n", None, False),
        ("Content-Length: 12\r\nContent-Length: 13\r\n", None, False),
        ("Content-Length: -5\r\n", None, False),
        ("Transfer-Encoding: gzip, chunked\r\n", None, False),
        ("X-Content-Length: 12\r\n", 0, False),
    ],
)
def test_heads_tell_their_bodies(lines: str, body: int | None, chunked: bool) -> None:
    text = f"POST /a?b HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode()
    head = find_head(text + b"rest")
    assert head is not None
    assert (head.path, head.size, head.body, head.chunked) == ("/a", len(text), body, chunked)
    assert all(find_head(text[:end]) is None for end in range(len(text)))


def test_an_answered_expectation_is_taken_out() -> None:
    text = bytearray(b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx")
    head = find_head(text)
    assert head is not None
    assert head.expects_continue
    data, shorter = without_expectation(text, head)
    assert data == b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
    assert find_head(data) == shorter


@pytest.mark.parametrize(
    "chunks", [b"3\r\none\r\n0\r\n\r\n", b"1;a=b\r\nx\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n"]
)
def test_chunks_end_where_they_end(chunks: bytes) -> None:
    scan, one_by_one = ChunkScan(0), ChunkScan(0)
    assert scan.is_complete(chunks + b"GET /")
    assert scan.at == len(chunks)
    ends = [end for end in range(len(chunks) + 1) if one_by_one.is_complete(chunks[:end])]
    assert ends == [len(chunks)]


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-1\r\nx", b"\r\n", b"1" * 300])
def test_malformed_chunks_are_left_to_the_parser(chunks: bytes) -> None:
    assert ChunkScan(0).is_complete(chunks)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/healthz", True),
        ("/sub/healthz", True),
        ("//sub//healthz/", True),
        ("/x/healthz", False),
        ("", False),
    ],
)
def test_controls_are_found_below_the_subpath(path: str, found: bool) -> None:
    assert is_path_in(path, "/sub", frozenset({"/healthz"})) is found


def test_a_slow_body_is_given_up_and_a_pause_of_ours_does_not_count() -> None:
    clock = Clock(0.0)
    pace = BodyPace(clock)

    def read(seconds: float, count: int) -> bytes:
        clock.skip(seconds)
        return bytes(count)

    for _ in range(100):
        clock.skip(60)  # the service is busy
        pace.take(lambda: read(1, 5000), len)
    pace.restart()
    with pytest.raises(SlowBody):
        for _ in range(int(GRACE_SECONDS) + 2):
            pace.take(lambda: read(1, 1), len)


def test_silence_is_a_slow_body() -> None:
    def silent() -> bytes:
        raise BlockingIOError

    with pytest.raises(SlowBody):
        BodyPace().take(silent, len)


def test_threads_are_shared_and_the_oldest_come_first() -> None:
    admission: ThreadAdmission[str] = ThreadAdmission(ThreadLimits(4, 3, 2, 9))
    wanted = [ThreadRequest(f"a{i}", "a", i < 3) for i in range(6)] + [
        ThreadRequest("b", "b", True)
    ]
    running = [one for applicant in wanted for one in admission.enqueue(applicant)]
    assert [one.request for one in running] == ["a0", "a1", "a3"]  # a2: two bodies already
    assert [one.request for one in admission.release(running[0])] == ["a2"]
    assert [one.request for one in admission.release(running[2])] == ["a4"]
    assert [one.request for one in admission.release(running[1])] == ["a5", "b"]
    assert not admission.queue


def test_few_requests_compute_at_once_and_who_waits_is_none_of_them() -> None:
    clock = Clock()
    admission: ThreadAdmission[str] = ThreadAdmission(ThreadLimits(9, 9, 9, 2), clock)
    wanted = [ThreadRequest(f"a{i}", "a", False) for i in range(6)]
    running = [one for applicant in wanted for one in admission.enqueue(applicant)]
    assert [one.request for one in running] == ["a0", "a1"]
    assert [one.request for one in admission.wait(running[0])] == ["a2"]
    assert [one.request for one in admission.release(running[0])] == []  # it had left its place
    assert [one.request for one in admission.release(running[1])] == ["a3"]
    assert list(admission.admit()) == []
    clock.skip(COMPUTING_SECONDS)  # they wait for something that tells nobody
    assert [one.request for one in admission.admit()] == ["a4", "a5"]
    assert admission.running == 4


def test_a_request_tells_once_that_it_waits() -> None:
    told: list[str] = []
    mark_start(lambda: told.append("a"))
    mark_waiting()
    mark_waiting()
    mark_start(None)
    mark_waiting()
    assert told == ["a"]


def test_the_owner_finds_a_place_when_others_wait() -> None:
    limit, ann = WaitingLimit(1), Caller("ann")
    with limit.hold(ann):
        with pytest.raises(Unavailable, match="max-waiting-requests") as caught:
            limit.hold(ann).__enter__()
        assert caught.value.retry_after
        with limit.hold(OWNER_CALLER), pytest.raises(Unavailable):
            limit.hold(OWNER_CALLER).__enter__()
    with limit.hold(ann):
        pass
    assert not limit.by_caller


def test_one_caller_leaves_places_to_others() -> None:
    limit, ann, bob = WaitingLimit(8), Caller("ann"), Caller("bob")
    with ExitStack() as held:
        for _ in range(6):
            held.enter_context(limit.hold(ann))
        with pytest.raises(Unavailable, match="of yours"):
            limit.hold(ann).__enter__()
        held.enter_context(limit.hold(bob))
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(limit.hold(OWNER_CALLER))
