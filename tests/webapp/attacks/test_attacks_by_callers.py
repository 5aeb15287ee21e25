"""The attack checklist, 49 to 74: whoever asks, and what they bring, cannot do more than told."""

import os
import re
import stat
import threading
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.webapp.attacks.attack_world import SECRET, AttackWorld, build_world, upload_file

DAV = "http://localhost/dav"
XXE = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<D:propfind xmlns:D="DAV:"><D:prop><D:displayname>&a;</D:displayname></D:prop></D:propfind>"""
LAUGHS = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;">]><D:propfind xmlns:D="DAV:"><D:prop>&c;</D:prop></D:propfind>"""


@pytest.fixture
def world(house: Any, tmp_path: Path) -> AttackWorld:
    return build_world(house, tmp_path)


def test_49_a_zip_holds_no_link(world: AttackWorld) -> None:
    (world.inside / "out").symlink_to(world.outside)
    (world.inside / "key.txt").symlink_to(world.outside / "secret.txt")
    answer = world.ask("GET", "/api/files/archive?path=/data/work")
    with zipfile.ZipFile(BytesIO(answer.data)) as found:
        assert not [name for name in found.namelist() if "out" in name or "key" in name]
    assert SECRET not in answer.data


CLOCK = r"\d\d:\d\d:\d\d\.\d+"
HIDDEN, ABSENT = ".easel/hidden.txt", ".easel/absent.txt"
ASKING = (
    *("/api/files?path=/data/{}", "/api/files/content?path=/data/{}", "/api/raw/data/{}"),
    *("/api/files/size?path=/data/{}", "/api/files/preview?path=/data/{}", "/api/usage/data/{}"),
    *("/api/files/archive?path=/data/{}", "/api/files/text?path=/data/{}", "/dav/data/{}"),
    *("/api/files/thumbnail?path=/data/{}", "/api/resources/data/{}?checksum=md5"),
    *("/api/files/events?path=/data/{}", "/api/resources/recursive/data/{}"),
)


@pytest.mark.parametrize("url", ASKING)
def test_54_an_error_tells_nothing_of_what_is_hidden(world: AttackWorld, url: str) -> None:
    """What is hidden is answered word for word as what is not there."""
    answers = [world.ask("GET", url.format(path)) for path in (HIDDEN, ABSENT)]
    there, absent = (re.sub(CLOCK, "", answer.data.decode()) for answer in answers)
    assert [answer.status_code for answer in answers] == [404, 404]
    assert there.replace(HIDDEN, ABSENT) == absent


def test_54_no_size_counts_what_is_hidden(world: AttackWorld) -> None:
    def sizes() -> list[Any]:
        told = world.ask("GET", "/api/files/size?path=/data").get_json()
        flat = world.ask("GET", "/api/resources/recursive/data").get_json()
        return [told, sorted(entry["path"] for entry in flat)]

    before = sizes()
    (world.house.data_dir / ".easel" / "more.bin").write_bytes(bytes(100_000))
    assert sizes() == before


@pytest.mark.parametrize("name", ["token", "auth", "access_token", "jwt", "key"])
def test_59_a_token_in_the_address_opens_nothing(guarded_house: Any, name: str) -> None:
    answer = guarded_house.client().get(f"/api/files?path=/data&{name}=s3cret-token")
    assert answer.status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_61_a_share_takes_nothing(world: AttackWorld, method: str) -> None:
    link = world.ask("POST", "/api/files/shares", json={"path": "/data/work"}).get_json()["url"]
    for url in (f"{link}/content?path=a.txt", f"{link}/content?path=new.txt"):
        assert world.ask(method, url, data=b"evil").status_code in (403, 404, 405)
    assert (world.inside / "a.txt").read_bytes() == b"letters"
    assert not (world.inside / "new.txt").exists()


@pytest.mark.parametrize(
    "header",
    ["X-Remote-User", "X-Forwarded-User", "X-Forwarded-For", "Remote-User", "X-Real-IP"],
)
def test_63_headers_of_a_proxy_make_nobody_somebody(guarded_house: Any, header: str) -> None:
    for value in ("owner", "127.0.0.1"):
        answer = guarded_house.client().get("/api/files?path=/data", headers={header: value})
        assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/api/signup", "/api/users", "/api/command/", "/api/settings"])
def test_64_nobody_signs_up_and_no_command_is_run(world: AttackWorld, path: str) -> None:
    for method in ("GET", "POST"):
        assert world.ask(method, path, json={"username": "x"}).status_code in (404, 405)


def test_69_many_lists_at_once(world: AttackWorld) -> None:
    for number in range(300):
        (world.inside / "sub" / f"{number}.txt").write_bytes(b"")
    found: list[int] = []

    def look() -> None:
        answer = world.client.get("/api/files?path=/data/work/sub&limit=50")
        busy = answer.status_code == 429 and bool(answer.headers["Retry-After"])
        found.append(0 if busy else len(answer.get_json()["entries"]))

    threads = [threading.Thread(target=look) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40  # one caller lists a few folders at once (--max-listings)
    assert 50 in found
    assert set(found) <= {0, 50}
    too_many = world.ask("GET", "/api/files?path=/data/work/sub&limit=1000000")
    assert too_many.status_code in (400, 422) or len(too_many.get_json()["entries"]) <= 2000


@pytest.mark.parametrize(
    "destination",
    [
        "http://evil.example/dav/data/work/x.txt",
        f"{DAV}/data/work/%2e%2e/%2e%2e/outside/x.txt",
        f"{DAV}/data/../outside/x.txt",
        f"{DAV}/../../outside/x.txt",
        f"{DAV}/data/.easel/x.txt",
        f"{DAV}/others/x.txt",
        "http://localhost/etc/passwd",
        "file:///tmp/x.txt",
    ],
)
@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_71_destinations_of_dav(world: AttackWorld, method: str, destination: str) -> None:
    answer = world.ask(method, "/dav/data/work/a.txt", headers={"Destination": destination})
    assert 400 <= answer.status_code < 600, answer.status_code
    assert answer.status_code != 500
    assert (world.inside / "a.txt").read_bytes() == b"letters"
    assert not list(world.house.data_dir.rglob("x.txt"))
    world.assert_unharmed()


@pytest.mark.parametrize("depth", [{}, {"Depth": "infinity"}])
def test_71_no_listing_of_everything(world: AttackWorld, depth: dict[str, str]) -> None:
    answer = world.ask("PROPFIND", "/dav/", headers=depth)
    assert answer.status_code in (207, 403)
    assert b"a.txt" not in answer.data


@pytest.mark.parametrize("body", [XXE, LAUGHS])
def test_71_entities_of_xml(world: AttackWorld, body: str) -> None:
    answer = world.ask("PROPFIND", "/dav/data/work/", headers={"Depth": "0"}, data=body.encode())
    assert answer.status_code in (400, 403, 422)
    assert b"root:" not in answer.data
    assert b"aaaaaaaaaa" not in answer.data


def test_71_an_if_header_without_end(world: AttackWorld) -> None:
    condition = "(<opaquelocktoken:x>)" * 3000
    answer = world.ask("PUT", "/dav/data/work/a.txt", headers={"If": condition}, data=b"evil")
    assert 400 <= answer.status_code < 500
    assert (world.inside / "a.txt").read_bytes() == b"letters"


def test_73_files_are_nobody_elses_and_no_programs(world: AttackWorld) -> None:
    assert (
        upload_file(world, b"words", folder="/data/work/fresh", filename="new.txt").status_code
        == 201
    )
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo("tool.txt")
        entry.external_attr = (stat.S_IFREG | 0o4777) << 16
        archive.writestr(entry, "words")
    (world.inside / "tool.zip").write_bytes(packed.getvalue())
    world.ask("POST", "/api/files/extract", json={"path": "/data/work/tool.zip"})
    made = [world.inside / "fresh" / "new.txt", *world.inside.rglob("tool.txt")]
    assert len(made) == 2
    for path in made:
        mode = os.stat(path).st_mode
        assert not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        assert not mode & stat.S_IWOTH
    assert not os.stat(world.inside / "fresh").st_mode & stat.S_IWOTH


@pytest.mark.parametrize("modified", ["-1", "253402300800000", "99999999999999999999", "x", "1e9"])
def test_74_clocks_of_clients(world: AttackWorld, modified: str) -> None:
    answer = upload_file(
        world, b"words", folder="/data/work", filename="new.txt", modified=modified
    )
    assert answer.status_code in (201, 400)
    listing = world.ask("GET", "/api/files?path=/data/work").get_json()["entries"]
    for entry in listing:
        assert 0 <= entry["modified"] < 4_000_000_000
