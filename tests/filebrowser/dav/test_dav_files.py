"""Files over WebDAV: bytes in and out, conditions, times, rights, and what is refused."""

import io
import os
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from filebrowser.access.file_access import Right
from tests.filebrowser.dav.conftest import Drive

Ask = Callable[[Drive], object]


def test_a_new_file_is_created_and_an_old_one_replaced(client: Drive) -> None:
    new = client.ask("PUT", "a.txt", b"letters")
    assert (new.status_code, client.events()) == (201, ["created work/a.txt"])
    facts = (client.folder / "a.txt").stat()
    assert new.headers["ETag"] == f'"{facts.st_ino:x}-{facts.st_mtime_ns:x}-7"'
    again = client.ask("PUT", "a.txt", b"other")
    assert (again.status_code, client.events()) == (204, ["changed work/a.txt"])
    assert again.headers["ETag"] != new.headers["ETag"]
    assert (client.folder / "a.txt").read_bytes() == b"other"


def test_a_file_is_read_with_what_a_browser_must_know(client: Drive) -> None:
    (client.folder / "a.html").write_bytes(b"<script>")
    answer = client.ask("GET", "a.html")
    assert (answer.status_code, answer.data) == (200, b"<script>")
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "private" in answer.headers["Cache-Control"]
    head = client.ask("HEAD", "a.html")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == "8"
    assert head.headers["ETag"] == answer.headers["ETag"]


@pytest.mark.parametrize("name", ["ü 名前.txt", "a;b.txt", "a%20b.txt", "a&b=c.txt", "'q'.txt"])
def test_every_name_arrives_as_it_was_sent(client: Drive, name: str) -> None:
    assert client.ask("PUT", name, b"x").status_code == 201
    assert os.listdir(client.folder) == [name]
    assert client.ask("GET", name).data == b"x"
    assert client.move(name, "moved.txt").status_code == 201
    assert client.move("moved.txt", name).status_code == 201
    assert client.listed() == [name]
    assert client.ask("DELETE", name).status_code == 204


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": "{etag}"}, 204),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": '"other", {etag}'}, 204),
        ({"If-Match": "*"}, 204),
        ({"If-None-Match": "*"}, 412),
        ({"If-None-Match": "{etag}"}, 412),
        ({"If-None-Match": '"other"'}, 204),
        ({"If-Unmodified-Since": "{now}"}, 204),
        ({"If-Unmodified-Since": "{past}"}, 412),
        ({"If": "([{etag}])"}, 204),
        ({"If": '(["other"])'}, 412),
        ({"If": '(Not ["other"])'}, 204),
        ({"If": '(["other"]) ([{etag}])'}, 204),
        ({"If": "(<opaquelocktoken:none>)"}, 412),
    ],
)
def test_a_file_is_written_under_conditions(
    client: Drive, headers: dict[str, str], status: int
) -> None:
    etag = client.ask("PUT", "a.txt", b"old").headers["ETag"]
    now = time.time()
    words = {"etag": etag, "now": formatdate(now, usegmt=True), "past": formatdate(1, usegmt=True)}
    filled = {name: value.format(**words) for name, value in headers.items()}
    assert client.ask("PUT", "a.txt", b"new", filled).status_code == status
    expected = b"new" if status == 204 else b"old"
    assert (client.folder / "a.txt").read_bytes() == expected
    if status == 412:
        assert client.ask("DELETE", "a.txt", b"", filled).status_code == 412
        assert client.move("a.txt", "b.txt", **filled).status_code == 412
        assert client.listed() == ["a.txt"]


@pytest.mark.parametrize("condition", [{"If-Match": "*"}, {"If-Match": '"other"'}])
def test_a_file_that_left_meanwhile_is_not_made_anew(
    client: Drive, condition: dict[str, str]
) -> None:
    """RFC 9110, 13.1.1: If-Match is false where there is nothing."""
    assert client.ask("PUT", "a.txt", b"new", condition).status_code == 412
    assert client.ask("GET", "a.txt", b"", condition).status_code == 404
    assert os.listdir(client.folder) == []


def test_a_file_is_made_only_where_none_is(client: Drive) -> None:
    none = {"If-None-Match": "*"}
    assert client.ask("PUT", "a.txt", b"one", none).status_code == 201
    assert client.ask("PUT", "a.txt", b"two", none).status_code == 412
    assert (client.folder / "a.txt").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": "{now}"}, 304),
        ({"If-Modified-Since": "{past}"}, 200),
        ({"If-Modified-Since": "no date"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"Range": "bytes=1-3"}, 206),
        ({"Range": "bytes=-3"}, 206),
        ({"Range": "bytes=100-"}, 416),
        ({"Range": "bytes=1-3", "If-Range": "{etag}"}, 206),
        ({"Range": "bytes=1-3", "If-Range": '"other"'}, 200),
    ],
)
def test_a_file_is_read_under_conditions(
    client: Drive, headers: dict[str, str], status: int
) -> None:
    client.ask("PUT", "a.txt", b"letters", {"X-OC-Mtime": "1500000000"})
    etag = client.ask("HEAD", "a.txt").headers["ETag"]
    words = {"etag": etag, "now": formatdate(usegmt=True), "past": formatdate(1, usegmt=True)}
    filled = {name: value.format(**words) for name, value in headers.items()}
    answer = client.ask("GET", "a.txt", b"", filled)
    assert answer.status_code == status, answer.text
    if status in (200, 206):
        content = {"bytes=1-3": b"ett", "bytes=-3": b"ers"}.get(headers.get("Range", ""))
        assert answer.data == (content if status == 206 else b"letters")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("1500000000", 1_500_000_000), ("1500000000.5", 1_500_000_000), ("0", 0)],
)
def test_a_file_has_the_time_that_came_with_it(client: Drive, header: str, seconds: int) -> None:
    assert client.ask("PUT", "a.txt", b"x", {"X-OC-Mtime": header}).status_code == 201
    assert int((client.folder / "a.txt").stat().st_mtime) == seconds
    client.ask("MKCOL", "folder", b"", {"X-OC-Mtime": header})
    assert int((client.folder / "folder").stat().st_mtime) == seconds


def test_what_is_no_time_fails_before_a_byte_is_written(client: Drive) -> None:
    answer = client.ask("PUT", "a.txt", b"x", {"X-OC-Mtime": "yesterday"})
    assert (answer.status_code, "X-OC-Mtime" in answer.text) == (400, True)
    assert os.listdir(client.folder) == []


def patch(*elements: str, verb: str = "set") -> str:
    inner = "".join(elements)
    return (
        f'<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:">'
        f"<D:{verb}><D:prop>{inner}</D:prop></D:{verb}></D:propertyupdate>"
    )


MODIFIED = "<Z:Win32LastModifiedTime>{}</Z:Win32LastModifiedTime>"


def test_a_time_is_set_afterwards(client: Drive) -> None:
    client.ask("PUT", "a.txt", b"x")
    for element in (
        MODIFIED.format("Fri, 14 Jul 2017 02:40:00 GMT"),
        "<D:getlastmodified>2017-07-14T02:40:00Z</D:getlastmodified>",
    ):
        os.utime(client.folder / "a.txt", (5, 5))
        answer = client.ask("PROPPATCH", "a.txt", patch(element))
        assert (answer.status_code, "200 OK" in answer.text) == (207, True)
        assert (client.folder / "a.txt").stat().st_mtime == 1_500_000_000


@pytest.mark.parametrize(
    ("element", "status"),
    [
        (MODIFIED.format("yesterday"), "409"),
        ("<D:displayname>b</D:displayname>", "403"),
        ("<D:getetag>b</D:getetag>", "403"),
        ('<own xmlns="urn:x">b</own>', "403"),
        ("<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>", "200"),
    ],
)
def test_other_properties_are_refused_or_forgotten(
    client: Drive, element: str, status: str
) -> None:
    client.ask("PUT", "a.txt", b"x", {"X-OC-Mtime": "5"})
    answer = client.ask("PROPPATCH", "a.txt", patch(element))
    assert answer.status_code == 207
    assert f"HTTP/1.1 {status}" in answer.text
    assert (client.folder / "a.txt").stat().st_mtime == 5


def test_when_one_property_fails_no_other_is_set(client: Drive) -> None:
    client.ask("PUT", "a.txt", b"x", {"X-OC-Mtime": "5"})
    both = patch(MODIFIED.format("Fri, 14 Jul 2017 02:40:00 GMT"), '<own xmlns="urn:x">b</own>')
    answer = client.ask("PROPPATCH", "a.txt", both)
    assert "424 Failed Dependency" in answer.text
    assert (client.folder / "a.txt").stat().st_mtime == 5


def test_a_file_keeps_its_time_when_somebody_removes_it(client: Drive) -> None:
    client.ask("PUT", "a.txt", b"x", {"X-OC-Mtime": "5"})
    answer = client.ask("PROPPATCH", "a.txt", patch("<D:getlastmodified/>", verb="remove"))
    assert "HTTP/1.1 403" in answer.text
    assert (client.folder / "a.txt").stat().st_mtime == 5


REFUSED: dict[str, tuple[Right, Ask, int]] = {
    "list": (Right.VIEW, lambda drive: drive.ask("PROPFIND", "", b"", {"Depth": "1"}), 403),
    "read": (Right.DOWNLOAD, lambda drive: drive.ask("GET", "a.txt"), 403),
    "make": (Right.CREATE, lambda drive: drive.ask("PUT", "new.txt", b"x"), 403),
    "replace": (Right.MODIFY, lambda drive: drive.ask("PUT", "a.txt", b"x"), 403),
    "folder": (Right.CREATE, lambda drive: drive.ask("MKCOL", "new"), 403),
    "delete": (Right.DELETE, lambda drive: drive.ask("DELETE", "a.txt"), 403),
    "move": (Right.MODIFY, lambda drive: drive.move("a.txt", "b.txt"), 403),
    "copy": (Right.CREATE, lambda drive: drive.copy("a.txt", "b.txt"), 403),
    "lock a new name": (Right.CREATE, lambda drive: drive.lock("new.txt"), 403),
}


@pytest.mark.parametrize(("right", "act", "status"), REFUSED.values(), ids=REFUSED)
def test_each_method_takes_its_right(client: Drive, right: Right, act: Ask, status: int) -> None:
    (client.folder / "a.txt").write_bytes(b"letters")
    client.without(right)
    assert act(client).status_code == status  # type: ignore[attr-defined]
    assert os.listdir(client.folder) == ["a.txt"]
    assert (client.folder / "a.txt").read_bytes() == b"letters"
    assert client.events() == []


def test_a_time_takes_the_right_to_modify(client: Drive) -> None:
    client.ask("PUT", "a.txt", b"x", {"X-OC-Mtime": "5"})
    client.without(Right.MODIFY)
    assert "HTTP/1.1 403" in client.ask("PROPPATCH", "a.txt", patch(MODIFIED.format("9"))).text
    assert (client.folder / "a.txt").stat().st_mtime == 5


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/data/work/none/a.txt", 409),
        ("/other/a.txt", 409),
        ("/a.txt", 403),
        ("/data/code/a.txt", 403),
        ("/data/.trash/a.txt", 409),
        ("/data/.uploads/a.txt", 409),
        ("/data/work", 405),
        ("/data/work/con.txt", 400),
        ("/data/work/a%3Ab.txt", 400),
        ("/data/work/a%00b", 400),
        ("/data/work/../a.txt", 400),
        ("/data/work/" + "n" * 256, 400),
        ("/data/work/models/a.png", 415),
        ("/data/work/models/a.safetensors", 415),
    ],
)
def test_where_no_file_can_be_put(client: Drive, path: str, status: int) -> None:
    (client.folder / "models").mkdir()
    (client.folder.parent / "code").mkdir()
    answer = client.ask("PUT", path, b"letters")
    assert answer.status_code == status, answer.text
    assert str(client.folder.parent) not in answer.text  # no path of the machine
    left = [path for path in client.folder.parent.rglob("*") if path.is_file()]
    assert [path for path in left if path.name == "data" or "work" in path.parts] == []


def test_a_link_is_neither_read_nor_written_nor_listed(client: Drive) -> None:
    outside = client.folder.parent / "outside.txt"
    outside.write_bytes(b"letters")
    (client.folder / "link").symlink_to(outside)
    assert client.ask("GET", "link").status_code == 404
    assert client.ask("PUT", "link", b"x").status_code in (403, 409)
    assert client.ask("DELETE", "link").status_code == 404
    assert client.listed() == []
    assert outside.read_bytes() == b"letters"


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"CONTENT_LENGTH": "9"}, 400),
        ({"CONTENT_LENGTH": "nine"}, 400),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"HTTP_CONTENT_RANGE": "bytes 0-6/7"}, 400),
        ({"HTTP_CONTENT_ENCODING": "gzip"}, 501),
    ],
)
def test_bodies_that_are_not_what_is_said_of_them(
    client: Drive, environ: dict[str, str], status: int
) -> None:
    (client.folder / "a.txt").write_bytes(b"old")
    for name in ("a.txt", "new.txt"):
        answer = client.ask("PUT", name, b"letters", **environ)
        assert answer.status_code == status, answer.text
    assert (client.folder / "a.txt").read_bytes() == b"old"
    assert os.listdir(client.folder) == ["a.txt"]
    assert not list(client.folder.parent.glob(".uploads/*"))


@pytest.mark.parametrize(
    "method",
    ["GET", "HEAD", "PUT", "DELETE", "MKCOL", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "MOVE"],
)
def test_a_path_that_is_not_in_utf_8_is_no_path(client: Drive, method: str) -> None:
    headers = {"Depth": "0", "Destination": "/dav/data/work/b.txt"}
    answer = client.ask(method, "", b"", headers, PATH_INFO="/dav/data/work/\xff.txt")
    assert answer.status_code == 400
    assert os.listdir(client.folder) == []


def test_a_full_quota_and_a_largest_file(client: Drive) -> None:
    client.limits(spare=0, quota=10)
    assert client.ask("PUT", "a.txt", bytes(11)).status_code == 507
    assert client.ask("PUT", "a.txt", bytes(6)).status_code == 201
    assert client.copy("a.txt", "b.txt").status_code == 507
    client.limits(spare=0, largest=5)
    assert client.ask("PUT", "b.txt", bytes(6)).status_code == 413
    assert client.listed() == ["a.txt"]


def test_a_finder_tells_the_length_in_its_own_header(client: Drive) -> None:
    length = {"X-Expected-Entity-Length": "7"}
    assert client.ask("PUT", "a.txt", b"letters", length, CONTENT_LENGTH="").status_code == 201
    for wrong in ("9", "-9", "nine"):
        length = {"X-Expected-Entity-Length": wrong}
        assert client.ask("PUT", "a.txt", b"new", length, CONTENT_LENGTH="").status_code == 400
    assert (client.folder / "a.txt").read_bytes() == b"letters"


def test_a_body_that_is_refused_is_not_read(client: Drive) -> None:
    body = io.BytesIO(bytes(10**6))
    environ: dict[str, Any] = {"wsgi.input": body, "CONTENT_LENGTH": str(10**6)}
    assert client.ask("PUT", "none/a.txt", b"", **environ).status_code == 409
    assert body.tell() == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "PROPFIND", "DELETE", "LOCK"])
def test_a_path_that_nothing_could_have(client: Drive, method: str) -> None:
    deep = "/data/" + "n/" * 80
    assert client.ask(method, deep, b"", {"Depth": "0"}).status_code == 400


def test_a_deleted_file_lies_in_the_trash(client: Drive) -> None:
    (client.folder / "a.txt").write_bytes(b"letters")
    assert client.ask("DELETE", "a.txt").status_code == 204
    assert client.ask("DELETE", "a.txt").status_code == 404
    assert client.events() == ["deleted work/a.txt"]
    trash = (client.folder.parent / ".trash").rglob("*")
    assert b"letters" in [path.read_bytes() for path in trash if path.is_file()]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PROPFIND", "PROPPATCH", "UNLOCK"])
def test_what_is_not_there(client: Drive, method: str) -> None:
    headers = {"Depth": "0", "Lock-Token": "<opaquelocktoken:none>"}
    body = patch(MODIFIED.format("5")) if method == "PROPPATCH" else ""
    assert client.ask(method, "none.txt", body, headers).status_code == 404


@pytest.mark.parametrize("method", ["PROPFIND", "PROPPATCH", "LOCK", "MKCOL", "COPY"])
def test_bodies_that_are_no_files_are_bounded(client: Drive, method: str) -> None:
    (client.folder / "a.txt").write_bytes(b"letters")
    answer = client.ask(method, "a.txt", b" " * 300_000, {"Depth": "0"})
    assert answer.status_code == 413


def test_conditions_are_bounded(client: Drive) -> None:
    (client.folder / "a.txt").write_bytes(b"letters")
    long = {"If": "(<opaquelocktoken:a>) " * 300}
    assert client.ask("GET", "a.txt", b"", long).status_code == 400
