"""Every route of files by every right: with what it needs it works, without any one of it 403."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from filebrowser.visit import Right, Visit
from tests.webapp.attacking import World, world_of
from webapp.browsing import roots_of

VIEW, CREATE, MODIFY, DELETE, SHARE, DOWNLOAD = (
    Right.VIEW,
    Right.CREATE,
    Right.MODIFY,
    Right.DELETE,
    Right.SHARE,
    Right.DOWNLOAD,
)
Needed = frozenset[Right]
NAME = base64.b64encode(b"new.txt").decode()
FOLDER = base64.b64encode(b"/data/work").decode()
TUS: Mapping[str, str] = {
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "4",
    "Upload-Metadata": f"folder {FOLDER},filename {NAME}",
}
LOCKED = b"<D:propfind xmlns:D='DAV:'><D:prop><D:resourcetype/></D:prop></D:propfind>"
FILE, SUB = "/data/work/a.txt", "/data/work/sub"
RENAMING = {"path": FILE, "name": "c.txt"}
ROUTES: tuple[tuple[str, str, dict[str, Any], Needed], ...] = (
    ("GET", f"/api/files?path={SUB}", {}, frozenset({VIEW})),
    ("GET", "/api/files?path=/", {}, frozenset({VIEW})),
    ("GET", f"/api/files/content?path={FILE}", {}, frozenset({VIEW, DOWNLOAD})),
    ("GET", f"/api/files/archive?path={SUB}", {}, frozenset({VIEW, DOWNLOAD})),
    ("GET", f"/api/files/size?path={SUB}", {}, frozenset({VIEW})),
    ("GET", "/api/files/search?q=a", {}, frozenset({VIEW})),
    ("GET", "/api/files/preview?path=/data/work/p.png", {}, frozenset({VIEW})),
    ("GET", f"/api/files/preview?path={FILE}", {}, frozenset({VIEW})),  # its text is left out
    ("GET", "/api/files/thumbnail?path=/data/work/p.png", {}, frozenset({VIEW})),
    ("GET", f"/api/files/text?path={FILE}", {}, frozenset({VIEW, DOWNLOAD})),
    (
        "PUT",
        "/api/files/text?path=/data/work/b.txt",
        {"json": {"text": "x"}, "headers": {"If-None-Match": "*"}},
        frozenset({VIEW, CREATE}),
    ),
    ("POST", "/api/files/folder", {"json": {"path": "/data/work/f"}}, frozenset({VIEW, CREATE})),
    ("POST", "/api/files/move", {"json": {"paths": [FILE], "to": SUB}}, frozenset({VIEW, MODIFY})),
    ("POST", "/api/files/copy", {"json": {"paths": [FILE], "to": SUB}}, frozenset({VIEW, CREATE})),
    (
        "POST",
        "/api/files/rename",
        {"json": {"path": FILE, "name": "c.txt"}},
        frozenset({VIEW, MODIFY}),
    ),
    ("POST", "/api/files/delete", {"json": {"paths": [FILE]}}, frozenset({VIEW, DELETE})),
    ("GET", "/api/files/trash", {}, frozenset({VIEW})),
    ("DELETE", "/api/files/trash", {}, frozenset({VIEW, DELETE})),
    ("POST", "/api/files/shares", {"json": {"path": FILE}}, frozenset({VIEW, SHARE, DOWNLOAD})),
    ("GET", "/api/files/shares", {}, frozenset({SHARE})),
    ("POST", "/api/files/uploads", {"headers": TUS}, frozenset({CREATE})),
    ("GET", f"/api/resources{FILE}", {}, frozenset({VIEW})),
    ("GET", f"/api/resources{FILE}?checksum=md5", {}, frozenset({VIEW, DOWNLOAD})),
    ("GET", f"/api/raw{FILE}", {}, frozenset({VIEW, DOWNLOAD})),
    ("GET", "/api/usage/data", {}, frozenset({VIEW})),
    ("GET", "/dav/data/work/a.txt", {}, frozenset({VIEW, DOWNLOAD})),
    ("PROPFIND", "/dav/data/work/", {"headers": {"Depth": "1"}, "data": LOCKED}, frozenset({VIEW})),
    ("PUT", "/dav/data/work/new.txt", {"data": b"x"}, frozenset({VIEW, CREATE})),
    ("DELETE", "/dav/data/work/a.txt", {}, frozenset({VIEW, DELETE})),
)
Rights = Callable[[frozenset[Right]], None]


@pytest.fixture
def world(house: Any, tmp_path: Path) -> World:
    return world_of(house, tmp_path)


@pytest.fixture
def given(world: World, monkeypatch: pytest.MonkeyPatch) -> Rights:
    """Gives whoever asks these rights alone."""

    def give(rights: frozenset[Right]) -> None:
        def visit(caller: Any, config: Any) -> Visit:
            return Visit(caller.name, roots_of(config), rights)

        monkeypatch.setattr("webapp.routes.files.visiting.visit_of", visit)

    return give


@pytest.mark.parametrize(("method", "url", "body", "needed"), ROUTES)
def test_a_route_takes_what_it_says_and_no_more(
    world: World,
    given: Rights,
    method: str,
    url: str,
    body: dict[str, Any],
    needed: frozenset[Right],
) -> None:
    for missing in needed:
        given(frozenset(Right) - {missing})
        answer = world.ask(method, url, **body)
        assert answer.status_code == 403, (missing, answer.status_code, answer.data[:200])
    given(needed)
    answer = world.ask(method, url, **body)
    assert answer.status_code < 300, (needed, answer.status_code, answer.data[:300])


@pytest.mark.parametrize("conflict", ["overwrite"])
def test_overwriting_takes_the_right_to_modify(world: World, given: Rights, conflict: str) -> None:
    (world.inside / "sub" / "a.txt").write_bytes(b"old")
    body = {"paths": [FILE], "to": SUB, "conflict": conflict}
    given(frozenset({VIEW, CREATE}))
    assert world.ask("POST", "/api/files/copy", json=body).status_code == 403
    assert (world.inside / "sub" / "a.txt").read_bytes() == b"old"
    given(frozenset({VIEW, CREATE, MODIFY}))
    assert world.ask("POST", "/api/files/copy", json=body).status_code == 200


def test_who_may_do_nothing_learns_no_name(world: World, given: Rights) -> None:
    given(frozenset())
    for method, url, body, needed in ROUTES:
        if needed:
            there = world.ask(method, url, **body)
            assert there.status_code == 403, url
            assert b"letters" not in there.data
