"""Times, odd names, strangers' archives and repeated requests, through the real server."""

import io
import os
import struct
import unicodedata
import zipfile
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from PIL import Image

from tests.wait import TIMEOUT, wait_until
from tests.webapp.routes.files.tus_client import BYTES, TUS, encode_metadata
from tests.webapp.web_process import WebProcess, web_process

IN_2017 = 1_501_588_800  # 1 August, noon, UTC
UPLOADS = "/api/files/uploads"
FORMS = ("NFC", "NFD")


class Client:
    """A caller of the server, and the folder that it serves."""

    def __init__(self, process: WebProcess) -> None:
        self.process, self.data = process, process.data_dir
        self.session = requests.Session()

    def ask(self, method: str, path: str, want: int = 200, **given: Any) -> requests.Response:
        answer = self.session.request(
            method, self.process.url + path, timeout=TIMEOUT, allow_redirects=False, **given
        )
        assert answer.status_code == want, (method, path, answer.status_code, answer.text[:300])
        return answer

    def post(self, verb: str, want: int = 200, **body: Any) -> Any:
        return self.ask("POST", f"/api/files/{verb}", want, json=body).json()

    def get(self, path: str) -> bytes:
        return self.ask("GET", path).content

    def names(self, folder: str) -> set[str]:
        told = self.ask("GET", f"/api/files?path={quote(folder)}&hidden=1").json()
        return {entry["name"] for entry in told["entries"]}

    def upload(self, name: str, want: int = 201, data: bytes = b"x", **more: str) -> Any:
        meta = encode_metadata(folder="/data/up", filename=name, **more)
        headers = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": meta}
        return self.ask(
            "POST", UPLOADS, want, data=data, headers={**headers, "Content-Type": BYTES}
        )

    def part(self, data: bytes) -> str:
        headers = {**TUS, "Upload-Length": str(len(data)), "Upload-Concat": "partial"}
        headers["Content-Type"] = BYTES
        return self.ask("POST", UPLOADS, 201, data=data, headers=headers).headers["Location"]

    def join(self, parts: list[str], name: str, want: int = 201) -> Any:
        meta = encode_metadata(folder="/data/joined", filename=name)
        headers = {**TUS, "Upload-Concat": f"final;{' '.join(parts)}", "Upload-Metadata": meta}
        return self.ask("POST", UPLOADS, want, headers=headers)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    other = tmp_path_factory.mktemp("other")
    with web_process(tmp_path_factory.mktemp("data"), f"--browse-root=other={other}") as process:
        yield Client(process)


def write_old_file(path: Path, seconds: int = IN_2017, data: bytes = b"old") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    for each in (path, path.parent):
        os.utime(each, (seconds, seconds))
    return path


def times(folder: Path) -> dict[str, int]:
    """The whole seconds of a folder and all below it."""
    every = [folder, *folder.rglob("*")]
    return {str(each.relative_to(folder)): int(each.stat().st_mtime) for each in every}


def test_an_archive_keeps_times_and_brings_them_back(client: Client) -> None:
    folder = client.data / "album"
    write_old_file(folder / "inner" / "2017.txt")
    write_old_file(folder / "2050.txt", 2_540_000_000)
    write_old_file(folder / "1971.txt", 40_000_000)
    os.utime(folder, (IN_2017, IN_2017))
    share = client.post("shares", path="/data/album")["id"]
    doors = ("/api/files/archive?path=/data/album", "/api/raw/data/album", f"/s/{share}/archive")
    packed = {door: client.get(door) for door in doors}
    for door, data in packed.items():
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            extra = archive.getinfo("album/inner/2017.txt").extra
            assert struct.unpack("<HHBl", extra) == (0x5455, 5, 1, IN_2017), door
            assert archive.getinfo("album/1971.txt").date_time == (1980, 1, 1, 0, 0, 0)
    (client.data / "packed.zip").write_bytes(packed[doors[0]])
    client.post("extract", path="/data/packed.zip")
    assert times(client.data / "packed" / "album") == times(folder)
    assert int((client.data / "packed.zip").stat().st_mtime) > IN_2017


def test_copying_and_moving_keep_times(client: Client) -> None:
    before = write_old_file(client.data / "trip" / "day" / "a.txt").parents[1]
    os.utime(before, (IN_2017, IN_2017))
    kept = times(before)
    other = Path(client.process.flags[0].rpartition("=")[2])
    for verb, to, there in (
        ("copy", "/data/trip copy", client.data / "trip copy"),
        ("copy", "/other", other / "trip"),
        ("move", "/data/trip moved", client.data / "trip moved"),
    ):
        client.post(verb, paths=["/data/trip"], to=to)
        assert times(there) == kept, (verb, to)
    trash = client.post("delete", paths=["/data/trip moved"])["trash_id"]
    client.post("restore", trash_id=trash)
    assert times(client.data / "trip moved") == kept


@pytest.mark.parametrize(
    ("key", "value", "seconds"),
    [
        ("modified", "1501588800000", IN_2017),
        ("modified", "1501588800", IN_2017),
        ("modified", "2017-08-01T12:00:00.000Z", IN_2017),
        ("lastModified", "1501588800999", IN_2017),
        ("mtime", "1501588800.25", IN_2017),
    ],
)
def test_an_upload_has_the_time_that_its_client_tells(
    client: Client, key: str, value: str, seconds: int
) -> None:
    name = f"{key} {value.replace(':', '')}.txt"
    answer = client.upload(name, **{key: value})
    assert int((client.data / "up" / name).stat().st_mtime) == seconds
    shown = client.ask("GET", answer.headers["Location"]).json()
    assert shown["modified"] // 1000 == seconds
    again = client.upload(name, conflict="overwrite", modified="1401588800000")
    assert again.headers["Upload-Path"].endswith(quote(name))
    assert int((client.data / "up" / name).stat().st_mtime) == 1_401_588_800


@pytest.mark.parametrize("value", ["NaN", "-1", "253402300799000", "253402300799", "yesterday"])
def test_a_time_that_no_file_can_have_is_refused(client: Client, value: str) -> None:
    answer = client.upload("never.txt", 400, modified=value)
    assert value in answer.text
    assert not (client.data / "up" / "never.txt").exists()


def test_a_time_that_is_not_told_is_that_of_the_upload(client: Client) -> None:
    client.upload("null.txt", modified="null")
    assert (client.data / "up" / "null.txt").stat().st_mtime > IN_2017


def test_downloads_tell_the_time(client: Client) -> None:
    write_old_file(client.data / "shared" / "a.png")
    share = client.post("shares", path="/data/shared")["id"]
    one = client.post("shares", path="/data/shared/a.png")["id"]
    for door in (
        *(f"/s/{share}/content?path=a.png", f"/s/{one}/content", "/file=shared/a.png"),
        *("/api/files/content?path=/data/shared/a.png", "/api/raw/data/shared/a.png"),
    ):
        said = client.ask("HEAD", door).headers["Last-Modified"]
        assert int(parsedate_to_datetime(said).timestamp()) == IN_2017, door


class Legacy(zipfile.ZipInfo):
    """An entry whose name is written in an alphabet that it does not tell."""

    alphabet = "gbk"

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(self.alphabet), self.flag_bits & ~0x800


class Japanese(Legacy):
    """The same from Japan."""

    alphabet = "cp932"


def test_the_good_rest_of_an_archive_comes_out(client: Client) -> None:
    odd = ("a:b.txt", "CON.txt", "back\\slash.txt", "../up.txt", "dot.", "line\n.txt")
    with zipfile.ZipFile(client.data / "mixed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (*odd, "ok.txt", "d/fine.txt"):
            archive.writestr(name, name)
        for name in ("locked.txt", "wrong.txt", "unknown.txt"):
            archive.writestr(name, name)
        archive.filelist[-3].flag_bits |= 1
        archive.filelist[-2].CRC ^= 1
        archive.filelist[-1].compress_type = 99
        archive.filelist[-1].extract_version = 99
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("tool.exe", "MZ")
    (result,) = client.post("extract", path="/data/mixed.zip")["results"]
    assert (result["status"], result["to"]) == ("done", "/data/mixed")
    reasons = {each["name"]: each["reason"] for each in result["left_out"]}
    assert reasons == {
        **dict.fromkeys(odd, "name"),
        **{"locked.txt": "locked", "wrong.txt": "damaged", "unknown.txt": "packing"},
        **{"link.txt": "link", "tool.exe": "kind"},
    }
    assert result["left_out_count"] == len(reasons)
    assert result["error"].startswith(f"{len(reasons)} of 13 were left out: 'a:b.txt'")
    assert client.names("/data/mixed") == {"ok.txt", "d"}
    assert (client.data / "mixed" / "d" / "fine.txt").read_text() == "d/fine.txt"
    assert not (client.data / "up.txt").exists()
    job = client.ask("GET", "/api/files/jobs").json()["jobs"][0]
    assert (job["state"], job["results"]) == ("done", [result])
    assert job["error"] == f"{len(reasons)} files of the archive were left out."


def test_a_damaged_entry_costs_itself(client: Client) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.txt", os.urandom(400))
        archive.writestr("猫.txt", "cat")
    whole = bytearray(data.getvalue())
    places = [info.header_offset for info in archive.filelist]
    whole[places[1] : places[1] + 4] = b"none"  # its header
    whole[places[2] + 35 : places[2] + 60] = b"\xff" * 25  # its bytes
    whole[whole.rindex("猫".encode())] = 0xFF  # its name is no UTF-8 any more
    (client.data / "torn.zip").write_bytes(whole)
    (result,) = client.post("extract", path="/data/torn.zip")["results"]
    assert [(each["name"], each["reason"]) for each in result["left_out"]] == [
        *(("1.txt", "damaged"), ("2.txt", "damaged"))
    ]
    assert len(client.names("/data/torn")) == 3


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Legacy, ["中文.txt", "新建文件夹/说明.txt", "a.txt", "照片 (1).png"]),
        (Japanese, ["日本語.txt", "新しいフォルダー/表示.txt", "ソフト.txt", "a.txt"]),
    ],
)
def test_names_in_alphabets_that_are_not_told(
    client: Client, kind: type[Legacy], names: list[str]
) -> None:
    path = client.data / f"{kind.alphabet}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(kind(name), name)
    (result,) = client.post("extract", path=f"/data/{path.name}")["results"]
    assert (result["status"], result.get("error")) == ("done", None)
    folder = client.data / kind.alphabet
    came = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*.*")}
    assert came == {name: name for name in names}


ODD = [
    *(b"bad\xc9\xf1.txt", b"line\nfeed.txt", b"a:b.txt", b"back\\slash.txt", b"CON.txt"),
    *(b"space.txt ", b"dot.", b"tab\t.txt", b"\xff"),
]


def odd_files(client: Client, folder: str) -> dict[str, bytes]:
    """Odd names on the disk as the listing shows them, and what is in each."""
    there = client.data / folder
    there.mkdir()
    for name in ODD:
        Path(os.fsdecode(os.fsencode(there) + b"/" + name)).write_bytes(b"in " + name)
    listed = client.ask("GET", f"/api/files?path=/data/{folder}").json()["entries"]
    assert {each["kind"] for each in listed} <= {"text", "file"}
    read = {
        each["name"]: client.get(f"/api/files/content?path=/data/{folder}/{quote(each['name'])}")
        for each in listed
    }
    assert sorted(read.values()) == sorted(b"in " + name for name in ODD)
    return read


def test_odd_names_are_read_renamed_deleted_and_brought_back(client: Client) -> None:
    content = odd_files(client, "odd")
    paths = [f"/data/odd/{name}" for name in content]
    for path in paths:
        assert client.ask("GET", f"/api/files/preview?path={quote(path)}").json()["path"] == path
        client.get(f"/api/raw{quote(path)}")
        share = client.post("shares", path=path)["id"]
        assert escape(path.rpartition("/")[2]) in client.ask("GET", f"/s/{share}").text
        assert client.get(f"/s/{share}/content") == content[path.rpartition("/")[2]]
        packed = client.get(f"/api/files/archive?path={quote(path)}")
        assert len(zipfile.ZipFile(io.BytesIO(packed)).namelist()) == 1
    share = client.post("shares", path="/data/odd")["id"]
    for name, data in content.items():
        assert escape(name) in client.ask("GET", f"/s/{share}").text
        assert client.get(f"/s/{share}/content?path={quote(name)}") == data
    whole = client.get("/api/files/archive?path=/data/odd")
    assert len(zipfile.ZipFile(io.BytesIO(whole)).namelist()) == 1 + len(ODD)
    assert client.ask("GET", "/api/files/size?path=/data/odd").json()["files"] == len(ODD)
    deleted = client.post("delete", paths=paths)
    assert {each["path"] for each in deleted["results"]} == set(paths)
    assert client.names("/data/odd") == set()
    thrown = client.ask("GET", "/api/files/trash").json()["thrown"][0]["items"]
    assert {each["path"] for each in thrown} == set(paths)
    client.post("restore", trash_id=deleted["trash_id"])
    assert client.names("/data/odd") == set(content)
    client.post("copy", paths=["/data/odd"], to="/other")
    assert client.names("/other/odd") == set(content)
    client.post("move", paths=["/other/odd"], to="/data/back")
    assert client.names("/data/back") == set(content)
    for number, path in enumerate(paths):
        (done,) = client.post("rename", path=path, name=f"{number}.txt")["results"]
        assert done["to"] == f"/data/odd/{number}.txt"
    assert {p.read_bytes() for p in (client.data / "odd").iterdir()} == set(content.values())


def test_odd_names_are_made_at_no_door(client: Client) -> None:
    (client.data / "up").mkdir(exist_ok=True)
    (client.data / "up" / "plain.txt").write_text("plain")
    before = set(os.listdir(client.data / "up"))
    for shown in (r"a\x3ab.txt", r"bad\xc9.txt", r"line\x0a.txt", r"\x43ON.txt", r"end\x20"):
        there = quote(f"/data/up/{shown}")
        client.post("folder", 400, path=f"/data/up/{shown}")
        client.post("folder", 400, path=f"/data/up/{shown}/inner")
        client.post("rename", 400, path="/data/up/plain.txt", name=shown)
        for verb in ("move", "copy"):
            client.post(verb, 400, paths=["/data/up/plain.txt"], to=f"/data/up/{shown}")
        client.upload(shown, 400)
        new = {"If-None-Match": "*"}
        client.ask("PUT", f"/api/files/text?path={there}", 400, json={"text": ""}, headers=new)
        client.ask("PUT", f"/dav{there}", 400, data=b"x")
        client.ask("MKCOL", f"/dav{there}", 400)
        goal = {"Destination": f"{client.process.url}/dav{there}"}
        for verb in ("COPY", "MOVE"):
            client.ask(verb, "/dav/data/up/plain.txt", 400, headers=goal)
    assert set(os.listdir(client.data / "up")) == before


def test_a_folder_with_an_odd_name_can_be_walked(client: Client) -> None:
    folder = Path(os.fsdecode(os.fsencode(client.data) + b"/odd \xe9"))
    folder.mkdir()
    (folder / "a.txt").write_text("inside")
    shown = "/data/odd " + r"\xe9"
    assert client.names(shown) == {"a.txt"}
    assert client.get(f"/api/files/content?path={quote(shown)}/a.txt") == b"inside"
    assert client.ask("GET", f"/api/files/search?q=inside&path={quote(shown)}").json()["total"] == 0
    client.post("rename", path=f"{shown}/a.txt", name="b.txt")
    client.post("rename", path=shown, name="plain folder")
    assert (client.data / "plain folder" / "b.txt").read_text() == "inside"


def test_a_repeated_concatenation_is_answered_as_the_first(client: Client) -> None:
    parts = [client.part(b"one "), client.part(b"two")]
    first = client.join(parts, "a.txt")
    path = client.data / "joined" / "a.txt"
    for _ in range(2):
        again = client.join(parts, "a.txt")
        for header in ("Location", "Upload-Offset", "Upload-Path"):
            assert again.headers[header] == first.headers[header]
    client.join(parts, "b.txt", 404)  # another file, of parts that are gone
    client.join(parts[::-1], "a.txt", 404)
    assert (path.read_bytes(), os.listdir(path.parent)) == (b"one two", ["a.txt"])
    client.process.kill_serving()
    client.process.wait()
    assert client.join(parts, "a.txt").headers["Location"] == first.headers["Location"]
    assert os.listdir(path.parent) == ["a.txt"]


@pytest.mark.parametrize("form", FORMS)
def test_a_name_gets_its_other_form(client: Client, form: Any) -> None:
    name = unicodedata.normalize(form, "Müller é.txt")
    other = unicodedata.normalize({"NFC": "NFD", "NFD": "NFC"}[form], name)  # type: ignore[arg-type]
    folder = client.data / f"form {form}"
    folder.mkdir()
    (folder / "other.txt").write_text("other")
    path = f"/data/form {form}/"
    for asked in (name, other):  # whichever form names the file
        (folder / other).unlink(missing_ok=True)
        (folder / name).write_text("Müller")
        (done,) = client.post("rename", path=path + asked, name=other)["results"]
        assert (done["status"], done["to"]) == ("done", path + other)
        assert set(os.listdir(folder)) == {other, "other.txt"}
    (done,) = client.post("move", paths=[path + other], to=path + name)["results"]
    assert (done["to"], set(os.listdir(folder))) == (path + name, {name, "other.txt"})
    client.post("rename", 409, path=f"{path}other.txt", name=other)  # no twin
    client.post("rename", path=path + name, name=name.upper())
    assert set(os.listdir(folder)) == {name.upper(), "other.txt"}


def test_either_form_finds_a_file_at_every_door(client: Client) -> None:
    folder = client.data / "either"
    folder.mkdir()
    for form in FORMS:
        name = unicodedata.normalize(form, f"Ü{form}.png")  # type: ignore[arg-type]
        Image.new("RGB", (4, 4)).save(folder / name)
        for asked in (unicodedata.normalize(each, name) for each in FORMS):  # type: ignore[arg-type]
            path = quote(f"/data/either/{asked}")
            assert client.get(f"/api/files/thumbnail?path={path}")[8:12] == b"WEBP"
            share = client.post("shares", path=f"/data/either/{asked}")
            assert share["path"] == f"/data/either/{name}"
            packed = zipfile.ZipFile(io.BytesIO(client.get(f"/api/files/archive?path={path}")))
            assert packed.namelist() == [name]
            whole = client.post("shares", path="/data/either")["id"]
            assert client.get(f"/s/{whole}/content?path={quote(asked)}")[1:4] == b"PNG"
            meta = encode_metadata(folder="/data/either", filename=asked)
            begun = {**TUS, "Upload-Length": "1", "Upload-Metadata": meta}
            client.ask("POST", UPLOADS, 409, headers=begun)


def test_a_search_for_signs_finds_what_holds_them(client: Client) -> None:
    folder = client.data / "signs"
    folder.mkdir()
    for name in ("cat 🐈.txt", "100%.txt", "under_score.txt", "plain.txt"):
        (folder / name).touch()
    client.post("rename", path="/data/signs/plain.txt", name="plain2.txt")  # the index hears
    client.post("copy", paths=["/data/signs"], to="/data/signs copy")

    def find_names(q: str) -> set[str]:
        asked = f"/api/files/search?path={quote('/data/signs copy')}&q={quote(q)}"
        return {each["name"] for each in client.ask("GET", asked).json()["entries"]}

    wait_until(lambda: find_names("plain2"))
    assert find_names("🐈") == {"cat 🐈.txt"}
    assert find_names("%") == {"100%.txt"}
    assert find_names("_") == {"under_score.txt"}
    assert find_names("*") == find_names("🦊") == set()
