"""PROPFIND: what it says of each entry, and that a large folder is told while it is read."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access import gate
from filebrowser.dav import propfind
from tests.descriptors import open_below
from tests.filebrowser.dav.conftest import DAV, Drive

MANY = 1500
NAMED = (
    '<D:propfind xmlns:D="DAV:" xmlns:Z="urn:z"><D:prop><D:getcontentlength/><D:resourcetype/>'
    '<D:getetag/><Z:own/><none xmlns=""/></D:prop></D:propfind>'
)


def test_what_is_said_of_files_and_folders(client: Drive) -> None:
    (client.folder / "a & <b>.txt").write_bytes(b"letters")
    (client.folder / "odd\uffff").write_bytes(b"")
    (client.folder / "sub").mkdir()
    found = client.properties()
    assert found.keys() == {
        *("/dav/data/work/", "/dav/data/work/a & <b>.txt", "/dav/data/work/sub/"),
        "/dav/data/work/odd\uffff",
    }
    file, folder = (found[f"/dav/data/work/{name}"]["200"] for name in ("a & <b>.txt", "sub/"))
    facts = (client.folder / "a & <b>.txt").stat()
    assert {each.removeprefix(DAV): file[each].text for each in file if not len(file[each])} == {
        "resourcetype": None,
        "creationdate": file[f"{DAV}creationdate"].text,
        "getcontentlength": "7",
        "getcontenttype": "text/plain; charset=utf-8",
        "getlastmodified": file[f"{DAV}getlastmodified"].text,
        "displayname": "a & <b>.txt",
        "getetag": f'"{facts.st_ino:x}-{facts.st_mtime_ns:x}-7"',
        "lockdiscovery": None,
    }
    assert len(file[f"{DAV}supportedlock"]) == 2
    assert folder[f"{DAV}resourcetype"][0].tag == f"{DAV}collection"
    assert int(folder[f"{DAV}quota-available-bytes"].text) > 0
    assert f"{DAV}getcontentlength" not in folder
    assert found["/dav/data/work/odd\uffff"]["200"][f"{DAV}displayname"].text == "odd\ufffd"
    alone = client.properties("a & <b>.txt", depth="0")
    assert [*alone] == ["/dav/data/work/a & <b>.txt"]
    assert set(client.properties("/")) == {"/dav/", "/dav/data/"}


def test_named_properties_and_their_names_alone(client: Drive) -> None:
    (client.folder / "a.txt").write_bytes(b"letters")
    found = client.properties("", NAMED)
    assert found["/dav/data/work/a.txt"]["404"].keys() == {"{urn:z}own", "none"}
    assert found["/dav/data/work/"]["404"].keys() >= {f"{DAV}getcontentlength", f"{DAV}getetag"}
    names = client.properties("", '<propfind xmlns="DAV:"><propname/></propfind>')
    assert all(each.text is None for each in names["/dav/data/work/a.txt"]["200"].values())
    more = '<propfind xmlns="DAV:"><allprop/><include><x xmlns="u"/></include></propfind>'
    assert "404" not in client.properties("", more)["/dav/data/work/a.txt"]


@pytest.mark.parametrize(
    "body",
    [
        "<a/>",
        "<propfind",
        '<propfind xmlns="DAV:"/>',
        '<propfind xmlns="DAV:"><allprop/><prop/></propfind>',
        '<propfind xmlns="DAV:"><prop>'
        + "".join(f"<a{n}/>" for n in range(101))
        + "</prop></propfind>",
        '<!DOCTYPE a [<!ENTITY b "c">]><propfind xmlns="DAV:"><prop>&b;</prop></propfind>',
    ],
)
def test_questions_that_cannot_be_answered(client: Drive, body: str) -> None:
    answer = client.ask("PROPFIND", "", body, {"Depth": "1"})
    assert answer.status_code == 400


def test_locks_are_told(client: Drive) -> None:
    (client.folder / "a;b.txt").write_bytes(b"")
    locked = client.lock("a;b.txt")
    assert locked.status_code == 200
    for depth, name in (("1", ""), ("0", "a;b.txt")):
        found = client.properties(name, depth=depth)["/dav/data/work/a;b.txt"]["200"]
        active = found[f"{DAV}lockdiscovery"][0]
        assert active.findtext(f"{DAV}locktoken/{DAV}href") in locked.headers["Lock-Token"]
        assert active.findtext(f"{DAV}owner") == "<me>"


@pytest.fixture
def large(client: Drive) -> Path:
    for number in range(MANY):
        (client.folder / f"{number:05}.txt").touch()
    folder: Path = client.folder
    return folder


def pieces(client: Drive) -> Iterator[bytes]:
    headers = {"Depth": "1"}
    answer = client.open("/dav/data/work/", method="PROPFIND", headers=headers, buffered=False)
    assert answer.status_code == 207
    assert answer.content_length is None
    yield from answer.response
    answer.close()


def test_a_large_folder_is_opened_once_and_never_whole_in_memory(
    client: Drive, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    real = gate.open_by_kernel
    monkeypatch.setattr(gate, "open_by_kernel", lambda *asked: opened.append(asked) or real(*asked))
    sizes = [len(piece) for piece in pieces(client)]
    assert sum(sizes) > 1_000_000
    assert max(sizes) < 2 * propfind.BLOCK
    assert len(opened) < 10


def test_what_is_not_sent_yet_is_not_read_yet(client: Drive, large: Path) -> None:
    answer = pieces(client)
    first = next(answer)
    for path in large.iterdir():
        path.unlink()
    text = b"".join([first, *answer])
    assert 0 < text.count(b"getcontentlength") / 2 < MANY / 2
    ET.fromstring(text)
    assert open_below(large) == []


def test_a_caller_who_leaves_gives_the_folder_back(client: Drive, large: Path) -> None:
    answer = pieces(client)
    next(answer)
    answer.close()
    assert open_below(large) == []


def test_a_folder_beyond_all_bounds(
    client: Drive, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propfind, "MAX_ENTRIES", MANY - 1)
    answer = client.open("/dav/data/work/", method="PROPFIND", headers={"Depth": "1"})
    assert answer.status_code == 507
