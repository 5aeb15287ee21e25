"""Folders, copies, moves and deletions over WebDAV: RFC 4918 where something is in the way."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from filebrowser.access.file_access import Right
from filebrowser.access.gate import Root
from tests.filebrowser.dav.conftest import HIDDEN, Drive

Copy = Callable[..., object]


@pytest.fixture
def tree(client: Drive) -> Path:
    """``a.txt``, ``sub/{b.txt,deep/c.txt}`` and the empty folder ``empty``."""
    (client.folder / "sub" / "deep").mkdir(parents=True)
    (client.folder / "empty").mkdir()
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt"):
        (client.folder / name).write_bytes(name.encode())
    return client.folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_is_made_once_and_only_in_another_one(client: Drive) -> None:
    assert client.ask("MKCOL", "new").status_code == 201
    assert client.events() == ["created work/new"]
    assert client.ask("MKCOL", "new").status_code == 405
    assert client.ask("MKCOL", "none/new").status_code == 409
    assert client.ask("MKCOL", "/data").status_code == 405
    assert client.ask("MKCOL", "/new").status_code == 403
    assert client.ask("MKCOL", "con").status_code == 400
    (client.folder / "a.txt").write_bytes(b"")
    assert client.ask("MKCOL", "a.txt").status_code == 405
    assert client.ask("MKCOL", "a.txt/new").status_code == 409
    assert client.ask("MKCOL", "other", b"<mkcol/>").status_code == 415
    assert client.listed() == ["a.txt", "new/"]


def test_the_top_holds_the_trees_and_nothing_can_be_done_to_it(client: Drive) -> None:
    assert client.listed("/") == ["data/"]
    for path in ("/", "/data"):
        assert client.ask("DELETE", path).status_code == 403
        assert client.move(path, "moved").status_code in (403, 409)
    assert client.ask("PUT", "/", b"x").status_code == 405
    assert client.ask("GET", "/").status_code == 403
    assert client.folder.is_dir()


@pytest.mark.parametrize("depth", ["infinity", "2", "", "one", None])
def test_a_listing_goes_one_level_deep(client: Drive, tree: Path, depth: str | None) -> None:
    headers = {} if depth is None else {"Depth": depth}
    answer = client.ask("PROPFIND", "", b"", headers)
    assert (answer.status_code, "propfind-finite-depth" in answer.text) == (403, True)


def test_a_listing_of_a_file_is_that_file(client: Drive, tree: Path) -> None:
    for depth in ("0", "1"):
        assert [*client.properties("a.txt", depth=depth)] == ["/dav/data/work/a.txt"]
    assert [*client.properties("sub", depth="0")] == ["/dav/data/work/sub/"]


def test_a_head_of_a_folder_says_that_it_is_one(client: Drive, tree: Path) -> None:
    answer = client.ask("HEAD", "sub")
    assert (answer.status_code, answer.content_type) == (200, "httpd/unix-directory")
    assert client.ask("HEAD", "none").status_code == 404
    assert client.ask("GET", "sub").status_code == 403


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_a_file_gets_another_name(client: Drive, tree: Path, method: str) -> None:
    os.utime(tree / "a.txt", ns=(0, 1_234_567_890_123_456_789))
    assert client.move("a.txt", "sub/new.txt", method).status_code == 201
    assert (tree / "sub/new.txt").read_bytes() == b"a.txt"
    assert (tree / "sub/new.txt").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert (tree / "a.txt").exists() is (method == "COPY")
    told = "created work/sub/new.txt" if method == "COPY" else "moved work/sub/new.txt"
    assert client.events() == [told]


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_a_folder_goes_with_all_that_it_holds(client: Drive, tree: Path, method: str) -> None:
    assert client.move("sub", "new", method).status_code == 201
    assert contents(tree / "new") == {"b.txt": b"sub/b.txt", "deep/c.txt": b"sub/deep/c.txt"}
    assert (tree / "sub").exists() is (method == "COPY")


def test_a_folder_may_be_copied_without_what_it_holds(client: Drive, tree: Path) -> None:
    assert client.copy("sub", "new", Depth="0").status_code == 201
    assert os.listdir(tree / "new") == []
    (tree / "empty" / "old.txt").write_bytes(b"old")
    assert client.copy("sub", "empty", Depth="0").status_code == 204
    assert os.listdir(tree / "empty") == []


@pytest.mark.parametrize(
    ("method", "depth"), [("COPY", "1"), ("MOVE", "0"), ("MOVE", "1"), ("COPY", "all")]
)
def test_depths_that_a_folder_cannot_go(client: Drive, tree: Path, method: str, depth: str) -> None:
    assert client.move("sub", "new", method, Depth=depth).status_code == 400
    assert not (tree / "new").exists()


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize("target", ["sub/b.txt", "empty", "sub"])
def test_what_is_in_the_way_is_replaced_unless_one_says_otherwise(
    client: Drive, tree: Path, method: str, target: str
) -> None:
    before = contents(tree)
    assert client.move("a.txt", target, method, Overwrite="F").status_code == 412
    assert client.move("a.txt", target, method, Overwrite="maybe").status_code == 400
    assert contents(tree) == before
    assert client.move("a.txt", target, method, Overwrite="T").status_code == 204
    assert (tree / target).read_bytes() == b"a.txt"
    trash = contents(tree.parent / ".trash").values()
    if target != "empty":
        assert b"sub/b.txt" in trash  # what was replaced can be brought back


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_a_folder_takes_the_place_of_another_and_they_are_not_joined(
    client: Drive, tree: Path, method: str
) -> None:
    (tree / "other" / "deep").mkdir(parents=True)
    for name in ("other/old.txt", "other/b.txt", "other/deep/old.txt"):
        (tree / name).write_bytes(b"old")
    assert client.move("sub", "other", method).status_code == 204
    assert contents(tree / "other") == {"b.txt": b"sub/b.txt", "deep/c.txt": b"sub/deep/c.txt"}


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize(
    ("source", "target", "status"),
    [
        ("a.txt", "a.txt", 403),
        ("sub", "sub", 403),
        ("sub", "sub/deep/new", 403),
        ("sub/deep", "sub", 403),
        ("none.txt", "new.txt", 404),
        ("a.txt", "none/new.txt", 409),
        ("a.txt", "a.txt/new.txt", 409),
        ("a.txt", "/data", 403),
        ("a.txt", "/", 409),
        ("a.txt", "/new.txt", 404),
        ("a.txt", "/other/new.txt", 409),
        ("a.txt", "/data/.trash/new.txt", 409),
        ("a.txt", "con.txt", 400),
        ("a.txt", "models/a.txt", 415),
    ],
)
def test_where_nothing_can_go(
    client: Drive, tree: Path, method: str, source: str, target: str, status: int
) -> None:
    (tree / "models").mkdir()
    before = contents(tree)
    answer = client.move(source, target, method)
    assert answer.status_code == status, answer.text
    assert contents(tree) == before
    assert client.events() == []


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize(
    ("destination", "status"),
    [
        (None, 400),
        ("", 400),
        ("http://localhost/dav/data/work/new.txt", 201),
        ("https://LOCALHOST/dav/data/work/new.txt", 201),
        ("//localhost/dav/data/work/new.txt", 201),
        ("http://elsewhere/dav/data/work/new.txt", 502),
        ("http://localhost:81/dav/data/work/new.txt", 502),
        ("http://localhost/data/work/new.txt", 502),
        ("http://localhost/davx/new.txt", 502),
        ("new.txt", 400),
        ("http://localhost", 400),
        ("/dav/data/work//new.txt", 201),
        ("/dav/data/work/sub/../new.txt", 400),
        ("/dav/data/work/%2e%2e/new.txt", 400),
        ("/dav/data/work/new.txt?x", 400),
        ("/dav/data/work/%ff", 400),
        ("/dav/data/work/%00", 400),
    ],
)
def test_destinations_in_odd_forms(
    client: Drive, tree: Path, method: str, destination: str | None, status: int
) -> None:
    headers = {} if destination is None else {"Destination": destination}
    answer = client.ask(method, "a.txt", b"", headers)
    assert answer.status_code == status, answer.text
    assert (tree / "new.txt").exists() is (status == 201)
    assert (tree / "a.txt").exists() is (status != 201 or method == "COPY")


@pytest.mark.parametrize("source", ["a.txt", "sub"])
def test_a_copy_without_room_leaves_what_it_would_have_replaced(
    client: Drive, tree: Path, source: str
) -> None:
    (tree / "target").write_bytes(b"kept")
    client.limits(spare=0, quota=sum(map(len, contents(tree.parent).values())) + 3)
    for target in ("target", "new"):
        assert client.copy(source, target).status_code == 507
    assert (tree / "target").read_bytes() == b"kept"
    assert not (tree / "new").exists()
    assert client.events() == []


def test_on_a_full_tree_names_are_changed_and_files_deleted_all_the_same(
    client: Drive, tree: Path
) -> None:
    client.limits(spare=0, quota=1)
    assert client.move("a.txt", "b.txt").status_code == 201
    assert client.move("sub", "empty").status_code == 204
    assert client.ask("DELETE", "b.txt").status_code == 204
    assert client.ask("PUT", "c.txt", b"x").status_code == 507
    assert contents(tree) == {"empty/b.txt": b"sub/b.txt", "empty/deep/c.txt": b"sub/deep/c.txt"}


@pytest.fixture
def second(client: Drive) -> Path:
    """A second tree, for the same caller, on the same disk."""
    path = client.folder / "second"
    path.mkdir()
    root = Root("other", path, hidden=HIDDEN)
    client.access = replace(client.access, roots=(*client.access.roots, root))
    return path


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_trees_exchange_files_and_folders(
    client: Drive, tree: Path, second: Path, method: str
) -> None:
    assert client.listed("/") == ["data/", "other/"]
    assert client.move("a.txt", "/other/a.txt", method).status_code == 201
    assert client.move("sub", "/other/sub", method).status_code == 201
    assert contents(second).keys() >= {"a.txt", "sub/b.txt", "sub/deep/c.txt"}
    assert (tree / "sub").exists() is (method == "COPY")


@pytest.mark.parametrize("source", ["a.txt", "sub"])
def test_a_move_to_a_full_tree_leaves_both_as_they_were(
    client: Drive, tree: Path, second: Path, source: str
) -> None:
    (second / "target").write_bytes(b"kept")
    before = contents(tree)
    client.limits(spare=0, quota=5)
    assert client.move(source, "/other/target").status_code == 507
    assert contents(tree) == before


def test_a_tree_that_may_only_be_read_gives_copies_alone(
    client: Drive, tree: Path, second: Path
) -> None:
    roots = tuple(replace(root, writable=root.name == "data") for root in client.access.roots)
    client.access = replace(client.access, roots=roots)
    (second / "b.txt").write_bytes(b"letters")
    assert (
        client.ask("COPY", "/other/b.txt", b"", {"Destination": "/dav/data/work/b.txt"}).status_code
        == 201
    )
    assert (
        client.ask("MOVE", "/other/b.txt", b"", {"Destination": "/dav/data/work/c.txt"}).status_code
        == 403
    )
    for method in ("DELETE", "PUT", "LOCK"):
        assert client.ask(method, "/other/b.txt", b"").status_code in (400, 403)
    assert client.ask("MKCOL", "/other/new").status_code == 403
    assert client.copy("a.txt", "/other/a.txt").status_code == 403
    assert contents(second) == {"b.txt": b"letters"}


def test_a_deleted_folder_goes_whole_into_the_trash(client: Drive, tree: Path) -> None:
    assert client.ask("DELETE", "sub").status_code == 204
    assert client.events() == ["deleted work/sub"]
    assert client.listed() == ["a.txt", "empty/"]
    assert set(contents(tree.parent / ".trash").values()) >= {b"sub/b.txt", b"sub/deep/c.txt"}


def test_a_copy_over_something_takes_the_right_to_delete_it(client: Drive, tree: Path) -> None:
    client.without(Right.DELETE)
    assert client.copy("a.txt", "sub/b.txt").status_code == 403
    assert client.move("a.txt", "sub").status_code == 403
    assert client.copy("a.txt", "new.txt").status_code == 201
    assert (tree / "sub/b.txt").read_bytes() == b"sub/b.txt"


def test_the_services_own_folders_stay_where_they_are(client: Drive, tree: Path) -> None:
    root = replace(client.access.roots[0], fixed=frozenset({"work/sub"}))
    client.access = replace(client.access, roots=(root,))
    assert client.ask("DELETE", "sub").status_code == 403
    answer = client.move("sub", "new")
    assert answer.status_code == 403
    assert client.copy("empty", "sub").status_code == 403
    assert client.ask("DELETE", "/data/work").status_code == 403  # it holds one
    assert contents(tree / "sub").keys() == {"b.txt", "deep/c.txt"}
    assert client.ask("DELETE", "sub/b.txt").status_code == 204
    assert client.ask("PUT", "sub/new.txt", b"x").status_code == 201


def test_links_and_hidden_names_are_not_copied_along(client: Drive, tree: Path) -> None:
    (tree / "sub" / "link").symlink_to("/etc/passwd")
    os.mkfifo(tree / "sub" / "pipe")
    assert client.copy("sub", "new").status_code == 201
    assert sorted(os.listdir(tree / "new")) == ["b.txt", "deep"]


def test_what_may_be_done_is_told(client: Drive, tree: Path) -> None:
    for name in ("", "a.txt"):
        answer = client.ask("OPTIONS", name)
        assert answer.status_code == 200
        assert {"1", "2"} <= {part.strip() for part in answer.headers["DAV"].split(",")}
        assert "PROPFIND" in answer.headers["Allow"]
