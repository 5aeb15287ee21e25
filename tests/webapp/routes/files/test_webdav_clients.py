"""What Windows, Finder, rclone and others send over WebDAV, replayed against the real server."""

import json
import os
import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import requests

from tests.wait import TIMEOUT
from tests.webapp.web_process import web_process

WINDOWS = {"User-Agent": "Microsoft-WebDAV-MiniRedir/10.0.19045", "translate": "f"}
FINDER = {"User-Agent": "WebDAVFS/3.0.0 (03008000) Darwin/23.6.0 (arm64)"}
OLD = 1_500_000_000
OLD_DATE = "Fri, 14 Jul 2017 02:40:00 GMT"
LOCK = (
    '<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    "<D:locktype><D:write/></D:locktype><D:owner><D:href>me</D:href></D:owner></D:lockinfo>"
)
TIMES = f"""<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:"
 xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>
 <Z:Win32CreationTime>{OLD_DATE}</Z:Win32CreationTime>
 <Z:Win32LastAccessTime>{OLD_DATE}</Z:Win32LastAccessTime>
 <Z:Win32LastModifiedTime>{OLD_DATE}</Z:Win32LastModifiedTime>
 <Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>"""
HEADER = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
MODEL = struct.pack("<Q", len(HEADER)) + HEADER + bytes(4)
SIDE_FILES = [
    *("._a.safetensors", ".DS_Store", "desktop.ini", "Thumbs.db", "ehthumbs.db", "Desktop.ini"),
    *("._.DS_Store", ".Spotlight-V100/Store-V2/x.db", ".Trashes/501/a.txt", ".fseventsd/no_log"),
    *(".TemporaryItems/folders.501/x", "$RECYCLE.BIN/desktop.ini", "._.", ".localized", ".apdisk"),
]
PLACES = ["", "data/", "data/work/", "data/models/Lora/"]


class Drive:
    """The server's WebDAV, and the folder of its data."""

    def __init__(self, url: str, folder: Path) -> None:
        self.root, self.folder = url, folder
        self.session = requests.Session()

    def ask(self, method: str, path: str, want: Any = None, **given: Any) -> requests.Response:
        request = requests.Request(method, f"{self.root}/", **given).prepare()
        request.url = f"{self.root}/dav/{quote(path)}"
        answer = self.session.send(request, timeout=TIMEOUT)
        if want is not None:
            wanted = (want,) if isinstance(want, int) else want
            assert answer.status_code in wanted, (method, path, answer.status_code, answer.text)
        return answer

    def to(self, path: str) -> dict[str, str]:
        return {"Destination": f"{self.root}/dav/{quote(path, safe='/')}"}

    def names(self, folder: str) -> set[str]:
        answer = self.ask("PROPFIND", folder, 207, headers={"Depth": "1"})
        hrefs = [unquote(each.text or "") for each in ET.fromstring(answer.content).iter(HREF)]
        return {href.rstrip("/").rpartition("/")[2] for href in hrefs[1:]}

    def loras(self) -> set[str]:
        self.session.post(f"{self.root}/sdapi/v1/refresh-loras", timeout=TIMEOUT)
        answer = self.session.get(f"{self.root}/sdapi/v1/loras", timeout=TIMEOUT)
        return {each["name"] for each in answer.json()}


HREF = "{DAV:}href"
GETETAG = re.compile("getetag>([^<]+)<")


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    data_dir = tmp_path_factory.mktemp("drive")
    for name in ("work", "models/Lora", "embeddings", "extensions"):
        (data_dir / name).mkdir(parents=True)
    with web_process(data_dir) as process:
        yield Drive(process.url, data_dir)


@pytest.mark.parametrize("path", ["data/models/Lora/win.safetensors", "data/work/win.txt"])
def test_explorer_copies_a_file(drive: Drive, path: str) -> None:
    disk = drive.folder / path.removeprefix("data/")
    drive.ask("PROPFIND", path, 404, headers={**WINDOWS, "Depth": "0"})
    drive.ask("PUT", path, 201, data=b"", headers=WINDOWS)
    if "models" in path:
        assert "win" not in drive.loras()
    assert disk.name in drive.names(path.rpartition("/")[0])
    locked = drive.ask("LOCK", path, (200, 201), data=LOCK, headers=WINDOWS)
    token = locked.headers["Lock-Token"]
    mine = {**WINDOWS, "If": f"({token})"}
    told = drive.ask("PROPPATCH", path, 207, data=TIMES, headers=mine)
    assert told.text.count("HTTP/1.1 200 OK") == 1
    assert "HTTP/1.1 4" not in told.text
    assert drive.ask("HEAD", path, 200, headers=WINDOWS).headers["Content-Length"] == "0"
    drive.ask("PUT", path, 204, data=MODEL, headers=mine)
    assert disk.read_bytes() == MODEL
    assert disk.stat().st_mtime == OLD  # it was told before the bytes
    drive.ask("PROPPATCH", path, 207, data=TIMES, headers=mine)
    drive.ask("UNLOCK", path, 204, headers={**WINDOWS, "Lock-Token": token})
    assert drive.ask("HEAD", path, 200).headers["Content-Length"] == str(len(MODEL))
    shown = drive.ask("PROPFIND", path, 207, headers={**WINDOWS, "Depth": "0"})
    assert OLD_DATE in shown.text
    if "models" in path:
        assert "win" in drive.loras()


def test_explorer_copies_over_a_model(drive: Drive) -> None:
    path, disk = "data/models/Lora/old.safetensors", drive.folder / "models/Lora/old.safetensors"
    drive.ask("PUT", path, 201, data=MODEL)
    drive.ask("PUT", path, 204, data=b"", headers=WINDOWS)
    assert disk.read_bytes() == MODEL  # until the new bytes are there
    drive.ask("PUT", path, 204, data=MODEL + b"", headers=WINDOWS)
    refused = drive.ask("PUT", path, 415, data=b"no model", headers=WINDOWS)
    assert "safetensors" in refused.text
    assert disk.read_bytes() == MODEL


def test_finder_copies_a_file(drive: Drive) -> None:
    for name in ("mac.safetensors", "Müller mac.safetensors"):
        path, side = f"data/models/Lora/{name}", f"data/models/Lora/._{name}"
        for each, data in ((path, MODEL), (side, b"\0\5\x16\7" + bytes(100))):
            drive.ask("PROPFIND", each, 404, headers={**FINDER, "Depth": "0"})
            drive.ask("PUT", each, 201, data=b"", headers=FINDER)
            locked = drive.ask("LOCK", each, (200, 201), data=LOCK, headers=FINDER)
            token = locked.headers["Lock-Token"]
            told = [drive.ask("PROPFIND", each, 207, headers={"Depth": "0"}).text for _ in "ab"]
            assert GETETAG.findall(told[0]) == GETETAG.findall(told[1])
            assert drive.ask("GET", each, 200, headers=FINDER).content == b""
            mine = {**FINDER, "If": f"({token})", "X-Expected-Entity-Length": str(len(data))}
            drive.ask("PUT", each, 204, data=iter([data[:7], data[7:]]), headers=mine)
            drive.ask("UNLOCK", each, 204, headers={**FINDER, "Lock-Token": token})
        assert (drive.folder / "models/Lora" / name).read_bytes() == MODEL
        assert not (drive.folder / "models/Lora" / f"._{name}").exists()
        drive.ask("PROPFIND", side, 404, headers={"Depth": "0"})
        drive.ask("DELETE", side, 404)


def test_finder_locks_a_name_that_is_not_there(drive: Drive) -> None:
    path = "data/models/Lora/locked.safetensors"
    token = drive.ask("LOCK", path, 201, data=LOCK, headers=FINDER).headers["Lock-Token"]
    assert not (drive.folder / "models/Lora/locked.safetensors").exists()
    drive.ask("PUT", path, 423, data=MODEL)
    drive.ask("PUT", path, 415, data=b"no model", headers={"If": f"({token})"})
    drive.ask("PROPFIND", path, 207, headers={"Depth": "0"})
    drive.ask("UNLOCK", path, 204, headers={"Lock-Token": token})
    drive.ask("PROPFIND", path, 404, headers={"Depth": "0"})


def test_a_placeholder_is_moved_and_deleted(drive: Drive) -> None:
    first, second = "data/models/Lora/first.safetensors", "data/models/Lora/second.safetensors"
    drive.ask("PUT", first, 201, data=b"")
    drive.ask("MOVE", first, 201, headers=drive.to(second))
    drive.ask("HEAD", first, 404)
    drive.ask("MOVE", second, 409, headers=drive.to("data/models/Lora/second.txt"))
    drive.ask("DELETE", second, 204)
    drive.ask("HEAD", second, 404)
    drive.ask("PUT", "data/models/Lora/a.exe", 415, data=b"")


def test_side_files_are_taken_and_not_kept(drive: Drive) -> None:
    for place in PLACES:
        before = drive.names(place)
        for name in SIDE_FILES if place == "data/models/Lora/" else SIDE_FILES[:1]:
            path = f"{place}{name}"
            *folders, _ = name.split("/")
            for depth in range(len(folders)):
                drive.ask("MKCOL", f"{place}{'/'.join(folders[: depth + 1])}/", 201)
            drive.ask("PUT", path, 201, data=b"")
            drive.ask("PUT", path, 201, data=os.urandom(70_000))
            drive.ask("GET", path, 404)
            drive.ask("PROPFIND", path, 404, headers={"Depth": "0"})
            drive.ask("DELETE", path, (204, 404))
            locked = drive.ask("LOCK", path, 201, data=LOCK)
            mine = {"If": f"({locked.headers['Lock-Token']})"}
            drive.ask("PROPPATCH", path, 207, data=TIMES, headers=mine)
            drive.ask("PUT", path, 423, data=b"x")
            drive.ask("PUT", path, 204, data=b"x", headers=mine)
            drive.ask("UNLOCK", path, 204, headers={"Lock-Token": locked.headers["Lock-Token"]})
        assert drive.names(place) == before
    left = {each.name for each in drive.folder.rglob("*")}
    assert not left & {part for name in SIDE_FILES for part in name.split("/")} - {"a.txt", "x"}


def test_a_user_s_file_is_not_lost_under_a_side_name(drive: Drive) -> None:
    drive.ask("PUT", "data/work/mine.txt", 201, data=b"mine")
    drive.ask("MOVE", "data/work/mine.txt", (404, 409), headers=drive.to("data/.Trashes/mine.txt"))
    assert (drive.folder / "work/mine.txt").read_bytes() == b"mine"
    drive.ask("PUT", "data/work/~$mine.docx", 201, data=b"me")
    assert (drive.folder / "work/~$mine.docx").read_bytes() == b"me"
    drive.ask("PUT", "data/models/Lora/~$mine.docx", 201, data=b"me")
    assert not (drive.folder / "models/Lora/~$mine.docx").exists()


@pytest.mark.parametrize("name", ["a#b.txt", "a?b.txt", "a;b.txt", "100%.txt", "a+b c.txt"])
def test_names_in_destination_are_decoded_once(drive: Drive, name: str) -> None:
    work = drive.folder / "work"
    drive.ask("PUT", "data/work/from.txt", (201, 204), data=name.encode())
    drive.ask("MOVE", "data/work/from.txt", 201, headers=drive.to(f"data/work/{name}"))
    assert (work / name).read_bytes() == name.encode()
    again = drive.ask("MOVE", f"data/work/{name}", 403, headers=drive.to(f"data/work/{name}"))
    assert again.status_code == 403  # onto itself: it is not taken away first
    drive.ask("COPY", f"data/work/{name}", 201, headers=drive.to(f"data/work/two {name}"))
    folder = f"data/work/in {name}"
    drive.ask("MKCOL", f"{folder}/", 201)
    drive.ask("MOVE", f"{folder}/", 403, headers=drive.to(f"{folder}/deeper/"))
    drive.ask("MOVE", f"data/work/two {name}", 201, headers=drive.to(f"{folder}/%41{name}"))
    assert (work / f"in {name}" / f"%41{name}").read_bytes() == name.encode()
    drive.ask("MOVE", f"{folder}/%41{name}", 403, headers=drive.to(folder))
    assert (work / name).exists()


def test_destinations_that_are_none(drive: Drive) -> None:
    drive.ask("PUT", "data/work/stay.txt", (201, 204), data=b"stay")
    for said, status in {
        "/dav/data/work/a?b.txt": 400,
        "/dav/data/work/a#b.txt": 400,
        "/dav/data/work/%FF.txt": 400,
        "/dav/data/work/a%0Ab.txt": 400,
        "/dav/data/work/%2e%2e/b.txt": 400,
        "http://elsewhere/dav/data/work/b.txt": 502,
        "http://[elsewhere/dav/data/work/b.txt": 400,
    }.items():
        drive.ask("MOVE", "data/work/stay.txt", status, headers={"Destination": said})
    raw = "/dav/data/work/猫.txt".encode().decode("latin-1")
    drive.ask("COPY", "data/work/stay.txt", 201, headers={"Destination": raw})
    assert (drive.folder / "work/猫.txt").read_bytes() == b"stay"


def test_a_question_in_chunks(drive: Drive) -> None:
    body = b'<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>'
    for method, path, given in (
        ("PROPFIND", "data/work/", body),
        ("PROPPATCH", "data/work/", TIMES.encode()),
        ("PROPFIND", "data/work/", b" " * 300_000),
    ):
        answer = drive.ask(method, path, data=iter([given[:9], given[9:]]), headers={"Depth": "0"})
        assert answer.status_code == (413 if len(given) > 200_000 else 207)
        assert "getcontentlength" not in answer.text


def test_times_are_kept(drive: Drive) -> None:
    work = drive.folder / "work"
    answer = drive.ask("PUT", "data/work/t.txt", 201, data=b"t", headers={"X-OC-Mtime": f"{OLD}"})
    assert answer.headers["X-OC-Mtime"] == "accepted"
    assert (work / "t.txt").stat().st_mtime == OLD
    drive.ask("COPY", "data/work/t.txt", 201, headers=drive.to("data/work/copied.txt"))
    drive.ask("MOVE", "data/work/t.txt", 201, headers=drive.to("data/work/moved.txt"))
    assert {(work / name).stat().st_mtime for name in ("copied.txt", "moved.txt")} == {OLD}
    drive.ask("PUT", "data/work/empty.txt", 201, data=b"", headers={"X-OC-Mtime": f"{OLD}.25"})
    assert (work / "empty.txt").stat().st_mtime == OLD + 0.25
    drive.ask("PUT", "data/work/moved.txt", 204, data=b"new")
    assert (work / "moved.txt").stat().st_mtime > OLD
    drive.ask("PUT", "data/work/bad.txt", 400, data=b"", headers={"X-OC-Mtime": "yesterday"})
    drive.ask("MKCOL", "data/work/dated/", 201, headers={"X-OC-Mtime": f"{OLD}"})
    assert (work / "dated").stat().st_mtime == OLD


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (OLD_DATE, OLD),
        ("2017-07-14T02:40:00Z", OLD),
        ("Mon, 01 Jan 1601 00:00:00 GMT", 0),
        ("whenever", None),
    ],
)
def test_a_property_sets_the_time(drive: Drive, said: str, seconds: int | None) -> None:
    drive.ask("PUT", "data/work/prop.txt", (201, 204), data=b"p")
    body = (
        '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:getlastmodified>'
        f"{said}</D:getlastmodified></D:prop></D:set></D:propertyupdate>"
    )
    answer = drive.ask("PROPPATCH", "data/work/prop.txt", 207, data=body)
    found = (drive.folder / "work/prop.txt").stat().st_mtime
    if seconds is None:
        assert "HTTP/1.1 409" in answer.text
    else:
        assert ("200 OK" in answer.text, found) == (True, seconds)
    drive.ask(
        "PROPPATCH",
        "data/work/prop.txt",
        207,
        data=body.replace("D:set", "D:remove").replace(said, ""),
    )


def test_a_time_under_a_lock_counts_for_one_put(drive: Drive) -> None:
    path, disk = "data/work/word.txt", drive.folder / "work/word.txt"
    drive.ask("PUT", path, 201, data=b"")
    token = drive.ask("LOCK", path, 200, data=LOCK).headers["Lock-Token"]
    mine = {"If": f"({token})"}
    drive.ask("PROPPATCH", path, 207, data=TIMES, headers=mine)
    drive.ask("PUT", path, 204, data=b"one", headers=mine)
    assert disk.stat().st_mtime == OLD
    drive.ask("PUT", path, 204, data=b"two", headers=mine)
    assert disk.stat().st_mtime > OLD
    drive.ask("UNLOCK", path, 204, headers={"Lock-Token": token})


UNKNOWN = ["LICENSE", "README", "a.heic", "a.jxl", "Makefile", "a.cbz", "a.docx", ".gitignore"]


def test_unknown_kinds_are_taken_and_given_back_as_they_are(drive: Drive) -> None:
    for name in UNKNOWN:
        drive.ask("PUT", f"data/work/{name}", 201, data=name.encode())
        for door in (
            f"/dav/data/work/{name}",
            f"/api/files/content?path=/data/work/{name}&inline=1",
        ):
            answer = drive.session.get(f"{drive.root}{door}", timeout=TIMEOUT)
            assert answer.content == name.encode()
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Disposition"].startswith("attachment"), door
        for folder in ("models", "models/Lora", "embeddings", "extensions"):
            drive.ask("PUT", f"data/{folder}/{name}", (403, 415), data=b"x")
    for name in ("a.html", "a.py", "a.pkl", "a.exe"):
        drive.ask("PUT", f"data/work/{name}", 415, data=b"x")
