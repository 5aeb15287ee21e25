"""tus 1.0.0 at /api/files/uploads: what it promises, and what it refuses."""

import base64
import hashlib
from typing import Any

import pytest

from tests.webapp.routes.files.tus_client import BYTES, TUS, encode_metadata
from tests.webapp.routes.files.tus_in_process import CONTENT, FOLDER, TusSender


@pytest.fixture
def sender(build: Any) -> TusSender:
    return TusSender(build(filebrowser=True))


def test_a_file_comes_in_pieces_and_appears_whole(sender: TusSender) -> None:
    url = sender.begin()
    assert sender.head(url).headers["Upload-Offset"] == "0"
    first = sender.patch(url, 0, CONTENT[:3000])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "3000")
    assert "Upload-Expires" in first.headers
    assert not sender.file().exists()
    found = sender.head(url)
    assert found.headers["Upload-Offset"] == "3000"
    assert found.headers["Upload-Length"] == str(len(CONTENT))
    assert found.headers["Cache-Control"] == "no-store"
    assert found.headers["Upload-Metadata"] == encode_metadata(folder=FOLDER, filename="a.png")
    last = sender.patch(url, 3000, CONTENT[3000:])
    assert last.status_code == 204
    assert last.headers["Upload-Path"] == "/data/outputs/a.png"
    assert sender.file().read_bytes() == CONTENT
    assert sender.head(url).headers["Upload-Offset"] == str(len(CONTENT))
    assert sender.file().stat().st_mode & 0o777 == 0o640


def test_creation_with_upload(sender: TusSender) -> None:
    answer = sender.create(body=CONTENT[:100])
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "100")
    assert sender.patch(answer.headers["Location"], 100, CONTENT[100:]).status_code == 204
    assert sender.file().read_bytes() == CONTENT


def test_one_without_bytes_is_a_file_at_once(sender: TusSender) -> None:
    assert sender.create(length=0).status_code == 201
    assert sender.file().read_bytes() == b""


def test_what_is_offered(sender: TusSender) -> None:
    answer = sender.client.options("/api/files/uploads", headers={"Tus-Resumable": "9"})
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert "concatenation" in answer.headers["Tus-Extension"].split(",")
    assert "sha1" in answer.headers["Tus-Checksum-Algorithm"].split(",")
    assert int(answer.headers["Tus-Max-Size"]) == 1 << 40
    assert answer.headers["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize("version", [None, "0.2.2"])
def test_another_version_is_refused_everywhere(sender: TusSender, version: str | None) -> None:
    url = sender.begin()
    headers = {"Tus-Resumable": version} if version else {}
    for verb in ("head", "patch", "delete"):
        answer = getattr(sender.client, verb)(url, headers=headers)
        assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0"), verb
        assert "Upload-Offset" not in answer.headers


def test_pieces_that_do_not_fit_change_nothing(sender: TusSender) -> None:
    url = sender.begin()
    sender.patch(url, 0, CONTENT[:50])
    assert sender.patch(url, 0, CONTENT[:50]).status_code == 409
    assert sender.patch(url, 51, CONTENT[51:]).status_code == 409
    for offset in ("-1", "1e3", "", "99999999999999999999", "50, 50"):
        assert sender.patch(url, offset, b"x").status_code == 400, offset
    assert sender.patch(url, 50, CONTENT).status_code == 413
    wrong_type = sender.patch(url, 50, b"x", Content_Type="application/json")
    assert wrong_type.status_code == 415
    assert sender.head(url).headers["Upload-Offset"] == "50"
    sender.patch(url, 50, CONTENT[50:])
    assert sender.file().read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha512", "md5"])
def test_checksums_of_pieces(sender: TusSender, name: str) -> None:
    url = sender.begin()

    def send_with_checksum(offset: int, body: bytes, of: bytes) -> Any:
        digest = base64.b64encode(hashlib.new(name, of).digest()).decode()
        return sender.patch(url, offset, body, Upload_Checksum=f"{name} {digest}")

    assert send_with_checksum(0, CONTENT[:70], CONTENT[:70]).status_code == 204
    assert send_with_checksum(70, CONTENT[70:], CONTENT[71:]).status_code == 460
    assert sender.head(url).headers["Upload-Offset"] == "70"
    assert send_with_checksum(70, CONTENT[70:], CONTENT[70:]).status_code == 204
    assert sender.file().read_bytes() == CONTENT
    assert sender.patch(url, 0, b"", Upload_Checksum="crc9 AAAA").status_code == 400


def test_termination(sender: TusSender) -> None:
    url = sender.begin()
    sender.patch(url, 0, CONTENT[:50])
    assert sender.client.delete(url, headers=TUS).status_code == 204
    assert sender.head(url).status_code == 404
    assert sender.patch(url, 50, CONTENT[50:]).status_code == 404
    assert list((sender.house.data_dir / ".uploads").iterdir()) == []


def test_a_length_that_is_told_later(sender: TusSender) -> None:
    headers = {**TUS, "Upload-Metadata": encode_metadata(folder=FOLDER, filename="a.png")}
    answer = sender.client.post(
        "/api/files/uploads", headers={**headers, "Upload-Defer-Length": "1"}
    )
    url = answer.headers["Location"]
    assert sender.patch(url, 0, CONTENT[:10]).status_code == 204
    assert sender.head(url).headers["Upload-Defer-Length"] == "1"
    assert sender.patch(url, 10, b"", Upload_Length="9").status_code == 400
    assert sender.patch(url, 10, CONTENT[10:20], Upload_Length=str(len(CONTENT))).status_code == 204
    assert sender.patch(url, 20, b"", Upload_Length="99999").status_code == 400
    assert sender.patch(url, 20, CONTENT[20:]).status_code == 204
    assert sender.file().read_bytes() == CONTENT


def test_parts_are_put_together(sender: TusSender) -> None:
    urls = []
    for piece in (CONTENT[:4000], CONTENT[4000:]):
        headers = {**TUS, "Upload-Length": str(len(piece)), "Upload-Concat": "partial"}
        urls.append(sender.client.post("/api/files/uploads", headers=headers).headers["Location"])
    together = {
        **TUS,
        "Upload-Concat": f"final;{urls[0]} http://localhost{urls[1]}",
        "Upload-Metadata": encode_metadata(folder=FOLDER, filename="a.png"),
    }
    sender.patch(urls[0], 0, CONTENT[:4000])
    assert sender.head(urls[0]).headers["Upload-Concat"] == "partial"
    assert sender.client.post("/api/files/uploads", headers=together).status_code == 400
    sender.patch(urls[1], 0, CONTENT[4000:])
    answer = sender.client.post("/api/files/uploads", headers=together)
    assert answer.status_code == 201, answer.text
    assert sender.file().read_bytes() == CONTENT
    found = sender.head(answer.headers["Location"])
    assert found.headers["Upload-Offset"] == found.headers["Upload-Length"] == str(len(CONTENT))
    assert found.headers["Upload-Concat"].startswith("final")
    assert sender.patch(answer.headers["Location"], len(CONTENT), b"").status_code == 403


def test_other_verbs_by_post(sender: TusSender) -> None:
    url = sender.begin()
    every = {**TUS, "Content-Type": BYTES, "Upload-Offset": "0"}
    by = {**every, "X-HTTP-Method-Override": "PATCH"}
    assert sender.client.post(url, headers=by, data=CONTENT[:9]).status_code == 204
    assert sender.head(url).headers["Upload-Offset"] == "9"
    assert sender.client.post(url, headers=every, data=b"x").status_code == 400
    by = {**TUS, "X-HTTP-Method-Override": "DELETE"}
    assert sender.client.post(url, headers=by).status_code == 204
    assert sender.head(url).status_code == 404


def test_unfinished_ones_are_listed(sender: TusSender) -> None:
    url = sender.begin(filename="b.png", conflict="rename")
    sender.patch(url, 0, CONTENT[:50])
    (found,) = sender.client.get("/api/files/uploads").get_json()["uploads"]
    assert found["url"] == url
    assert (found["path"], found["size"], found["offset"]) == (
        "/data/outputs/b.png",
        len(CONTENT),
        50,
    )
    assert (found["state"], found["conflict"]) == ("open", "rename")
    assert sender.client.get(url).get_json() == found
    sender.patch(url, 50, CONTENT[50:])
    assert sender.client.get("/api/files/uploads").get_json() == {"uploads": []}
    assert sender.client.get(url).get_json()["state"] == "done"


def test_a_repeated_concatenation_is_its_owners_alone(guarded_house: Any) -> None:
    ann, bob = (
        TusSender(guarded_house, authorization=f"Basic {base64.b64encode(word).decode()}")
        for word in (b"ann:pw1", b"bob:pw2")
    )
    headers = {**TUS, "Upload-Length": "3", "Upload-Concat": "partial", "Content-Type": BYTES}
    part = ann.client.post("/api/files/uploads", headers=headers, data=b"one").headers["Location"]
    meta = encode_metadata(folder=FOLDER, filename="a.png")
    together = {**TUS, "Upload-Concat": f"final;{part}", "Upload-Metadata": meta}
    first, again = (ann.client.post("/api/files/uploads", headers=together) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Upload-Path"] == first.headers["Upload-Path"]
    assert bob.client.post("/api/files/uploads", headers=together).status_code == 404
