"""An open file as an answer: the bytes that were asked for, and headers that run nothing."""

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from filebrowser.errors import NotAFile
from filebrowser.file_response import PIECE, ServeOptions, Shrunk, etag_of, respond
from filebrowser.listing.file_kinds import OCTET_STREAM

CONTENT = bytes(range(200))
CHANGED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
PICTURE = ServeOptions("a.png", "image/png", attachment=False)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 200 bytes, changed at ``CHANGED`` and half a second."""
    file = tmp_path_factory.mktemp("served") / "a.png"
    file.write_bytes(CONTENT)
    moment = int(CHANGED.timestamp()) * 10**9 + 500_000_000
    os.utime(file, ns=(moment, moment))
    return file


def ask(
    path: Path, headers: dict[str, str] | None = None, *, options: ServeOptions = PICTURE
) -> Response:
    request = Request(EnvironBuilder(headers=headers or {}).get_environ())
    return respond(os.open(path, os.O_RDONLY), options, request)


def body_of(answer: Response) -> bytes:
    """All bytes of an answer, which is over then."""
    body = b"".join(answer.iter_encoded())
    answer.close()
    return body


def etag(path: Path) -> str:
    return etag_of(path.stat())


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_a_file_is_sent_whole_and_says_what_it_is(path: Path) -> None:
    answer = ask(path)
    assert (answer.status_code, answer.content_length) == (200, 200)
    assert answer.get_etag() == (etag(path), False)
    assert answer.last_modified == CHANGED
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Disposition"] == "inline; filename=a.png"
    assert body_of(answer) == CONTENT


def test_nothing_that_a_user_brought_runs_or_is_guessed_at(path: Path) -> None:
    headers = ask(path, options=ServeOptions("a.svg", "image/svg+xml", attachment=False)).headers
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("options", "disposition", "cached"),
    [
        (PICTURE, "inline; filename=a.png", "private, no-cache"),
        (ServeOptions("a", "text/plain"), "attachment; filename=a", "private, no-cache"),
        (ServeOptions("a", attachment=False), "attachment; filename=a", "private, no-cache"),
        (
            ServeOptions("a", OCTET_STREAM, False, 60),
            "attachment; filename=a",
            "private, max-age=60",
        ),
    ],
)
def test_unknown_bytes_are_saved_and_only_the_callers_own_cache_keeps_any(
    path: Path, options: ServeOptions, disposition: str, cached: str
) -> None:
    headers = ask(path, options=options).headers
    assert headers["Content-Disposition"] == disposition
    assert headers["Cache-Control"] == cached


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=190-", 190, 199),
        ("bytes=-5", 195, 199),
        ("bytes=150-9999", 150, 199),
        ("BYTES = 3-4 ", 3, 4),
        ("bytes= 3-4\t,", 3, 4),
        ("bytes=1-" + "9" * 40, 1, 199),
    ],
)
def test_one_range_is_sent_alone(path: Path, wanted: str, first: int, last: int) -> None:
    answer = ask(path, {"Range": wanted})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/200"
    assert answer.content_length == last - first + 1
    assert body_of(answer) == CONTENT[first : last + 1]


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=0-", "bytes=-200", "bytes=-999", "bytes=0-199", "bytes=0-1,5-6", "bytes=0-1, 900-",
        "bytes=5-4", "bytes=-", "bytes=a-b", "bytes=1-2-3", "bytes=١-٢", "bytes=", "lines=1-2", "5",
        "bytes=+1-2", "bytes=1 -2",
    ],
)  # fmt: skip
def test_what_is_malformed_or_means_all_is_answered_whole(path: Path, wanted: str) -> None:
    answer = ask(path, {"Range": wanted})
    assert (answer.status_code, answer.content_length) == (200, 200)
    assert "Content-Range" not in answer.headers
    assert body_of(answer) == CONTENT


@pytest.mark.usefixtures("no_descriptor_leaks")
@pytest.mark.parametrize("wanted", ["bytes=200-", "bytes=200-300", "bytes=-0", "bytes=500-,900-"])
def test_ranges_behind_the_end_are_refused_with_the_size(path: Path, wanted: str) -> None:
    answer = ask(path, {"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */200"
    assert body_of(answer) == b""


@given(first=st.integers(0, 260), last=st.none() | st.integers(0, 260), suffix=st.booleans())
def test_the_bytes_are_those_of_the_content_range(
    path: Path, first: int, last: int | None, suffix: bool
) -> None:
    wanted = f"bytes=-{first}" if suffix else f"bytes={first}-{'' if last is None else last}"
    answer = ask(path, {"Range": wanted})
    body = body_of(answer)
    if answer.status_code == 416:
        assert first >= 200 or (suffix and first == 0)
        return
    start = answer.headers.get("Content-Range", "bytes 0-199/200").split(" ")[1].split("-")[0]
    assert body == CONTENT[int(start) : int(start) + len(body)]
    assert len(body) == answer.content_length
    expected = CONTENT[-first:] if suffix else CONTENT[first : None if last is None else last + 1]
    assert body == (expected if answer.status_code == 206 else CONTENT)


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_who_has_this_state_already_gets_no_bytes(path: Path) -> None:
    for headers in (
        {"If-None-Match": f'"{etag(path)}"'},
        {"If-None-Match": f'W/"{etag(path)}", "other"'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": format_datetime(CHANGED, usegmt=True)},
    ):
        answer = ask(path, headers)
        assert answer.status_code == 304, headers
        assert answer.get_etag() == (etag(path), False)
        assert body_of(answer) == b""


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": '"{etag}"'}, 200),
        ({"If-Match": '"another", "{etag}"'}, 200),
        ({"If-Match": '"another"'}, 412),
        ({"If-Match": 'W/"{etag}"'}, 412),
        ({"If-Unmodified-Since": "{changed}"}, 200),
        ({"If-Unmodified-Since": "{before}"}, 412),
        ({"If-Match": '"{etag}"', "If-Unmodified-Since": "{before}"}, 200),
        ({"If-None-Match": '"another"'}, 200),
        ({"If-None-Match": '"another"', "If-Modified-Since": "{changed}"}, 200),
        ({"If-Modified-Since": "{before}"}, 200),
        ({"If-Unmodified-Since": "no date"}, 200),
    ],
)
def test_conditions_decide_before_any_byte(
    path: Path, headers: dict[str, str], status: int
) -> None:
    words = {
        "etag": etag(path),
        "changed": format_datetime(CHANGED, usegmt=True),
        "before": format_datetime(CHANGED - timedelta(seconds=1), usegmt=True),
    }
    answer = ask(path, {name: value.format(**words) for name, value in headers.items()})
    assert answer.status_code == status
    assert body_of(answer) == (CONTENT if status == 200 else b"")


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('"{etag}"', 206),
        ('"another"', 200),
        ("{changed}", 206),
        ("{before}", 200),
    ],
)
def test_a_download_goes_on_only_in_the_file_it_began_with(
    path: Path, condition: str, status: int
) -> None:
    words = {
        "etag": etag(path),
        "changed": format_datetime(CHANGED, usegmt=True),
        "before": format_datetime(CHANGED - timedelta(seconds=1), usegmt=True),
    }
    headers = {"Range": "bytes=100-", "If-Range": condition.format(**words)}
    assert ask(path, headers).status_code == status


def test_another_content_has_another_tag(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    first = etag(file)
    os.utime(file, ns=(1, 1))
    second = etag(file)
    file.write_bytes(b"more")
    os.utime(file, ns=(1, 1))
    assert len({first, second, etag(file)}) == 3


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_a_folder_has_no_bytes(tmp_path: Path) -> None:
    with pytest.raises(NotAFile, match="is a folder"):
        ask(tmp_path, options=ServeOptions("things"))


def test_a_time_that_no_date_has_is_told_as_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.touch()
    os.utime(file, (-(10**9), -(10**9)))
    assert ask(file).last_modified == datetime(1970, 1, 1, tzinfo=UTC)
    facts = list(file.stat())
    facts[8] = 2**60  # the time of change
    monkeypatch.setattr(os, "fstat", lambda _: os.stat_result(facts, {"st_mtime_ns": 0}))
    assert ask(file).last_modified == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_an_empty_file_is_an_empty_answer(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    answer = ask(tmp_path / "a")
    assert (answer.status_code, answer.content_length, body_of(answer)) == (200, 0, b"")
    assert ask(tmp_path / "a", {"Range": "bytes=0-"}).status_code == 416


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_a_file_that_shrinks_breaks_the_answer_off(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(bytes(PIECE + 10))
    answer = ask(file)
    pieces = answer.iter_encoded()
    assert next(pieces) == bytes(PIECE)
    os.truncate(file, PIECE)
    with pytest.raises(Shrunk):
        next(pieces)
    answer.close()


@pytest.fixture
def kernel_environ() -> Iterator[dict[str, object]]:
    """The environment of a server that lets the kernel send; the socket's other end reads."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield {"gunicorn.socket": ours, "other end": theirs, "wsgi.file_wrapper": wrap}


def wrap(file: object, size: int) -> list[object]:
    """What gunicorn makes of a file: it looks at the descriptor and the answer's length."""
    return [file]


@pytest.mark.parametrize(
    ("wanted", "start", "end"), [("", 0, 200), ("bytes=50-", 50, 200), ("bytes=50-59", 50, 60)]
)
def test_the_kernel_sends_from_where_the_range_begins(
    path: Path, kernel_environ: dict[str, object], wanted: str, start: int, end: int
) -> None:
    environ = EnvironBuilder(headers={"Range": wanted} if wanted else {}).get_environ()
    answer = respond(os.open(path, os.O_RDONLY), PICTURE, Request(environ | kernel_environ))
    (file,) = answer.response  # type: ignore[misc]
    assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == start
    assert file.read(1000) == CONTENT[start:]
    assert answer.content_length == end - start
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file.fileno())


def test_a_connection_ends_where_the_kernel_had_too_few_bytes_to_send(
    tmp_path: Path, kernel_environ: dict[str, object]
) -> None:
    file = tmp_path / "a"
    file.write_bytes(bytes(100))
    request = Request(EnvironBuilder().get_environ() | kernel_environ)
    (sent,) = respond(os.open(file, os.O_RDONLY), PICTURE, request).response  # type: ignore[misc]
    os.truncate(file, 99)
    sent.close()
    assert kernel_environ["other end"].recv(1) == b""  # type: ignore[attr-defined]


def test_a_head_request_and_tls_are_answered_without_the_kernel(
    path: Path, kernel_environ: dict[str, object]
) -> None:
    for changes in ({"method": "HEAD"}, {"base_url": "https://localhost/"}):
        environ = EnvironBuilder(**changes).get_environ()  # type: ignore[arg-type]
        answer = respond(os.open(path, os.O_RDONLY), PICTURE, Request(environ | kernel_environ))
        assert body_of(answer) == CONTENT
        assert answer.content_length == 200
