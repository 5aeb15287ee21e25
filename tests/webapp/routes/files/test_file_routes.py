"""The routes of files by the names and shapes of issue 5: listing, bytes, verbs, the trash."""

import os
from pathlib import Path
from typing import Any

import pytest

from webapp.access.credentials import Credentials

LIST, MOVE, COPY = "/api/files", "/api/files/move", "/api/files/copy"


@pytest.fixture
def tree(house: Any) -> Path:
    """Some files in the data directory."""
    root: Path = house.data_dir
    (root / "outputs" / "day").mkdir(parents=True)
    for number in (1, 2, 10):
        (root / "outputs" / f"pic{number}.png").write_bytes(b"p" * number)
    (root / "outputs" / "notes.txt").write_text("hello")
    (root / "outputs" / ".secret").write_text("dot")
    return root


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.data
    return [entry["name"] for entry in answer.get_json()["entries"]]


def test_a_listing_is_path_total_entries(house: Any, tree: Path) -> None:
    told = house.client().get(LIST, query_string={"path": "/data/outputs"}).get_json()
    assert list(told) == ["path", "total", "entries"]
    assert (told["path"], told["total"]) == ("/data/outputs", 5)
    assert [entry["name"] for entry in told["entries"]] == [
        *("day", "notes.txt", "pic1.png", "pic2.png", "pic10.png")
    ]
    folder, text, picture = told["entries"][:3]
    assert (folder["kind"], folder["size"]) == ("folder", None)
    assert (text["kind"], picture["kind"], picture["size"]) == ("text", "image", 1)
    assert abs(text["modified"] - (tree / "outputs/notes.txt").stat().st_mtime) < 0.002


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"sort": "-name"}, ["day", "pic10.png", "pic2.png", "pic1.png", "notes.txt"]),
        ({"sort": "size"}, ["day", "pic1.png", "pic2.png", "notes.txt", "pic10.png"]),
        ({"sort": "-size"}, ["day", "pic10.png", "notes.txt", "pic2.png", "pic1.png"]),
        ({"sort": "kind"}, ["day", "pic1.png", "pic2.png", "pic10.png", "notes.txt"]),
        ({"sort": "modified"}, ["day", "pic10.png", "pic1.png", "pic2.png", "notes.txt"]),
        ({"hidden": 1, "limit": 2}, ["day", ".secret"]),
        ({"offset": 1, "limit": 2}, ["notes.txt", "pic1.png"]),
        ({"offset": 9}, []),
        ({"limit": 0}, []),
    ],
)
def test_orders_and_pages(house: Any, tree: Path, query: Any, expected: list[str]) -> None:
    for age, name in enumerate(("notes.txt", "pic2.png", "pic1.png", "pic10.png")):
        os.utime(tree / "outputs" / name, (1e9 - age, 1e9 - age))
    asked = {"path": "/data/outputs", **query}
    assert names(house.client().get(LIST, query_string=asked)) == expected


@pytest.mark.parametrize(
    "query",
    [
        *({"path": "/data", key: "x"} for key in ("sort", "offset", "limit", "hidden")),
        *({"path": "/data", "limit": "2001"}, {"path": "/data/outputs/notes.txt"}),
    ],
)
def test_what_cannot_be_listed_is_said(house: Any, tree: Path, query: Any) -> None:
    answer = house.client().get(LIST, query_string=query)
    assert answer.status_code in (400, 422)
    assert answer.get_json()["detail"]


def test_the_trees_are_told_and_listed(build: Any, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a").mkdir()
    house = build(browse_roots=(("more", tmp_path / "more", False),))
    told = house.client().get("/api/files/roots").get_json()
    assert [(root["name"], root["writable"]) for root in told["roots"]] == [
        *(("data", True), ("more", False))
    ]
    assert told["roots"][0]["free"] > 0
    assert told["roots"][0]["sealed"] == ["/data/extensions"]
    assert "delete" in told["rights"]
    for query in ({}, {"path": "/"}):
        assert names(house.client().get(LIST, query_string=query)) == ["data", "more"]
    refused = house.client().post("/api/files/folder", json={"path": "/more/b"})
    assert refused.status_code == 403
    refused = house.client().post("/api/files/delete", json={"paths": ["/more/a"]})
    assert refused.status_code == 403
    moved = house.client().post(MOVE, json={"paths": ["/more/a"], "to": "/data"})
    assert moved.status_code == 403
    assert (tmp_path / "more" / "a").is_dir()


def test_settings_and_state_are_not_there(house: Any, tree: Path) -> None:
    (tree / "config.json").write_text("{}")
    (tree / ".trash").mkdir()
    client = house.client()
    shown = names(client.get(LIST, query_string={"path": "/data", "hidden": 1}))
    assert shown == ["models", "outputs"]
    for name in (
        "config.json",
        ".easel",
        ".trash",
        ".uploads",
        "CONFIG.JSON",
        "config.json.broken",
    ):
        for url in (LIST, "/api/files/content"):
            assert client.get(url, query_string={"path": f"/data/{name}"}).status_code == 404
        made = client.post("/api/files/folder", json={"path": f"/data/{name}/x"})
        assert made.status_code == 404
        moved = client.post(MOVE, json={"paths": ["/data/outputs"], "to": f"/data/{name}"})
        assert moved.status_code == 404


def test_bytes_of_a_file(house: Any, tree: Path) -> None:
    query = {"path": "/data/outputs/pic10.png"}
    answer = house.client().get("/api/files/content", query_string=query)
    assert (answer.status_code, answer.data) == (200, b"p" * 10)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    part = house.client().get(
        "/api/files/content", query_string=query, headers={"Range": "bytes=-3"}
    )
    assert (part.status_code, part.headers["Content-Range"]) == (206, "bytes 7-9/10")
    shown = house.client().get("/api/files/content", query_string={**query, "inline": 1})
    assert shown.headers["Content-Disposition"].startswith("inline")
    assert shown.content_type == "image/png"
    assert (
        house.client().get("/api/files/content", query_string={"path": "/data"}).status_code == 422
    )


def test_a_page_of_a_user_is_text(house: Any, tree: Path) -> None:
    (tree / "outputs" / "x.html").write_text("<script>alert(1)</script>")
    query = {"path": "/data/outputs/x.html", "inline": 1}
    answer = house.client().get("/api/files/content", query_string=query)
    assert answer.content_type == "text/plain; charset=utf-8"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_folder_is_made_with_those_above_it(house: Any, tree: Path) -> None:
    made = house.client().post("/api/files/folder", json={"path": "/data/outputs/a/b"})
    assert (made.status_code, made.get_json()["name"]) == (200, "b")
    assert (tree / "outputs" / "a" / "b").stat().st_mode & 0o777 == 0o750
    again = house.client().post("/api/files/folder", json={"path": "/data/outputs/a/b"})
    assert again.status_code == 409


def test_moving_and_renaming(house: Any, tree: Path) -> None:
    client = house.client()
    body = {
        "paths": ["/data/outputs/pic1.png", "/data/outputs/pic2.png"],
        "to": "/data/outputs/day",
    }
    told = client.post(MOVE, json=body).get_json()
    assert [each["to"] for each in told["results"]] == [
        *("/data/outputs/day/pic1.png", "/data/outputs/day/pic2.png")
    ]
    assert {each["status"] for each in told["results"]} == {"done"}
    body = {"path": "/data/outputs/day", "name": "night"}
    assert client.post("/api/files/rename", json=body).status_code == 200
    assert sorted(os.listdir(tree / "outputs" / "night")) == ["pic1.png", "pic2.png"]
    body = {"paths": ["/data/outputs/night/pic1.png"], "to": "/data/outputs/first.png"}
    assert client.post(MOVE, json=body).status_code == 200
    assert (tree / "outputs" / "first.png").read_bytes() == b"p"


def test_a_taken_name_is_a_question(house: Any, tree: Path) -> None:
    (tree / "outputs" / "day" / "pic1.png").write_bytes(b"other")
    client, body = house.client(), {"paths": ["/data/outputs/pic1.png"], "to": "/data/outputs/day"}
    refused = client.post(COPY, json=body)
    assert refused.status_code == 409
    assert "/data/outputs/day/pic1.png" in refused.get_json()["detail"]
    skipped = client.post(COPY, json={**body, "conflict": "skip"}).get_json()["results"][0]
    assert (skipped["status"], skipped["to"]) == ("skipped", None)
    renamed = client.post(COPY, json={**body, "conflict": "rename"}).get_json()["results"][0]
    assert renamed["to"] == "/data/outputs/day/pic1 (1).png"
    assert (tree / "outputs" / "day" / "pic1.png").read_bytes() == b"other"
    over = client.post(MOVE, json={**body, "conflict": "overwrite"}).get_json()["results"][0]
    assert over["to"] == "/data/outputs/day/pic1.png"
    assert (tree / "outputs" / "day" / "pic1.png").read_bytes() == b"p"
    assert not (tree / "outputs" / "pic1.png").exists()


def test_deleting_and_bringing_back(house: Any, tree: Path) -> None:
    client = house.client()
    told = client.post(
        "/api/files/delete", json={"paths": ["/data/outputs/pic1.png", "/data/outputs/day"]}
    ).get_json()
    assert not (tree / "outputs" / "pic1.png").exists()
    assert not (tree / "outputs" / "day").exists()
    listed = client.get("/api/files/trash").get_json()["thrown"]
    assert [one["trash_id"] for one in listed] == [told["trash_id"]]
    assert [one["path"] for one in listed[0]["items"]] == [
        *("/data/outputs/pic1.png", "/data/outputs/day")
    ]
    back = client.post("/api/files/restore", json={"trash_id": told["trash_id"]})
    assert [each["status"] for each in back.get_json()["results"]] == ["done", "done"]
    assert (tree / "outputs" / "pic1.png").read_bytes() == b"p"
    assert client.get("/api/files/trash").get_json() == {"thrown": []}
    again = client.post("/api/files/restore", json={"trash_id": told["trash_id"]})
    assert again.status_code == 404


def test_emptying_the_trash(house: Any, tree: Path) -> None:
    client = house.client()
    ids = [
        client.post("/api/files/delete", json={"paths": [f"/data/outputs/pic{n}.png"]}).get_json()
        for n in (1, 2)
    ]
    one = {"trash_id": ids[0]["trash_id"]}
    assert client.delete("/api/files/trash", query_string=one).status_code == 200
    assert client.delete("/api/files/trash", query_string=one).status_code == 404
    assert len(client.get("/api/files/trash").get_json()["thrown"]) == 1
    assert client.delete("/api/files/trash").status_code == 200
    assert os.listdir(tree / ".trash") == []


def test_nobody_restores_what_another_deleted(guarded_house: Any) -> None:
    ann = guarded_house.client(authorization="Basic YW5uOnB3MQ==")
    bob = guarded_house.client(authorization="Basic Ym9iOnB3Mg==")
    thrown = ann.post(
        "/api/files/delete", json={"paths": ["/data/models/VAE/clear.safetensors"]}
    ).get_json()
    body = {"trash_id": thrown["trash_id"]}
    assert bob.get("/api/files/trash").get_json() == {"thrown": []}
    assert bob.post("/api/files/restore", json=body).status_code == 404
    assert bob.delete("/api/files/trash", query_string=body).status_code == 404
    assert ann.post("/api/files/restore", json=body).status_code == 200


def test_the_registry_knows_at_once(house: Any) -> None:
    client = house.client()

    def titles() -> list[str]:
        return sorted(m["model_name"] for m in client.get("/sdapi/v1/sd-models").get_json())

    assert titles() == ["deliberate_v2", "painter"]
    path = "/data/models/Stable-diffusion/painter.safetensors"
    thrown = client.post("/api/files/delete", json={"paths": [path]}).get_json()
    assert titles() == ["deliberate_v2"]
    client.post("/api/files/restore", json={"trash_id": thrown["trash_id"]})
    assert titles() == ["deliberate_v2", "painter"]
    client.post("/api/files/rename", json={"path": path, "name": "sketcher.safetensors"})
    assert titles() == ["deliberate_v2", "sketcher"]


def test_code_folders_are_sealed(build: Any) -> None:
    for allowed, status in ((False, 403), (True, 200)):
        house = build(code_upload=allowed)
        (house.data_dir / "extensions" / "one").mkdir(parents=True)
        (house.data_dir / "a.py").write_text("print(1)")
        client = house.client()
        body = {"paths": ["/data/a.py"], "to": "/data/extensions/one"}
        assert client.post(COPY, json=body).status_code == status
        body = {"path": "/data/extensions/two"}
        assert client.post("/api/files/folder", json=body).status_code == status
        listed = client.get(LIST, query_string={"path": "/data/extensions"})
        assert "one" in names(listed)


def test_without_the_flag_there_are_no_routes(build: Any) -> None:
    house = build(Credentials(), filebrowser=False)
    assert house.client().get(LIST, query_string={"path": "/data"}).status_code == 404
