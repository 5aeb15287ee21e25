"""The attack checklist on what is handed out, 43 to 51: it is tame, private, and bounded."""

import os
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.http import parse_options_header

from tests.wait import assert_quick
from tests.webapp.attacks.attack_world import PIXEL, AttackWorld, assert_refused, build_world

ACTIVE = {
    "page.html": b"<script>document.title='ran'</script>",
    "page.htm": b"<script>document.title='ran'</script>",
    "page.xhtml": b"<html xmlns='http://www.w3.org/1999/xhtml'><script>1</script></html>",
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "tree.xml": b"<?xml-stylesheet href='x.xsl'?><a/>",
    "mail.mhtml": b"MIME-Version: 1.0\r\n\r\n<script>1</script>",
    "paper.pdf": b"%PDF-1.7 /JS (app.alert(1))",
    "book.epub": b"PK\x03\x04",
    "notes.md": b"[x](javascript:alert(1)) <script>1</script>",
    "code.js": b"alert(1)",
}
TRICKS = (
    *("", "&inline=1", "&inline=true&type=text/html", "&download=0&content-type=text/html"),
    "&inline=1&response-content-type=text/html",
)


@pytest.fixture
def world(house: Any, tmp_path: Path) -> AttackWorld:
    return build_world(house, tmp_path)


def ways(world: AttackWorld, name: str) -> list[Any]:
    """Every way by which the bytes of /data/work/NAME are handed out."""
    path, html = f"/data/work/{quote(name)}", {"Accept": "text/html"}
    link = world.ask("POST", "/api/files/shares", json={"path": "/data/work"}).get_json()["url"]
    return [
        *(world.client.get(f"/api/files/content?path={path}{t}", headers=html) for t in TRICKS),
        *(world.client.get(f"/api/raw{path}?x=1{trick}", headers=html) for trick in TRICKS),
        *(world.client.get(f"{link}/content?path={quote(name)}{t}", headers=html) for t in TRICKS),
        world.client.get(f"/dav{path}", headers=html),
    ]


@pytest.mark.parametrize("name", ACTIVE)
def test_43_and_46_what_could_run_runs_nowhere(world: AttackWorld, name: str) -> None:
    (world.inside / name).write_bytes(ACTIVE[name])
    for answer in ways(world, name):
        assert answer.status_code in (200, 400), answer.request.url
        policy = answer.headers.get("Content-Security-Policy", "")
        if answer.status_code == 400:
            continue  # a parameter without such a value
        assert answer.data == ACTIVE[name]
        assert "sandbox" in policy
        assert "allow-scripts" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        inline = answer.headers["Content-Disposition"].startswith("inline")
        risky = ("html", "/xml", "javascript")  # a drawing is shown: the sandbox holds it
        assert not (inline and any(word in answer.content_type for word in risky))


def test_44_scripts_in_names_and_texts_stay_texts(world: AttackWorld) -> None:
    script = "<img src=x onerror=alert(1)>.png"
    (world.inside / script).write_bytes(PIXEL)
    (world.inside / "sub" / "a&b<i>.txt").write_text("x")
    for url in (
        "/api/files?path=/data/work",
        "/api/resources/data/work",
        "/api/resources/recursive/data/work",
        f"/api/files?path=/data/work/{quote(script)}",
        f"/api/files/content?path=/data/none/{quote(script)}",
    ):
        answer = world.ask("GET", url)
        assert answer.content_type.startswith("application/json"), url
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for path, depth in (("/dav/data/work", "1"), (f"/dav/data/none/{quote(script)}", "0")):
        told = world.ask("PROPFIND", path, headers={"Depth": depth})
        assert b"<img" not in told.data
        assert b"<i>" not in told.data
        assert "sandbox" in told.headers["Content-Security-Policy"]
    link = world.ask("POST", "/api/files/shares", json={"path": "/data/work"}).get_json()["url"]
    for page in (link, f"{link}?path=sub", f"{link}?path={quote(script)}"):
        told = world.client.get(page)
        assert b"<img src=x" not in told.data
        assert b"<i>" not in told.data
        assert "default-src 'none'" in told.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name", ['quo"te.txt', "semi;colon.txt", "ünï ☃.txt", "per%20cent.txt", "a'b.txt"]
)
def test_45_names_in_headers(world: AttackWorld, name: str) -> None:
    (world.inside / name).write_bytes(b"x")
    for answer in ways(world, name):
        if answer.status_code != 200:
            continue
        assert "\n" not in str(answer.headers["Content-Disposition"])
        kind, words = parse_options_header(answer.headers["Content-Disposition"])
        assert kind in ("attachment", "inline")
        assert words.get("filename", name) == name


def test_45_a_name_with_line_breaks_is_never_a_header(world: AttackWorld) -> None:
    name = "a\r\nSet-Cookie: x=1\r\n.txt"
    (world.inside / name).write_bytes(b"x")
    for answer in ways(world, name):
        assert_refused(answer)
        assert "Set-Cookie" not in answer.headers


def test_47_nobody_keeps_private_files(world: AttackWorld) -> None:
    for answer in ways(world, "a.txt"):
        if answer.status_code != 200:
            continue
        assert "private" in answer.headers["Cache-Control"]
        assert "public" not in answer.headers["Cache-Control"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    link = world.ask("POST", "/api/files/shares", json={"path": "/data/work"}).get_json()["url"]
    for url in (link, f"{link}/content?path=a.txt", f"{link}/content?path=none", "/s/unknown"):
        answer = world.client.get(url)
        assert answer.headers["Cache-Control"] == "private, no-store", url
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Accept-Language" in world.client.get(link).headers["Vary"]


@pytest.mark.parametrize(
    "asked",
    [
        *("bytes=" + ",".join(["0-"] * 1000), "bytes=0-1,0-1,0-1,1-2", "bytes=5-2", "bytes=-0"),
        *(f"bytes={2**70}-", f"bytes=0-{2**70}", f"bytes=-{2**70}", "bytes=9999-", "bytes=a-b"),
        *("bytes=", "bytes=--1", "lines=1-2", "bytes=1-2-3", "bytes=٣-٤", "bytes=0-0,-1," * 400),
    ],
)
def test_48_ranges_are_never_more_than_the_file(world: AttackWorld, asked: str) -> None:
    link = world.ask("POST", "/api/files/shares", json={"path": "/data/work"}).get_json()["url"]
    for url in (
        "/api/files/content?path=/data/work/a.txt",
        "/api/raw/data/work/a.txt",
        "/dav/data/work/a.txt",
        f"{link}/content?path=a.txt",
    ):
        asked_as = asked.encode().decode("latin-1")
        answer = world.client.get(url, headers={"Range": asked_as})
        assert answer.status_code in (200, 206, 400, 416), url
        assert b"letters".startswith(answer.data) or answer.status_code != 200
        assert len(answer.data) <= 7 or answer.status_code in (400, 416)


def test_48_the_end_of_a_large_file_is_found_at_once(world: AttackWorld) -> None:
    with (world.inside / "large.zip").open("wb") as file:
        file.seek(8 * 2**30 - 100)
        file.write(b"z" * 100)
    for url in ("/api/files/content?path=/data/work/large.zip", "/dav/data/work/large.zip"):
        answer = assert_quick(partial(world.client.get, url, headers={"Range": "bytes=-100"}), 1)
        assert (answer.status_code, answer.data) == (206, b"z" * 100)


def bomb(width: int, height: int, text: bytes = b"") -> bytes:
    """A PNG that says how large it is, and holds next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    more = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(text, 9)) if text else b""
    body = chunk(b"IDAT", zlib.compress(bytes(1000), 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + more + body


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("vast.png", bomb(30_000, 30_000)),
        ("text.png", bomb(8, 8, bytes(200_000_000))),
        ("cut.png", PIXEL[:40]),
        ("page.png", b"<html>"),
        ("empty.png", b""),
    ],
)
def test_51_pictures_that_swell(world: AttackWorld, name: str, data: bytes) -> None:
    (world.inside / name).write_bytes(data)
    where = {"path": f"/data/work/{name}"}
    assert_refused(
        assert_quick(lambda: world.ask("GET", "/api/files/thumbnail", query_string=where), 2)
    )


@pytest.mark.parametrize("size", ["100000", "-1", "0", "257", "1e3", "", "256x256"])
def test_51_thumbnails_have_few_sizes(world: AttackWorld, size: str) -> None:
    query = {"path": "/data/work/p.png", "size": size}
    assert_refused(world.ask("GET", "/api/files/thumbnail", query_string=query))


def test_75_a_file_that_shrinks_or_goes_while_it_is_read(world: AttackWorld) -> None:
    for verb in (os.unlink, lambda path: os.truncate(path, 10)):
        path = world.inside / "long.zip"
        path.write_bytes(b"x" * 5_000_000)
        url = "/api/files/content?path=/data/work/long.zip"
        answer = world.client.get(url, buffered=False)
        pieces = answer.iter_encoded()
        first = next(pieces)
        verb(path)
        try:
            rest = b"".join(pieces)
        except OSError:  # the connection is broken off: the client knows that it has not all
            rest = b""
        finally:
            answer.close()
        assert set(first + rest) == {ord("x")}
        assert len(first + rest) in (5_000_000, len(first))
        (world.inside / "other.zip").write_bytes(b"secret")


def test_75_deleting_what_is_being_uploaded_to(world: AttackWorld) -> None:
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "10",
        "Upload-Metadata": "folder L2RhdGEvd29yay9zdWI=,filename Yi50eHQ=",
    }
    url = world.ask("POST", "/api/files/uploads", headers=headers).headers["Location"]
    assert world.ask("DELETE", "/dav/data/work/sub").status_code == 204
    sent = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    }
    assert world.ask("PATCH", url, headers=sent, data=b"0123456789").status_code == 204
    assert (world.inside / "sub" / "b.txt").read_bytes() == b"0123456789"
