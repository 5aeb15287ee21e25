"""Models over WebDAV: Windows and Finder announce them empty, and bring their bytes later."""

import json
import os
import struct

import pytest

from filebrowser.access.file_access import Right
from filebrowser.dav import placeholders
from tests.filebrowser.dav.conftest import Drive

NAME = "models/a.safetensors"
HEADER = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
MODEL = struct.pack("<Q", len(HEADER)) + HEADER + bytes(8)
TIME = (
    '<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>'
    "<Z:Win32LastModifiedTime>Fri, 14 Jul 2017 02:40:00 GMT</Z:Win32LastModifiedTime>"
    "</D:prop></D:set></D:propertyupdate>"
)


@pytest.fixture(autouse=True)
def models(client: Drive) -> None:
    """The folder that takes models alone."""
    (client.folder / "models").mkdir()


def on_disk(client: Drive) -> list[str]:
    return sorted(os.listdir(client.folder / "models"))


def test_an_empty_model_is_announced_and_seen_by_clients_alone(client: Drive) -> None:
    assert client.ask("PUT", NAME, b"").status_code == 201
    assert on_disk(client) == []
    assert client.listed("models") == ["a.safetensors"]
    answer = client.ask("GET", NAME)
    assert (answer.status_code, answer.data) == (200, b"")
    assert client.properties(NAME, depth="0")
    assert client.events() == []


def test_windows_copies_a_model(client: Drive) -> None:
    """Empty PUT, LOCK, PROPPATCH of the time, PUT of the bytes, UNLOCK: as Explorer does it."""
    assert client.ask("PUT", NAME, b"").status_code == 201
    token = client.token(NAME)
    assert "200 OK" in client.ask("PROPPATCH", NAME, TIME, {"If": token}).text
    assert client.ask("PUT", NAME, MODEL, {"If": token}).status_code == 204
    path = client.folder / NAME
    assert path.read_bytes() == MODEL
    assert path.stat().st_mtime == 1_500_000_000
    assert client.ask("UNLOCK", NAME, b"", {"Lock-Token": token.strip("()")}).status_code == 204
    assert client.events() == ["created work/models/a.safetensors"]
    assert client.listed("models") == ["a.safetensors"]


def test_a_time_holds_for_the_first_bytes_alone(client: Drive) -> None:
    token = client.token(NAME)
    client.ask("PROPPATCH", NAME, TIME, {"If": token})
    for expected in (True, False):
        client.ask("PUT", NAME, MODEL, {"If": token})
        assert ((client.folder / NAME).stat().st_mtime == 1_500_000_000) is expected


def test_finder_locks_a_model_before_it_is_there(client: Drive) -> None:
    token = client.token(NAME)
    assert on_disk(client) == []
    assert client.ask("PUT", NAME, b"", {"If": token}).status_code == 204
    assert client.ask("PUT", NAME, MODEL, {"If": token}).status_code == 204
    assert on_disk(client) == ["a.safetensors"]


def test_a_locked_name_without_bytes_leaves_with_its_lock(client: Drive) -> None:
    token = client.token(NAME)
    assert client.ask("HEAD", NAME).status_code == 200
    client.ask("UNLOCK", NAME, b"", {"Lock-Token": token.strip("()")})
    assert client.ask("HEAD", NAME).status_code == 404


def test_bytes_that_are_no_model_end_the_announcement(client: Drive) -> None:
    client.ask("PUT", NAME, b"")
    assert client.ask("PUT", NAME, b"not a model, surely").status_code == 415
    assert client.listed("models") == []
    assert on_disk(client) == []


def test_a_body_that_ends_early_leaves_the_name_announced(client: Drive) -> None:
    client.ask("PUT", NAME, b"")
    assert client.ask("PUT", NAME, MODEL[:-1], CONTENT_LENGTH=str(len(MODEL))).status_code == 400
    assert client.listed("models") == ["a.safetensors"]
    assert client.ask("PUT", NAME, MODEL).status_code == 204


def test_an_empty_put_does_not_empty_a_model(client: Drive) -> None:
    client.ask("PUT", NAME, MODEL)
    assert client.ask("PUT", NAME, b"").status_code == 204
    assert (client.folder / NAME).read_bytes() == MODEL


def test_an_empty_text_is_a_file(client: Drive) -> None:
    assert client.ask("PUT", "a.txt", b"").status_code == 201
    assert (client.folder / "a.txt").read_bytes() == b""


def test_a_time_that_came_with_the_announcement_is_the_files(client: Drive) -> None:
    client.ask("PUT", NAME, b"", {"X-OC-Mtime": "1500000000"})
    client.ask("PUT", NAME, MODEL)
    assert (client.folder / NAME).stat().st_mtime == 1_500_000_000
    client.ask("PUT", NAME, MODEL)  # the next bytes have a time of their own
    assert (client.folder / NAME).stat().st_mtime > 1_500_000_001


def test_an_announced_name_is_moved_copied_and_forgotten(client: Drive) -> None:
    client.ask("PUT", NAME, b"")
    assert client.move(NAME, "models/b.safetensors").status_code == 201
    assert client.listed("models") == ["b.safetensors"]
    assert client.copy("models/b.safetensors", "models/c.ckpt").status_code == 201
    assert client.listed("models") == ["b.safetensors", "c.ckpt"]
    assert client.ask("DELETE", "models/c.ckpt").status_code == 204
    assert client.listed("models") == ["b.safetensors"]
    assert on_disk(client) == []


@pytest.mark.parametrize(
    ("target", "status"), [("models/a.png", 415), ("a.txt", 409), ("none/a.safetensors", 409)]
)
def test_an_announced_name_goes_only_where_its_model_may_lie(
    client: Drive, target: str, status: int
) -> None:
    client.ask("PUT", NAME, b"")
    for method in ("MOVE", "COPY"):
        assert client.move(NAME, target, method).status_code == status
    assert client.listed("models") == ["a.safetensors"]


def test_names_that_wait_leave_with_their_folder(client: Drive) -> None:
    client.ask("PUT", NAME, b"")
    assert client.ask("DELETE", "models").status_code == 204
    client.ask("MKCOL", "models")
    assert client.listed("models") == []


def test_a_file_that_came_by_another_door_hides_the_announcement(client: Drive) -> None:
    client.ask("PUT", NAME, b"")
    (client.folder / NAME).write_bytes(MODEL)
    assert client.listed("models") == ["a.safetensors"]
    assert client.ask("GET", NAME).data == MODEL


def test_announcing_takes_the_right_to_create(client: Drive) -> None:
    client.ask("PUT", NAME, b"")
    client.without(Right.CREATE)
    assert client.ask("PUT", "models/b.safetensors", b"").status_code == 403
    assert client.ask("DELETE", NAME).status_code == 403
    assert client.move(NAME, "models/c.safetensors").status_code == 403
    assert "HTTP/1.1 403" in client.ask("PROPPATCH", NAME, TIME).text
    assert client.listed("models") == ["a.safetensors"]


def test_so_many_names_wait(client: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placeholders, "MAX_PER_OWNER", 1)
    assert client.ask("PUT", NAME, b"").status_code == 201
    assert client.ask("PUT", "models/b.ckpt", b"").status_code == 507
    assert client.ask("PUT", NAME, MODEL).status_code == 204
    assert client.ask("PUT", "models/b.ckpt", b"").status_code == 201


def test_an_announced_name_stands_again_when_it_is_announced_again(
    client: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placeholders, "MAX_PER_OWNER", 1)
    for _ in range(3):
        assert client.ask("PUT", NAME, b"").status_code in (201, 204)
    assert client.listed("models") == ["a.safetensors"]


SIDE_FILES = (".DS_Store", "._a.png", "Thumbs.db", "models/._a.safetensors", "models/~$a.docx")


@pytest.mark.parametrize("name", SIDE_FILES)
def test_what_desktops_lay_beside_files_is_taken_and_not_kept(client: Drive, name: str) -> None:
    assert client.ask("PUT", name, b"attributes").status_code == 201
    assert client.ask("GET", name).status_code == 404
    assert client.ask("PUT", name, b"").status_code == 201
    assert client.listed() == ["models/"]
    assert on_disk(client) == []
    assert client.events() == []


@pytest.mark.parametrize("name", SIDE_FILES)
def test_what_a_desktop_locks_is_there_until_it_is_unlocked(client: Drive, name: str) -> None:
    token = client.token(name)
    assert client.ask("HEAD", name).status_code == 200
    assert client.ask("PUT", name, b"attributes", {"If": token}).status_code == 204
    assert client.ask("PROPPATCH", name, TIME, {"If": token}).status_code == 207
    assert client.copy(name, "kept").status_code == 404
    assert client.move(name, "kept", If=token).status_code == 404
    assert client.ask("DELETE", name, b"", {"If": token}).status_code == 204
    assert client.ask("HEAD", name).status_code == 404
    assert client.listed() == ["models/"]


def test_side_folders_at_the_top_of_a_drive(client: Drive) -> None:
    for path in ("/.Trashes", "/data/.Spotlight-V100", "/data/work/.TemporaryItems"):
        assert client.ask("MKCOL", path).status_code == 201
        assert client.ask("PUT", f"{path}/inner.txt", b"x").status_code == 201
        assert client.ask("GET", f"{path}/inner.txt").status_code == 404
    assert client.ask("PUT", "/.DS_Store", b"x").status_code == 201
    assert client.ask("PUT", "/own.txt", b"x").status_code == 403
    assert client.listed("/") == ["data/"]
    assert client.listed() == ["models/"]


def test_side_files_are_refused_to_who_may_create_nothing_and_bounded(client: Drive) -> None:
    (client.folder.parent / "code").mkdir()
    assert client.ask("PUT", "/data/code/.DS_Store", b"x").status_code == 403
    assert client.lock("/data/code/.DS_Store").status_code == 403
    client.limits(spare=0, largest=5)
    assert client.ask("PUT", ".DS_Store", b"123456").status_code == 413
    client.without(Right.CREATE)
    for path in (".DS_Store", "/.DS_Store"):
        assert client.ask("PUT", path, b"x").status_code == 403
        assert client.lock(path).status_code == 403
    assert client.ask("MKCOL", "/.Trashes").status_code == 403


def test_a_mark_of_an_office_is_kept_where_documents_may_lie(client: Drive) -> None:
    assert client.ask("PUT", "~$letter.docx", b"me").status_code == 201
    assert client.ask("GET", "~$letter.docx").data == b"me"
