"""WebDAV as its clients speak it, over a socket: requests, and curl where it is."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.wait import TIMEOUT
from tests.webapp.app_server import serve_app
from webapp.access.credentials import build_credentials

TOKEN = "s3cret-token"
LOCK = (
    '<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    "<D:locktype><D:write/></D:locktype><D:owner>me</D:owner></D:lockinfo>"
)


class Drive:
    """A mounted drive: the folder on disk, and a client of its address."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.session = requests.Session()
        self.session.auth = ("anybody", TOKEN)

    def ask(self, method: str, path: str, **given: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}{path}", timeout=TIMEOUT, **given)


@pytest.fixture
def drive(build: Any) -> Iterator[Drive]:
    house = build(build_credentials(TOKEN))
    folder = house.data_dir / "work"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"letters")
    with serve_app(house.app) as url:
        yield Drive(f"{url}/dav", folder)


def hrefs(answer: requests.Response) -> set[str]:
    assert answer.status_code == 207, answer.text
    return set(re.findall(r"<(?:\w+:)?href>([^<]*)<", answer.text))


def test_a_client_without_a_credential_is_asked_for_one(drive: Drive) -> None:
    answer = requests.options(f"{drive.url}/", timeout=TIMEOUT)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_it_says_that_it_can_lock(drive: Drive) -> None:
    answer = drive.ask("OPTIONS", "/data/work/")
    assert answer.headers["DAV"] == "1,2"
    assert {"PROPFIND", "MOVE", "LOCK"} <= set(answer.headers["Allow"].split(", "))


def test_the_trees_and_what_they_hold(drive: Drive) -> None:
    assert hrefs(drive.ask("PROPFIND", "/", headers={"Depth": "1"})) == {"/dav/", "/dav/data/"}
    top = hrefs(drive.ask("PROPFIND", "/data", headers={"Depth": "1"}))
    assert "/dav/data/work/" in top
    assert not any(".easel" in href for href in top)
    (drive.folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(drive.folder / "pipe")
    inner = drive.ask("PROPFIND", "/data/work/", headers={"Depth": "1"})
    assert hrefs(inner) == {"/dav/data/work/", "/dav/data/work/a.txt"}
    assert "getcontentlength>7<" in inner.text


def test_head_tells_whether_a_folder_is_there(drive: Drive) -> None:
    for path in ("/", "/data/", "/data/work", "/data/work/"):
        answer = drive.ask("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")
    for path in ("/data/none/", "/none/", "/data/.easel/"):
        assert drive.ask("HEAD", path).status_code == 404
    assert drive.ask("HEAD", "/data/work/a.txt").headers["Content-Length"] == "7"


def test_a_file_is_read_in_ranges(drive: Drive) -> None:
    whole = drive.ask("GET", "/data/work/a.txt")
    assert whole.content == b"letters"
    assert "sandbox" in whole.headers["Content-Security-Policy"]
    assert whole.headers["Content-Disposition"] == "attachment; filename=a.txt"
    part = drive.ask("GET", "/data/work/a.txt", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"tte")
    assert drive.ask("HEAD", "/data/work/a.txt").headers["Content-Length"] == "7"


@pytest.mark.parametrize(
    "asked",
    [
        *("bytes=0-0", "bytes=-3", "bytes=-99", "bytes=5-", "bytes=0-99", "bytes=6-6"),
        *("bytes=7-", "bytes=7-9", "bytes=99-", "bytes=-0", "bytes=4-2", "bytes=x", "lines=1-2"),
        *("bytes=0-1,3-4", "bytes=0-,-2", "bytes=8-9,20-", "bytes=", "bytes=" + "9" * 5000 + "-"),
    ],
)
def test_every_range_is_answered_as_at_the_other_doors(drive: Drive, asked: str) -> None:
    (drive.folder / "none.txt").write_bytes(b"")
    root = drive.url.removesuffix("/dav")
    for name in ("a.txt", "none.txt"):
        for more in ({}, {"If-Range": '"another"'}, {"If-Range": "Thu, 01 Jan 1970 00:00:00 GMT"}):
            headers = {"Range": asked, **more}
            ours = drive.session.get(f"{root}/api/raw/data/work/{name}", headers=headers)
            dav = drive.ask("GET", f"/data/work/{name}", headers=headers)
            assert (dav.status_code, dav.content) == (ours.status_code, ours.content)
            assert dav.status_code in ((200,) if more else (200, 206, 416))
            for field in ("Content-Range", "Content-Length", "Accept-Ranges", "ETag"):
                assert dav.headers.get(field) == ours.headers.get(field)


def test_ranges_that_begin_behind_the_end_are_refused_together(drive: Drive) -> None:
    for asked, status in {
        "bytes=-2": 206,
        "bytes=-0": 416,
        "bytes=7-8,9-": 416,
        "bytes=-99": 200,
    }.items():
        answer = drive.ask("GET", "/data/work/a.txt", headers={"Range": asked})
        assert answer.status_code == status, asked
    answer = drive.ask("GET", "/data/work/a.txt", headers={"Range": "bytes=0-1,9-"})
    assert (answer.status_code, answer.content) == (200, b"letters")


def test_put_brings_a_file_and_replaces_it_whole(drive: Drive) -> None:
    assert drive.ask("PUT", "/data/work/new.zip", data=b"x" * 3_000_000).status_code == 201
    path = drive.folder / "new.zip"
    assert path.stat().st_size == 3_000_000
    with path.open("rb") as mapped:
        assert drive.ask("PUT", "/data/work/new.zip", data=b"second").status_code == 204
        assert len(mapped.read()) == 3_000_000  # the old file stays whole for who has it open
    assert path.read_bytes() == b"second"
    assert sorted(os.listdir(drive.folder)) == ["a.txt", "new.zip"]


def test_put_in_pieces_without_a_length(drive: Drive) -> None:
    answer = drive.ask("PUT", "/data/work/pieces.zip", data=iter([b"one", b"two"]))
    assert answer.status_code == 201
    assert (drive.folder / "pieces.zip").read_bytes() == b"onetwo"


def test_a_body_that_ends_early_leaves_nothing(drive: Drive) -> None:
    request = requests.Request(
        "PUT", f"{drive.url}/data/work/cut.zip", data=b"abc", auth=("x", TOKEN)
    ).prepare()
    request.headers["X-Expected-Entity-Length"] = "10"
    del request.headers["Content-Length"]
    request.headers["Transfer-Encoding"] = "chunked"
    request.body = iter([b"abc"])  # type: ignore[assignment]
    assert drive.session.send(request, timeout=TIMEOUT).status_code == 400
    assert os.listdir(drive.folder) == ["a.txt"]


def test_folders_copies_and_moves(drive: Drive) -> None:
    assert drive.ask("MKCOL", "/data/work/sub/").status_code == 201
    assert drive.ask("MKCOL", "/data/work/sub/").status_code == 405
    assert drive.ask("MKCOL", "/data/none/sub/").status_code == 409
    to = {"Destination": f"{drive.url}/data/work/sub/copy%20of%20a.txt"}
    assert drive.ask("COPY", "/data/work/a.txt", headers=to).status_code == 201
    assert (drive.folder / "sub" / "copy of a.txt").read_bytes() == b"letters"
    taken = {**to, "Overwrite": "F"}
    assert drive.ask("COPY", "/data/work/a.txt", headers=taken).status_code == 412
    assert drive.ask("MOVE", "/data/work/a.txt", headers=to).status_code == 204
    assert not (drive.folder / "a.txt").exists()
    to = {"Destination": f"{drive.url}/data/work/moved"}
    assert drive.ask("MOVE", "/data/work/sub/", headers=to).status_code == 201
    assert (drive.folder / "moved" / "copy of a.txt").read_bytes() == b"letters"
    to = {"Destination": f"{drive.url}/data/work/twice/"}
    assert drive.ask("COPY", "/data/work/moved/", headers=to).status_code == 201
    assert (drive.folder / "twice" / "copy of a.txt").read_bytes() == b"letters"


def test_a_copy_over_a_folder_leaves_what_the_source_holds(drive: Drive) -> None:
    for folder, names in (("one", ("a.txt", "b.txt")), ("two", ("b.txt", "c.txt"))):
        (drive.folder / folder).mkdir()
        for name in names:
            (drive.folder / folder / name).write_text(folder)
    to = {"Destination": f"{drive.url}/data/work/two/"}
    assert drive.ask("COPY", "/data/work/one/", headers=to).status_code == 204
    assert {each.name: each.read_text() for each in (drive.folder / "two").iterdir()} == {
        "a.txt": "one",
        "b.txt": "one",
    }


def test_delete_takes_a_folder_away(drive: Drive) -> None:
    (drive.folder / "sub" / "inner").mkdir(parents=True)
    assert drive.ask("DELETE", "/data/work/sub/").status_code == 204
    assert not (drive.folder / "sub").exists()
    assert drive.ask("DELETE", "/data/work/sub/").status_code == 404
    for path in ("/", "/data", "/data/"):
        assert drive.ask("DELETE", path).status_code == 403


def test_a_lock_keeps_others_out_until_it_is_released(drive: Drive) -> None:
    locked = drive.ask("LOCK", "/data/work/a.txt", data=LOCK, headers={"Timeout": "Infinite"})
    assert locked.status_code == 200
    token = locked.headers["Lock-Token"]
    assert int(re.search(r"Second-(\d+)", locked.text)[1]) <= 3600  # type: ignore[index]
    for method in ("PUT", "DELETE"):
        assert drive.ask(method, "/data/work/a.txt").status_code == 423
    mine = {"If": f"({token})"}
    assert drive.ask("PUT", "/data/work/a.txt", data=b"mine", headers=mine).status_code == 204
    assert drive.ask("UNLOCK", "/data/work/a.txt", headers={"Lock-Token": token}).status_code == 204
    assert drive.ask("PUT", "/data/work/a.txt", data=b"all").status_code == 204


def test_locking_a_name_makes_an_empty_file(drive: Drive) -> None:
    locked = drive.ask("LOCK", "/data/work/later.txt", data=LOCK)
    assert locked.status_code == 201
    assert (drive.folder / "later.txt").read_bytes() == b""


def test_a_locked_file_holds_its_folder(drive: Drive) -> None:
    drive.ask("LOCK", "/data/work/a.txt", data=LOCK)
    assert drive.ask("DELETE", "/data/work/").status_code == 423
    assert (drive.folder / "a.txt").exists()


def test_windows_sets_the_time_of_a_file(drive: Drive) -> None:
    body = (
        '<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:" '
        'xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop><Z:Win32LastModifiedTime>'
        "Tue, 14 Nov 2023 22:13:20 GMT</Z:Win32LastModifiedTime></D:prop></D:set>"
        "</D:propertyupdate>"
    )
    answer = drive.ask("PROPPATCH", "/data/work/a.txt", data=body)
    assert (answer.status_code, "200 OK" in answer.text) == (207, True)
    assert (drive.folder / "a.txt").stat().st_mtime == 1_700_000_000


def test_curl_uploads_and_downloads(drive: Drive, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    source, target = tmp_path / "source.zip", tmp_path / "target.zip"
    source.write_bytes(os.urandom(2_500_000))
    url = f"{drive.url}/data/work/by%20curl.zip"
    common = [curl, "-sS", "--fail", "-u", f"x:{TOKEN}"]
    subprocess.run([*common, "-T", str(source), url], check=True)
    subprocess.run([*common, "-o", str(target), url], check=True)
    assert target.read_bytes() == source.read_bytes()
    assert (drive.folder / "by curl.zip").stat().st_size == 2_500_000
