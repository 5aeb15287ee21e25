"""What filebrowser's clients read: resources, raw bytes, usage."""

import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from webapp.access.credentials import build_credentials

TOKEN = "s3cret-token"


@pytest.fixture
def tree(house: Any) -> Path:
    folder: Path = house.data_dir / "outputs" / "day"
    (folder / "inner").mkdir(parents=True)
    (folder / "note.txt").write_text("a note\n")
    (folder / "a.png").write_bytes(b"\x89PNG\0")
    (folder / "model.safetensors").write_bytes(bytes(64))
    (folder / "inner" / "b.png").write_bytes(b"\x89PNG")
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    os.utime(folder / "note.txt", ns=(0, 1_700_000_000_123_456_789))
    return folder


def ask(house: Any, path: str, **headers: str) -> Any:
    return house.client(**headers).get(path)


def test_a_folder_has_filebrowser_s_fields(house: Any, tree: Path) -> None:
    told = ask(house, "/api/resources/data/outputs/day/").get_json()
    assert (told["path"], told["name"], told["isDir"]) == ("/data/outputs/day", "day", True)
    assert (told["numDirs"], told["numFiles"]) == (1, 5)
    assert told["sorting"] == {"by": "name", "asc": True}
    items = {item["name"]: item for item in told["items"]}
    kinds = {name: item["type"] for name, item in items.items()}
    assert kinds == {
        "inner": "",
        "a.png": "image",
        "link": "invalid_link",
        "model.safetensors": "blob",
        "note.txt": "text",
        "pipe": "blob",
    }
    note = items["note.txt"]
    assert note["modified"] == "2023-11-14T22:13:20.123456789Z"
    assert (note["size"], note["extension"]) == (7, ".txt")
    assert items["inner"]["mode"] >> 31 == 1
    assert items["link"]["isSymlink"] is True
    assert "content" not in note


def test_the_trees_are_a_folder_too(house: Any) -> None:
    told = ask(house, "/api/resources/").get_json()
    assert [(item["path"], item["isDir"]) for item in told["items"]] == [("/data", True)]
    assert all(i["name"] != ".easel" for i in ask(house, "/api/resources/data").get_json()["items"])


def test_a_text_comes_with_its_content(house: Any, tree: Path) -> None:
    path = "/api/resources/data/outputs/day/note.txt"
    told = ask(house, path).get_json()
    assert (told["type"], told["content"]) == ("text", "a note\n")
    raw = house.client().get(path, headers={"X-Encoding": "true"})
    assert (raw.data, raw.content_type) == (b"a note\n", "application/octet-stream")
    for name in ("a.png", "model.safetensors"):
        assert "content" not in ask(house, f"/api/resources/data/outputs/day/{name}").get_json()
    (tree / "long.txt").write_bytes(b"x" * (1024 * 1024 + 1))
    assert "content" not in ask(house, "/api/resources/data/outputs/day/long.txt").get_json()


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
def test_checksums(house: Any, tree: Path, name: str) -> None:
    told = ask(house, f"/api/resources/data/outputs/day/a.png?checksum={name}").get_json()
    assert told["checksums"] == {name: hashlib.new(name, b"\x89PNG\0").hexdigest()}


def test_an_unknown_checksum_is_refused(house: Any, tree: Path) -> None:
    for name in ("crc32", "", "SHA256", "shake_256"):
        answer = ask(house, f"/api/resources/data/outputs/day/a.png?checksum={name}")
        assert answer.status_code == 400


def test_everything_below_as_a_flat_list(house: Any, tree: Path) -> None:
    told = ask(house, "/api/resources/recursive/data/outputs").get_json()
    assert {entry["path"] for entry in told} == {
        "/data/outputs/day",
        *(f"/data/outputs/day/{name}" for name in os.listdir(tree)),
        "/data/outputs/day/inner/b.png",
    }
    assert set(told[0]) == {"path", "name", "size", "modified", "isDir"}
    assert not any(
        "/.easel" in e["path"] for e in ask(house, "/api/resources/recursive").get_json()
    )
    assert ask(house, "/api/resources/recursive/data/outputs/day/a.png").status_code == 404


def test_raw_bytes_with_range(house: Any, tree: Path) -> None:
    path = "/api/raw/data/outputs/day/note.txt"
    whole = ask(house, path)
    assert whole.data == b"a note\n"
    assert whole.headers["Content-Disposition"].startswith("attachment")
    part = house.client().get(path, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.data) == (206, b"note")
    inline = ask(house, f"{path}?inline=true")
    assert inline.headers["Content-Disposition"].startswith("inline")
    assert "sandbox" in inline.headers["Content-Security-Policy"]
    (tree / "page.html").write_text("<script>1</script>")
    page = ask(house, "/api/raw/data/outputs/day/page.html?inline=true")
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert ask(house, "/api/raw/data/outputs/day/link").status_code == 404
    assert ask(house, "/api/raw/data/outputs/day/pipe").status_code == 404


def test_a_folder_is_packed(house: Any, tree: Path) -> None:
    for query, names in (
        ("", {"day/note.txt", "day/inner/b.png"}),
        ("?files=note.txt,inner&algo=zip", {"note.txt", "inner/b.png"}),
    ):
        answer = ask(house, f"/api/raw/data/outputs/day/{query}")
        with zipfile.ZipFile(io.BytesIO(answer.data)) as file:
            assert names <= set(file.namelist())
            assert not any("link" in name or "pipe" in name for name in file.namelist())
        answer.close()
    assert ask(house, "/api/raw/data/outputs/day?algo=targz").status_code == 400
    assert ask(house, "/api/raw/data/outputs/day?files=..%2F..%2Fsecret").status_code == 400


def test_usage_is_the_disk_s(house: Any, tree: Path) -> None:
    disk = os.statvfs(tree)
    for path in ("/api/usage", "/api/usage/data/outputs"):
        told = ask(house, path).get_json()
        assert told["total"] == disk.f_blocks * disk.f_frsize
        assert 0 < told["used"] < told["total"]
    assert ask(house, "/api/usage/nowhere").status_code == 404


def test_x_auth_takes_the_token(build: Any) -> None:
    house = build(build_credentials(TOKEN))
    for headers, status in (({"X-Auth": TOKEN}, 200), ({"X-Auth": "wrong"}, 401), ({}, 401)):
        answer = house.client().get("/api/resources/data", headers=headers)
        assert answer.status_code == status
