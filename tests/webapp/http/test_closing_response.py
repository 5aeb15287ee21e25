"""What an answer holds (descriptors, places in line) is given back when it never starts."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from flask import Response
from werkzeug.test import EnvironBuilder

from tests.descriptors import open_below

DOORS = (
    "/api/files/content?path=/data/work/a.txt",
    "/api/raw/data/work/a.txt",
    "/file=work/a.txt",
    "/dav/data/work/a.txt",
    "/api/files/archive?path=/data/work",
)


@pytest.fixture
def ask(build: Any) -> Callable[..., None]:
    """Asks, as a server would that refuses each head."""
    house = build(working=False)
    (house.data_dir / "work").mkdir()
    (house.data_dir / "work" / "a.txt").write_bytes(b"letters")

    def start(*_: Any) -> None:
        raise UnicodeError("a head that nobody can send")

    def act(path: str, method: str = "GET", **headers: str) -> None:
        where, _, query = path.partition("?")
        made = EnvironBuilder(where, query_string=query, method=method, headers=headers.items())
        with pytest.raises(UnicodeError):
            house.app.wsgi_app(made.get_environ(), start)

    act.house = house  # type: ignore[attr-defined]
    return act


@pytest.mark.parametrize("door", DOORS)
def test_a_head_that_cannot_be_sent(ask: Any, door: str) -> None:
    work = ask.house.data_dir / "work"
    before = open_below(work)
    for method in ("GET", "HEAD", "GET"):
        ask(door, method)
        ask(door, method, Range="bytes=1-2")
    assert open_below(work) == before
    assert ask.house.client().get(door).status_code == 200  # three zips did not count as open


@pytest.mark.parametrize("door", DOORS)
def test_a_hook_that_fails_on_the_answer(build: Any, door: str) -> None:
    house = build(working=False)
    (house.data_dir / "work").mkdir()
    (house.data_dir / "work" / "a.txt").write_bytes(b"letters")

    def fail(answer: Response) -> Response:
        if answer.status_code == 200:
            raise ValueError("a hook")
        return answer

    house.app.after_request(fail)
    client = house.client()
    client.get("/api/files/roots")
    before = open_below(house.data_dir / "work")
    for _ in range(3):
        assert client.get(door).status_code == 500
    assert open_below(house.data_dir / "work") == before


def test_folders_and_times_that_no_date_has(build: Any) -> None:
    house = build(working=False)
    (house.data_dir / "work" / "odd.txt").mkdir(parents=True)
    old = house.data_dir / "work" / "old.txt"
    old.write_bytes(b"x")
    os.utime(old, (-(2**33), -(2**33)))
    client = house.client()
    before = open_below(house.data_dir / "work")
    assert client.get("/file=work/odd.txt").status_code == 404
    for door in ("/file=work/old.txt", "/dav/data/work/old.txt"):
        assert client.get(door, buffered=True).data == b"x"
    assert client.get("/file=work/old.txt", headers={"If-Match": '"x"'}).status_code == 412
    assert open_below(house.data_dir / "work") == before
