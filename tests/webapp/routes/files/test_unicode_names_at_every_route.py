"""80 names from all the world's scripts at every door up and down, through the real server."""

import io
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from PIL import Image
from werkzeug.http import parse_options_header

from filebrowser.archive import safe_name
from tests.wait import TIMEOUT, wait_until
from tests.webapp.routes.files.tus_client import BYTES, TUS, encode_metadata
from tests.webapp.web_process import WebProcess, web_process

SCRIPTS = """
plain résumé Łódź İstanbul straße 猫 漢字 かな ｶﾅ 한국어 ภาษาไทย မြန်မာ བོད Ёлка Ωμέγα Հայ ქართული
עברית العربية اردو हिन्दी தமிழ் తెలుగు සිංහල አማርኛ ᏣᎳᎩ ᐃᓄᒃ ⴰⵎⴰ 𝔘𝔫𝔦 𐍈 🐈 👩‍👩‍👧‍👦 🏳️‍🌈 ❤️ ① ﷽
½ “q” … ｆｕｌｌ Å
"""
SIGNS = [f"a{sign}b" for sign in "!\"#$%&'()*+,-.;<=>?@[]^_`{|}~ "]
ODD = [
    " first",
    "%41%2F%00",
    "a&b=c+d",
    "..a",
    "a\u202eb",
    unicodedata.normalize("NFC", "Müller é"),
    unicodedata.normalize("NFD", "Größe è"),
    "x" * 251,
    "猫" * 83 + "ab",
    "😀" * 62 + "abc",
]
STEMS = [*dict.fromkeys([*SCRIPTS.split(), *SIGNS, *ODD])]


def picture(number: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (4, 4), (number, 255 - number, 7)).save(data, "PNG")
    return data.getvalue()


TEXTS = {f"{stem}.txt": f"{number} {stem}".encode() for number, stem in enumerate(STEMS)}
PICTURES = {f"{stem}.png": picture(number) for number, stem in enumerate(STEMS)}
FILES = TEXTS | PICTURES


class Street:
    """The server, a session with it, and the folder whose files it hands out."""

    def __init__(self, process: WebProcess) -> None:
        self.process, self.url = process, process.url
        self.session = requests.Session()
        self.folder = process.data_dir / "work"

    def ask(self, method: str, path: str, want: int = 200, **given: Any) -> requests.Response:
        # As it is: requests would decode "%7E" and the like.
        request = requests.Request(method, self.url, **given).prepare()
        request.url = f"{self.url}{path}"
        answer = self.session.send(request, timeout=TIMEOUT)
        assert answer.status_code == want, (method, path, answer.status_code, answer.text[:300])
        return answer

    def get(self, path: str) -> requests.Response:
        answer = self.ask("GET", path)
        assert answer.headers.get("Content-Disposition", "").isascii()
        return answer

    def left_open(self) -> list[str]:
        below = str(self.process.data_dir)
        files = [each.path for each in self.process.serving.open_files()]
        return [path for path in files if path.startswith(below) and "/.easel/" not in path]


def each(names: Iterable[str], act: Callable[[str], None]) -> None:
    """Do it for all names, a few at a time: most of it waits for the disk."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, names))


def download_name(answer: requests.Response) -> str | None:
    return parse_options_header(answer.headers["Content-Disposition"])[1].get("filename")


def fill(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    data_dir = tmp_path_factory.mktemp("street")
    fill(data_dir / "work", FILES)
    with web_process(data_dir) as process:
        yield Street(process)


@pytest.fixture(autouse=True)
def nothing_left_open(street: Street) -> Iterator[None]:
    """No test leaves the server a descriptor: of a file, of a folder, of a connection."""
    street.get("/api/files/roots")
    street.session.close()
    before = street.process.serving.num_fds()
    yield
    street.session.close()
    wait_until(
        lambda: street.process.serving.num_fds() <= before and not street.left_open(),
        polls=200,
        message=f"left open: {street.left_open()}",
    )


def test_there_are_enough_names() -> None:
    assert len(STEMS) >= 80
    assert max(len(name.encode()) for name in FILES) == 255


def test_every_door_down(street: Street) -> None:
    share = street.ask("POST", "/api/files/shares", json={"path": "/data/work"}).json()

    def one(name: str) -> None:
        part = quote(name, safe="")
        doors = [f"/api/files/content?path=/data/work/{part}", f"/api/raw/data/work/{part}"]
        doors += [f"/file=work/{part}", f"/s/{share['id']}/content?path={part}"]
        doors += [f"/dav/data/work/{part}"]
        for door in doors:
            answer = street.get(door)
            assert (answer.content, download_name(answer)) == (FILES[name], name), door
        head = street.ask("HEAD", doors[0])
        assert (head.content, head.headers["Content-Length"]) == (b"", str(len(FILES[name])))

    each(FILES, one)


def test_what_shows_a_file(street: Street) -> None:
    def text(name: str) -> None:
        told = street.get(f"/api/files/text?path=/data/work/{quote(name, safe='')}").json()
        assert told["text"].encode() == TEXTS[name]

    def picture(name: str) -> None:
        part = quote(name, safe="")
        small = street.get(f"/api/files/thumbnail?path=/data/work/{part}&size=128")
        assert small.content[8:12] == b"WEBP"
        shown = street.get(f"/api/files/preview?path=/data/work/{part}").json()
        assert (shown["name"], shown["picture"]["width"]) == (name, 4)

    each(TEXTS, text)
    each(PICTURES, picture)


def test_archives_of_files_and_folders(street: Street) -> None:
    for name, data in TEXTS.items():
        answer = street.get(f"/api/files/archive?path=/data/work/{quote(name, safe='')}")
        assert download_name(answer) == f"{safe_name(name)}.zip"
        assert unpack_zip(answer.content) == {safe_name(name): data}
    (street.process.data_dir / "猫").mkdir()
    (street.process.data_dir / "猫" / "o.txt").write_bytes(b"o")
    cats = street.ask("POST", "/api/files/shares", json={"path": "/data/猫"}).json()
    for door in (
        "/api/files/archive?path=/data/猫",
        "/api/raw/data/猫",
        f"/s/{cats['id']}/archive",
    ):
        for _ in range(3):  # two at once are allowed: none is kept
            answer = street.get(quote(door, safe="/?="))
            assert (download_name(answer), unpack_zip(answer.content)["猫/o.txt"]) == (
                "猫.zip",
                b"o",
            )
    whole = unpack_zip(street.get("/api/files/archive?path=/data/work").content)
    assert Counter(whole.values()) == Counter([*FILES.values(), b""])
    exact = {f"work/{safe_name(name)}" for name in FILES if safe_name(name) == name}
    assert exact <= whole.keys()


def unpack_zip(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {each.filename: archive.read(each) for each in archive.infolist()}


def test_texts_and_uploads(street: Street) -> None:
    for folder in ("texts", "tus"):
        (street.process.data_dir / folder).mkdir()

    def one(name: str) -> None:
        data = TEXTS[name]
        street.ask(
            "PUT",
            f"/api/files/text?path=/data/texts/{quote(name, safe='')}",
            json={"text": data.decode()},
            headers={"If-None-Match": "*"},
        )
        meta = encode_metadata(folder="/data/tus", filename=name)
        headers = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": meta}
        headers["Content-Type"] = BYTES
        street.ask("POST", "/api/files/uploads", 201, data=data, headers=headers)

    each(TEXTS, one)
    assert files_in(street, "texts") == files_in(street, "tus") == TEXTS


def files_in(street: Street, folder: str) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in (street.process.data_dir / folder).iterdir()}


def test_webdav_up_and_along(street: Street) -> None:
    for folder in ("put", "copied", "moved"):
        street.ask("MKCOL", f"/dav/data/{folder}", 201)

    def one(name: str) -> None:
        part = quote(name, safe="")
        street.ask("PUT", f"/dav/data/put/{part}", 201, data=TEXTS[name])
        target = f"{street.url}/dav/data/moved/{part}"
        street.ask("COPY", f"/dav/data/put/{part}", 201, headers={"Destination": target})
        target = f"{street.url}/dav/data/copied/{part}"
        street.ask("MOVE", f"/dav/data/put/{part}", 201, headers={"Destination": target})

    each(TEXTS, one)
    assert files_in(street, "copied") == TEXTS
    assert files_in(street, "moved") == TEXTS
    assert files_in(street, "put") == {}


def test_extracting(street: Street) -> None:
    with zipfile.ZipFile(street.process.data_dir / "all.zip", "w") as archive:
        for name, data in TEXTS.items():
            archive.writestr(name, data)
    street.ask("POST", "/api/files/extract", json={"path": "/data/all.zip"})
    assert files_in(street, "all") == TEXTS


def test_headers_are_read_by_who_knows_no_utf_8(street: Street) -> None:
    plain = street.get(f"/api/raw/data/work/{quote('猫.txt')}").headers["Content-Disposition"]
    assert plain == "attachment; filename=\"_.txt\"; filename*=UTF-8''%E7%8C%AB.txt"
    for name in FILES:
        value = street.get(f"/file=work/{quote(name, safe='')}").headers["Content-Disposition"]
        assert re.fullmatch(
            r"inline; filename=([^\s\"]+|\"[^\"\\%]*\")(; filename\*=UTF-8''[^\s\";]+)?", value
        )


def test_both_forms_of_a_name_are_one(street: Street) -> None:
    here = street.process.data_dir / "forms"
    folders = {unicodedata.normalize("NFC", "Büro"), unicodedata.normalize("NFD", "Ordnér")}
    for folder in folders:
        for name in ("NFC", "NFD"):
            (here / folder).mkdir(parents=True, exist_ok=True)
            file = unicodedata.normalize(name, f"Müller {name}.txt")  # type: ignore[arg-type]
            (here / folder / file).write_text(name)
    for path in sorted(here.rglob("*.txt")):
        shown, data = str(path.relative_to(street.process.data_dir)), path.read_bytes()
        for form in ("NFC", "NFD"):
            part = quote(unicodedata.normalize(form, shown))  # type: ignore[arg-type]
            doors = (f"/api/files/content?path=/data/{part}", f"/api/raw/data/{part}")
            for door in (*doors, f"/file={part}", f"/dav/data/{part}"):
                answer = street.get(door)
                assert (answer.content, download_name(answer)) == (data, path.name), door
            assert street.get(f"/api/files/preview?path=/data/{part}").json()["name"] == path.name
            street.ask("PUT", f"/dav/data/{part}", 204, data=data)  # no twin beside it
        other = {"NFC": "NFD", "NFD": "NFC"}[data.decode()]
        asked = f"/data/{unicodedata.normalize(other, shown)}"  # type: ignore[arg-type]
        meta = encode_metadata(folder=asked.rpartition("/")[0], filename=asked.rpartition("/")[2])
        begun = {**TUS, "Upload-Length": "1", "Upload-Metadata": meta}
        street.ask("POST", "/api/files/uploads", 409, headers=begun)
        street.ask("POST", "/api/files/rename", json={"path": asked, "name": "a.txt"})
        assert (path.parent / "a.txt").read_bytes() == data
        street.ask(
            "POST", "/api/files/delete", json={"paths": [f"{asked.rpartition('/')[0]}/a.txt"]}
        )
    assert [path.name for path in here.rglob("*.txt")] == []
