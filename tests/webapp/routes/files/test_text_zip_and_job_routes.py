"""Texts, zips and jobs by their routes."""

import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filebrowser import text_files
from tests.wait import TIMEOUT, wait_until

TEXT, ARCHIVE = "/api/files/text", "/api/files/archive"


@pytest.fixture
def tree(house: Any) -> Path:
    root: Path = house.data_dir / "outputs"
    (root / "day" / "deep").mkdir(parents=True)
    (root / "day" / "a.png").write_bytes(b"a" * 3000)
    (root / "day" / "deep" / "ü.txt").write_text("hello\n")
    (root / "empty.txt").write_bytes(b"")
    return root


def open_zip(answer: Any) -> zipfile.ZipFile:
    assert answer.status_code == 200, answer.data
    assert len(answer.data) == answer.content_length
    found = zipfile.ZipFile(io.BytesIO(answer.data))
    assert found.testzip() is None
    return found


def test_a_folder_and_files_as_one_zip(house: Any, tree: Path) -> None:
    (tree / "day" / "link.png").symlink_to("a.png")
    (tree / "day" / ".dot").write_text("kept")
    asked = {"path": ["/data/outputs/day", "/data/outputs/empty.txt"]}
    answer = house.client().get(ARCHIVE, query_string=asked)
    found = open_zip(answer)
    assert sorted(found.namelist()) == [
        *("day/", "day/.dot", "day/a.png", "day/deep/", "day/deep/ü.txt", "empty.txt")
    ]
    assert found.read("day/a.png") == b"a" * 3000
    assert answer.headers["Content-Disposition"] == "attachment; filename=files.zip"


def test_names_in_a_zip_are_safe_and_told_apart(house: Any, tree: Path) -> None:
    os.mkdir(os.fsencode(tree) + b"/day/bad")
    for name in (b"a\\..\\b.txt", b"q?.txt", b"q*.txt", b"Q_.txt"):
        Path(os.fsdecode(os.fsencode(tree) + b"/day/bad/" + name)).write_bytes(name)
    found = open_zip(house.client().get(ARCHIVE, query_string={"path": "/data/outputs/day/bad"}))
    names = found.namelist()
    assert not any(set(name) & set('\\:?*"<>|') for name in names)
    assert len({name.casefold() for name in names}) == len(names) == 5


def test_a_zip_of_the_tree_holds_no_secrets(house: Any, tree: Path) -> None:
    (house.data_dir / "config.json").write_text("secret")
    found = open_zip(house.client().get(ARCHIVE, query_string={"path": "/data"}))
    assert not [name for name in found.namelist() if ".easel" in name or "config" in name]
    assert "data/outputs/day/a.png" in found.namelist()


def test_a_file_that_shrinks_meanwhile_ends_the_zip_short(house: Any, tree: Path) -> None:
    (tree / "day" / "a.png").write_bytes(bytes(3 << 20))
    answer = house.client().get(ARCHIVE, query_string={"path": "/data/outputs/day"}, buffered=False)
    pieces = answer.iter_encoded()
    while len(next(pieces)) < 1 << 20:
        pass
    os.truncate(tree / "day" / "a.png", 10)
    with pytest.raises(OSError, match="shorter"):
        list(pieces)
    answer.close()
    assert house.client().get(ARCHIVE, query_string={"path": "/data/outputs"}).status_code == 200


def test_two_zips_at_once_and_no_more(house: Any, tree: Path) -> None:
    query = {"path": "/data/outputs"}
    held = [house.client().get(ARCHIVE, query_string=query, buffered=False) for _ in range(2)]
    assert house.client().get(ARCHIVE, query_string=query).status_code == 429
    held[0].close()
    assert house.client().get(ARCHIVE, query_string=query).status_code == 200
    held[1].close()


def test_sizes_of_folders(house: Any, tree: Path) -> None:
    (tree / "day" / "link").symlink_to("/etc")
    told = house.client().get("/api/files/size", query_string={"path": "/data/outputs"}).get_json()
    assert told == {
        "path": "/data/outputs",
        "size": 3006,
        "files": 3,
        "folders": 2,
        "left_out": 1,
    }


def test_a_folder_is_no_text(house: Any, tree: Path) -> None:
    answer = house.client().get(TEXT, query_string={"path": "/data/outputs/day"})
    assert answer.status_code == 404
    assert "/data/outputs/day is a folder" in answer.text


def test_a_text_is_read_and_saved(house: Any, tree: Path) -> None:
    client, query = house.client(), {"path": "/data/outputs/day/deep/ü.txt"}
    told = client.get(TEXT, query_string=query).get_json()
    assert told["text"] == "hello\n"
    saved = client.put(
        TEXT,
        query_string=query,
        json={"text": "bye\n"},
        headers={"If-Match": f'"{told["etag"]}"'},
    )
    assert saved.status_code == 200
    assert (tree / "day" / "deep" / "ü.txt").read_text() == "bye\n"
    again = client.get(TEXT, query_string=query).get_json()
    assert (again["text"], again["etag"]) == ("bye\n", saved.get_json()["etag"])
    assert os.listdir(tree / "day" / "deep") == ["ü.txt"]


def test_nobodys_changes_are_lost(house: Any, tree: Path) -> None:
    client, query = house.client(), {"path": "/data/outputs/empty.txt"}
    etag = client.get(TEXT, query_string=query).get_json()["etag"]
    (tree / "empty.txt").write_text("by another hand")
    body: dict[str, Any] = {"query_string": query, "json": {"text": "mine"}}
    assert client.put(TEXT, headers={"If-Match": f'"{etag}"'}, **body).status_code == 412
    assert client.put(TEXT, **body).status_code == 428
    assert client.put(TEXT, headers={"If-None-Match": "*"}, **body).status_code == 409
    assert (tree / "empty.txt").read_text() == "by another hand"
    (tree / "empty.txt").unlink()
    assert client.put(TEXT, headers={"If-Match": f'"{etag}"'}, **body).status_code == 412
    assert client.put(TEXT, headers={"If-None-Match": "*"}, **body).status_code == 200
    assert (tree / "empty.txt").read_text() == "mine"


def test_of_two_who_save_at_once_one_is_told(
    house: Any, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file changes between the look at it and the trade: it is traded back."""
    client, query = house.client(), {"path": "/data/outputs/empty.txt"}
    etag = client.get(TEXT, query_string=query).get_json()["etag"]
    trade = text_files.exchange_names

    def late(*spots: Any) -> None:
        if (tree / "empty.txt").read_bytes() == b"":
            (tree / "empty.txt").write_text("theirs")
        trade(*spots)

    monkeypatch.setattr(text_files, "exchange_names", late)
    put = client.put(
        TEXT, query_string=query, json={"text": "mine"}, headers={"If-Match": f'"{etag}"'}
    )
    assert put.status_code == 412
    assert (tree / "empty.txt").read_text() == "theirs"
    assert os.listdir(house.data_dir / ".trash") == []


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"a\0b", 422), (b"\xff\xfe", 422), (b"x" * (2 * 1024 * 1024 + 1), 413)],
)
def test_what_is_no_small_text(house: Any, tree: Path, content: bytes, status: int) -> None:
    (tree / "x.txt").write_bytes(content)
    query = {"path": "/data/outputs/x.txt"}
    assert house.client().get(TEXT, query_string=query).status_code == status
    if content.isascii():
        body = {"text": content.decode()}
        query = {"path": "/data/outputs/y.txt"}
        put = house.client().put(
            TEXT, query_string=query, json=body, headers={"If-None-Match": "*"}
        )
        assert put.status_code == status
        assert not (tree / "y.txt").exists()


def test_new_texts_and_names_obey_the_rules_of_uploads(house: Any, tree: Path) -> None:
    body = {"text": "import os"}
    query = {"path": "/data/outputs/x.py"}
    put = house.client().put(TEXT, query_string=query, json=body, headers={"If-None-Match": "*"})
    assert put.status_code == 422
    renamed = house.client().post(
        "/api/files/rename", json={"path": "/data/outputs/empty.txt", "name": "empty.py"}
    )
    assert renamed.status_code == 422
    assert (tree / "empty.txt").exists()


def write_zip(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_zip_is_taken_apart_into_a_folder(house: Any, tree: Path) -> None:
    members = {"a.txt": b"one", "sub/b.png": b"two", "bad.exe": b"MZ"}
    write_zip(tree / "set.zip", **members)
    body = {"path": "/data/outputs/set.zip"}
    told = house.client().post("/api/files/extract", json=body).get_json()
    assert told["job"] is None
    assert (told["results"][0]["to"], told["results"][0]["status"]) == ("/data/outputs/set", "done")
    assert "bad.exe" in told["results"][0]["error"]
    assert (tree / "set" / "sub" / "b.png").read_bytes() == b"two"
    assert sorted(os.listdir(tree / "set")) == ["a.txt", "sub"]
    assert house.client().post("/api/files/extract", json=body).status_code == 409
    body["conflict"] = "rename"
    told = house.client().post("/api/files/extract", json=body).get_json()
    assert told["results"][0]["to"] == "/data/outputs/set (1)"
    left = [name for name in os.listdir(house.data_dir / ".trash") if name.startswith(".work")]
    assert left == []


def test_a_big_copy_is_a_job_that_can_be_ended(
    house: Any, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.routes.files.operations.WAIT_SECONDS", 0.05)
    gate = threading.Event()
    pump = os.copy_file_range

    def slowly(*args: Any) -> int:
        gate.wait(TIMEOUT)
        return pump(*args)

    monkeypatch.setattr(os, "copy_file_range", slowly)
    client = house.client()
    body = {"paths": ["/data/outputs/day"], "to": "/data/outputs/copy"}
    begun = client.post("/api/files/copy", json=body)
    assert begun.status_code == 202
    url = f"/api/files/jobs/{begun.get_json()['job']}"
    told = client.get(url).get_json()
    assert (told["state"], told["verb"], told["total"]) == ("running", "copy", 3006)
    assert not (tree / "copy").exists()
    threading.Timer(0.2, gate.set).start()
    assert client.delete(url).status_code == 200
    wait_until(lambda: client.get(url).get_json()["state"] == "cancelled")
    assert not (tree / "copy").exists()
    assert os.listdir(house.data_dir / ".trash") == []
    assert [job["id"] for job in client.get("/api/files/jobs").get_json()["jobs"]] == [told["id"]]


def test_jobs_of_others_are_not_there(guarded_house: Any) -> None:
    ann = guarded_house.client(authorization="Basic YW5uOnB3MQ==")
    bob = guarded_house.client(authorization="Basic Ym9iOnB3Mg==")
    body = {"paths": ["/data/models/VAE"], "to": "/data/copy"}
    assert ann.post("/api/files/copy", json=body).status_code == 200
    (job,) = ann.get("/api/files/jobs").get_json()["jobs"]
    assert (job["state"], job["done"]) == ("done", job["total"])
    assert bob.get("/api/files/jobs").get_json() == {"jobs": []}
    assert bob.get(f"/api/files/jobs/{job['id']}").status_code == 404
    assert bob.delete(f"/api/files/jobs/{job['id']}").status_code == 404


def read_events(house: Any, **headers: str) -> Iterator[tuple[str, str, Any]]:
    """Events as (name, id, data)."""
    answer = house.client().get("/api/files/events", headers=headers, buffered=False)
    assert answer.status_code == 200
    for piece in answer.iter_encoded():
        fields = dict(line.split(": ", 1) for line in piece.decode().strip().split("\n"))
        if "event" in fields:
            yield fields["event"], fields["id"], json.loads(fields["data"])


def test_what_a_verb_does_is_heard_at_once(house: Any, tree: Path) -> None:
    stream = read_events(house)
    assert next(stream)[0] == "ready"
    house.client().post("/api/files/folder", json={"path": "/data/outputs/new"})
    name, ident, data = next(stream)
    assert (name, data["kind"], data["path"]) == ("change", "created", "/data/outputs/new")
    assert (data["entry"]["kind"], data["previous"]) == ("folder", None)
    house.client().post("/api/files/rename", json={"path": "/data/outputs/new", "name": "newer"})
    data = next(stream)[2]
    assert (data["kind"], data["path"]) == ("moved", "/data/outputs/newer")
    assert data["previous"] == "/data/outputs/new"
    house.client().post("/api/files/delete", json={"paths": ["/data/outputs/newer"]})
    assert next(stream)[2]["kind"] == "deleted"
    again = read_events(house, **{"Last-Event-ID": ident})
    assert [next(again)[2]["kind"] for _ in range(2)] == ["moved", "deleted"]


def test_who_was_away_for_long_lists_again(house: Any, tree: Path) -> None:
    for ident in ("0000-5", "nonsense"):
        assert next(read_events(house, **{"Last-Event-ID": ident}))[0] == "again"


def test_what_happens_on_the_disk_is_heard(house: Any, tree: Path) -> None:
    stream = read_events(house)
    next(stream)
    watcher = house.app.extensions["easel.services"].filing.watch.watcher
    wait_until(lambda: watcher.modes)
    (tree / "fresh").mkdir()
    (tree / "fresh" / "pic.png").write_bytes(b"x")
    (house.data_dir / ".easel" / "quiet").write_bytes(b"x")
    seen = {}
    for name, _, data in stream:  # the stream itself ends, after a while
        if name == "change":
            seen[data["path"]] = data["kind"]
        if "/data/outputs/fresh/pic.png" in seen:
            break
    assert seen["/data/outputs/fresh"] == "created"
    assert seen["/data/outputs/fresh/pic.png"] == "created"
    assert not [path for path in seen if ".easel" in path]


def test_a_listener_hears_only_of_its_folder(house: Any, tree: Path) -> None:
    client = house.client()
    answer = client.get(
        "/api/files/events", query_string={"path": "/data/outputs/day"}, buffered=False
    )
    pieces = answer.iter_encoded()
    next(pieces), next(pieces)
    client.post("/api/files/folder", json={"path": "/data/outputs/other"})
    client.post("/api/files/folder", json={"path": "/data/outputs/day/mine"})
    assert b"/data/outputs/day/mine" in next(pieces)
    answer.close()
