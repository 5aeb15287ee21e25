"""The names that scripts count on: routes, parameters and answers; and that ``--no-filebrowser``
and ``--nowebui`` leave all of it out."""

import io
import zipfile
from typing import Any

import pytest

from tests.webapp.routes.files.file_requests import FileRequest, all_requests
from tests.webapp.routes.files.tus_client import BYTES, TUS, encode_metadata
from webapp.access.credentials import Credentials
from webapp.settings.config import parse

FOLDER = "/data/models/Lora"


@pytest.fixture
def client(house: Any) -> Any:
    (house.data_dir / "outputs").mkdir(exist_ok=True)
    for name in ("a.txt", "b.txt"):
        (house.data_dir / "outputs" / name).write_text(name)
    return house.client()


def test_listing_content_search_archive(client: Any) -> None:
    page = "/api/files?path=/data/outputs&sort=name&offset=1&limit=1"
    listing = client.get(page).get_json()
    assert listing.keys() == {"path", "total", "entries"}
    assert (listing["path"], listing["total"]) == ("/data/outputs", 2)
    assert [set(entry) for entry in listing["entries"]] == [{"name", "kind", "size", "modified"}]
    part = client.get("/api/files/content?path=/data/outputs/a.txt", headers={"Range": "bytes=2-"})
    assert (part.status_code, part.data) == (206, b"txt")
    found = client.get("/api/files/search?q=a").get_json()
    assert found.keys() >= {"path", "total", "entries"}
    packed = client.get("/api/files/archive?path=/data/outputs/a.txt&path=/data/outputs/b.txt")
    assert int(packed.headers["Content-Length"]) == len(packed.data)
    assert sorted(zipfile.ZipFile(io.BytesIO(packed.data)).namelist()) == ["a.txt", "b.txt"]
    events = client.get("/api/files/events", buffered=False)
    assert events.content_type.startswith("text/event-stream")
    events.close()


def test_folder_move_copy_delete_restore(client: Any, house: Any) -> None:
    here = house.data_dir / "outputs"
    made = client.post("/api/files/folder", json={"path": "/data/outputs/new"})
    assert made.status_code == 200
    for verb, conflict in (("copy", "skip"), ("copy", "overwrite"), ("move", "rename")):
        body = {"paths": ["/data/outputs/a.txt"], "to": "/data/outputs/new", "conflict": conflict}
        assert client.post(f"/api/files/{verb}", json=body).status_code == 200
    assert sorted(path.name for path in (here / "new").iterdir()) == ["a (1).txt", "a.txt"]
    gone = client.post("/api/files/delete", json={"paths": ["/data/outputs/new"]}).get_json()
    assert not (here / "new").exists()
    back = client.post("/api/files/restore", json={"trash_id": gone["trash_id"]})
    assert back.status_code == 200
    assert (here / "new" / "a.txt").read_text() == "a.txt"


def test_uploads_shares_and_the_drive(client: Any, house: Any) -> None:
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of "abc"
    meanings = {"filename": "n.txt", "folder": FOLDER, "sha256": digest, "conflict": "rename"}
    headers = {**TUS, "Upload-Length": "3", "Upload-Metadata": encode_metadata(**meanings)}
    begun = client.post("/api/files/uploads", headers=headers)
    assert begun.status_code == 201
    assert begun.headers["Location"].startswith("/api/files/uploads/")
    sent = {**TUS, "Content-Type": BYTES, "Upload-Offset": "0"}
    assert client.patch(begun.headers["Location"], headers=sent, data=b"abc").status_code == 204
    assert (house.data_dir / "models" / "Lora" / "n.txt").read_bytes() == b"abc"
    link = client.post("/api/files/shares", json={"path": "/data/outputs/a.txt"}).get_json()["url"]
    assert link.startswith("/s/")
    assert client.get(link).status_code == 200
    assert client.get("/dav/data/outputs/a.txt").data == b"a.txt"


@pytest.mark.parametrize(
    "words", [["--nowebui"], ["--no-filebrowser"], ["--nowebui", "--filebrowser"], []], ids=str
)
def test_all_of_it_is_there_or_nothing(build: Any, words: list[str]) -> None:
    there = parse(words, {}).filebrowser
    assert there is (words not in (["--nowebui"], ["--no-filebrowser"]))
    house = build(Credentials(), filebrowser=there, web_ui="--nowebui" not in words)
    client = house.client()
    assert client.get("/api/session").get_json()["filebrowser"] is there
    routes = {rule.rule for rule in house.app.url_map.iter_rules()}
    ours = [rule for rule in routes if rule.startswith(("/api/files", "/dav", "/s/", "/api/raw"))]
    assert bool(ours) is there
    if not there:
        for ask in (
            *all_requests(),
            FileRequest("GET /s/", "/s/0"),
            FileRequest("GET /s/", "/s/0/archive"),
        ):
            answer = client.open(ask.url, method=ask.method, **ask.options)
            assert answer.status_code in (404, 405), ask.row
    assert client.get("/sdapi/v1/sd-models").status_code == 200  # the rest is always there
