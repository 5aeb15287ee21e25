"""What may be uploaded where, by whom, how much; and what becomes of names that are taken."""

import base64
import hashlib
import json
import struct
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.wait import assert_quick
from tests.webapp.conftest import write_model
from tests.webapp.routes.files.tus_client import TUS, encode_metadata
from tests.webapp.routes.files.tus_in_process import CONTENT, FOLDER, LENGTH, TusSender
from webapp.access.credentials import build_credentials
from webapp.access.scopes import AccessScope
from webapp.access.tokens import narrow_tokens


@pytest.fixture
def sender(build: Any) -> TusSender:
    return TusSender(build(filebrowser=True))


def model(tmp_path: Path, name: str = "w", shape: tuple[int, ...] = (1,), **facts: str) -> bytes:
    return write_model(tmp_path / "model.safetensors", facts, name, shape).read_bytes()


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(start: int = 0, end: int = 2, **changes: Any) -> dict[str, Any]:
    return {"dtype": "F16", "shape": [1], "data_offsets": [start, end], **changes}


def test_a_model_is_in_the_list_when_its_last_byte_was_answered(
    sender: TusSender, tmp_path: Path
) -> None:
    client = sender.client
    assert [lora["name"] for lora in client.get("/sdapi/v1/loras").get_json()] == ["style"]
    whole = model(tmp_path)
    answer = sender.create(
        len(whole), whole, folder="/data/models/Lora", filename="mine.safetensors"
    )
    assert answer.status_code == 201
    assert [lora["name"] for lora in client.get("/sdapi/v1/loras").get_json()] == ["mine", "style"]


def test_a_name_that_is_taken_is_asked_about_at_once(sender: TusSender) -> None:
    sender.create(body=CONTENT)
    answer = sender.create()
    assert answer.status_code == 409
    assert "skip, overwrite or rename" in answer.get_json()["detail"]
    assert sender.client.get("/api/files/uploads").get_json() == {"uploads": []}


@pytest.mark.parametrize(
    ("conflict", "path", "bytes_there"),
    [
        ("overwrite", "/data/outputs/a.png", CONTENT),
        ("rename", "/data/outputs/a%20%281%29.png", b"old"),
        ("skip", "/data/outputs/a.png", b"old"),
    ],
)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_names_that_are_taken(
    sender: TusSender, conflict: str, path: str, bytes_there: bytes, when: str
) -> None:
    sender.file().parent.mkdir()
    if when == "before":
        sender.file().write_bytes(b"old")
    answer = sender.create(conflict=conflict)
    url = answer.headers["Location"]
    if when == "meanwhile":
        sender.file().write_bytes(b"old")
    if "Upload-Offset" not in answer.headers:
        answer = sender.patch(url, 0, CONTENT)
        assert answer.status_code == 204
    assert answer.headers["Upload-Path"] == path
    assert sender.file().read_bytes() == bytes_there
    if conflict == "rename":
        assert sender.file("outputs/a (1).png").read_bytes() == CONTENT
    assert sender.head(url).headers["Upload-Offset"] == str(LENGTH)
    assert not list(Path(sender.house.data_dir / ".uploads").glob("*/data"))


def test_one_that_came_meanwhile_is_kept_beside_where_nobody_said_a_word(sender: TusSender) -> None:
    url = sender.begin()
    sender.file().parent.mkdir()
    sender.file().write_bytes(b"theirs")
    answer = sender.patch(url, 0, CONTENT)
    assert answer.headers["Upload-Path"] == "/data/outputs/a%20%281%29.png"
    assert sender.file().read_bytes() == b"theirs"


def test_a_file_that_is_overwritten_stays_whole_for_who_has_it_open(sender: TusSender) -> None:
    sender.create(body=CONTENT)
    with sender.file().open("rb") as in_use:
        sender.create(3, b"new", conflict="overwrite")
        assert sender.file().read_bytes() == b"new"
        assert in_use.read() == CONTENT


def test_neither_a_folder_nor_a_link_gives_way(sender: TusSender) -> None:
    outside = sender.house.data_dir.parent / "outside.png"
    sender.file().mkdir(parents=True)
    assert sender.create(body=CONTENT, conflict="overwrite").status_code == 409
    sender.file("outputs/link.png").symlink_to(outside)
    answer = sender.create(body=CONTENT, filename="link.png")
    assert answer.status_code == 409
    sender.create(body=CONTENT, filename="link.png", conflict="overwrite")
    assert not outside.exists()
    sender.file("way").symlink_to(outside.parent)
    answer = sender.create(body=CONTENT, folder="/data/way", filename="through.png")
    assert answer.status_code in (403, 404)
    assert not (outside.parent / "through.png").exists()


def test_dropped_folders_keep_their_shape(sender: TusSender) -> None:
    answer = sender.create(body=CONTENT, relativePath="trip/day 1/a.png")
    assert answer.status_code == 201
    assert sender.file("outputs/trip/day 1/a.png").read_bytes() == CONTENT


HOSTILE = [
    {"filename": "../a.png"},
    {"filename": "/etc/a.png"},
    {"filename": ".."},
    {"filename": "a/b.png"},
    {"filename": "a\\b.png"},
    {"filename": "a\0.png"},
    {"filename": "a\n.png"},
    {"filename": "CON"},
    {"filename": "n" * 300 + ".png"},
    {"folder": "/data/../../etc"},
    {"folder": "/data/outputs/.."},
    {"relativePath": "a/../../b.png"},
    {"relativePath": "/etc/passwd.png"},
    {"relativePath": "a//b.png"},
    {"folder": ""},
    {"filename": ""},
    {"conflict": "merge"},
    {"sha256": "abc"},
]


def test_hostile_metadata(sender: TusSender) -> None:
    for meanings in HOSTILE:
        assert sender.create(body=CONTENT, **meanings).status_code == 400
        assert not sender.file().parent.exists()


MALFORMED = [
    "filename",
    "filename ***",
    "filename YQ==,filename Yg==",
    "filename /w==",
    ",",
    "file name YQ==",
    "filename " + "YWFh" * 10_000,
]


def test_malformed_metadata(sender: TusSender) -> None:
    for header in MALFORMED:
        headers = {**TUS, "Upload-Length": "1", "Upload-Metadata": header}
        assert sender.client.post("/api/files/uploads", headers=headers).status_code == 400


NOWHERE = [
    ("/nowhere", 404),
    ("/data/.easel", 404),
    ("/data/.uploads", 404),
    ("/data/.trash/x", 404),
    ("/data/extensions/mine", 403),
]


def test_folders_that_are_not_there_for_anybody(sender: TusSender) -> None:
    for folder, status in NOWHERE:
        assert sender.create(body=CONTENT, folder=folder).status_code == status


UNWANTED = [
    ("models/Lora", "a.py"),
    ("models/Lora", "a.safetensors.py"),
    ("models/Stable-diffusion", "a.ckpt"),
    ("models/hypernetworks", "a.pt"),
    ("embeddings", "a.pt"),
    ("embeddings", "a.bin"),
    ("models/ESRGAN", "a.pth"),
    ("outputs", "a.html"),
    ("outputs", "a.js"),
    ("outputs", "a.so"),
    ("outputs", "a.pyc"),
    ("outputs", "a.pkl"),
    ("models", "a.heic"),
    ("models/Lora", "LICENSE"),
    ("", "webui-user.sh"),
    ("", "start.bat"),
    ("scripts", "a.py"),
    ("MODELS/Lora", "a.ckpt"),
]


def test_kinds_of_file_that_may_lie_nowhere(sender: TusSender) -> None:
    for folder, name in UNWANTED:
        answer = sender.create(folder=f"/data/{folder}", filename=name)
        assert answer.status_code == 422
        assert repr(name) in answer.get_json()["detail"]


def test_unknown_kinds_are_taken_where_nothing_is_loaded(sender: TusSender) -> None:
    for folder, name in (
        ("outputs", "LICENSE"),
        ("", "a.jxl"),
        ("mine", "Makefile"),
        ("mine", "a"),
    ):
        answer = sender.create(body=CONTENT, folder=f"/data/{folder}".rstrip("/"), filename=name)
        assert answer.status_code == 201, answer.text
        assert (sender.house.data_dir / folder / name).read_bytes() == CONTENT


def test_pickles_where_the_owner_wants_them(build: Any) -> None:
    sender = TusSender(build(filebrowser=True, allow_pickle_upload=True))
    answer = sender.create(body=CONTENT, folder="/data/models/ESRGAN", filename="a.pth")
    assert answer.status_code == 201
    assert sender.create(folder="/data/models/ESRGAN", filename="a.py").status_code == 422


DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
MANY = b"{" + b",".join(b'"%d":{"data_offsets"' % i for i in range(120_000)) + b"}"


EVIL = [
    b"PK\x03\x04 a zip, or a pickle",
    b"\x80\x02}q\x00." * 10,
    b"<html><script>alert(1)</script></html>",
    b"",
    b"\xff" * 8 + b"{}",
    struct.pack("<Q", 1 << 63) + b"{}",
    struct.pack("<Q", 90_000_000) + b"{}",
    safetensors({"a": tensor()}),
    safetensors({"a": tensor()}, bytes(3)),
    safetensors({"a": tensor(), "b": tensor(1, 3)}, bytes(3)),
    safetensors({"a": tensor(), "b": tensor(4, 6)}, bytes(6)),
    safetensors({"a": tensor(shape=[7])}, bytes(2)),
    safetensors({"a": tensor(shape=[-1])}, bytes(2)),
    safetensors({"a": tensor(dtype="X")}, bytes(2)),
    safetensors({"a": tensor(), "__metadata__": {"n": 1}}, bytes(2)),
    safetensors(b'{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,NaN]}}', bytes(2)),
    safetensors(b'{"a":1,"a":1}'),
    safetensors(b"[1]"),
    safetensors(DEEP),
    safetensors(MANY),
]


def test_what_is_no_safetensors_file(sender: TusSender) -> None:
    for content in EVIL:
        where = {"folder": "/data/models/Lora", "filename": "evil.safetensors"}
        answer = assert_quick(partial(sender.create, len(content), content, **where), 5)
        assert answer.status_code == 422
        assert not sender.file("models/Lora/evil.safetensors").exists()
        assert not list(Path(sender.house.data_dir / ".uploads").glob("*/data"))


def test_refused_content_is_told_to_who_asks_again(sender: TusSender) -> None:
    url = sender.begin(length=5, folder="/data/models/Lora", filename="evil.safetensors")
    assert sender.patch(url, 0, b"evil!").status_code == 422
    assert sender.head(url).status_code == 410
    assert "Upload-Offset" not in sender.head(url).headers
    assert sender.patch(url, 5, b"").status_code == 410
    found = sender.client.get(url).get_json()
    assert (found["state"], "too few" in found["error"]) == ("refused", True)


def test_the_whole_file_is_compared_with_its_sum(sender: TusSender) -> None:
    right = hashlib.sha256(CONTENT).hexdigest()
    url = sender.begin(sha256=right)
    sender.patch(url, 0, CONTENT[:500])
    assert sender.patch(url, 500, bytes(LENGTH - 500)).status_code == 460
    assert not sender.file().exists()
    assert sender.head(url).headers["Upload-Offset"] == "0"  # and once more from the start
    assert sender.patch(url, 0, CONTENT).status_code == 204
    assert sender.file().read_bytes() == CONTENT


LENGTHS = [
    ("-1", 400),
    ("x", 400),
    ("1e9", 400),
    ("5, 5", 400),
    ("", 400),
    (str((1 << 64) + 1), 400),
    (str(1 << 63), 413),
    (str((1 << 40) + 1), 413),
    (str(1 << 40), 507),
]


def test_lengths(sender: TusSender) -> None:
    for length, status in LENGTHS:
        meanings = {**TUS, "Upload-Metadata": encode_metadata(folder=FOLDER, filename="a.png")}
        headers = {**meanings, "Upload-Length": length}
        answer = sender.client.post("/api/files/uploads", headers=headers)
        assert answer.status_code == status
        assert not list(Path(sender.house.data_dir).glob(".uploads/*"))


def test_quota_counts_what_was_promised(build: Any) -> None:
    house = build(filebrowser=True, upload_quota=400_000, upload_spare=0)
    sender = TusSender(house)
    first = sender.begin(length=200_000)
    assert sender.create(length=250_000, filename="b.png").status_code == 507
    second = sender.begin(length=150_000, filename="b.png")
    assert sender.create(length=100_000, filename="c.png").status_code == 507
    sender.client.delete(second, headers=TUS)
    assert sender.create(length=100_000, filename="c.png").status_code == 201
    sender.patch(first, 0, bytes(200_000))
    assert sender.create(length=150_000, filename="d.png").status_code == 507


def test_uploads_of_others_are_not_there(build: Any) -> None:
    house = build(
        build_credentials("owner-token", (("ann", "pw1"),), (("bob", "pw2"),)), filebrowser=True
    )

    def who(name: str, password: str) -> TusSender:
        words = base64.b64encode(f"{name}:{password}".encode()).decode()
        return TusSender(house, authorization=f"Basic {words}")

    ann, bob = who("ann", "pw1"), who("bob", "pw2")
    url = ann.begin()
    for answer in (
        bob.head(url),
        bob.patch(url, 0, CONTENT),
        bob.client.get(url),
        bob.client.delete(url, headers=TUS),
    ):
        assert answer.status_code == 404
    assert bob.client.get("/api/files/uploads").get_json() == {"uploads": []}
    part = ann.client.post(
        "/api/files/uploads", headers={**TUS, "Upload-Length": "0", "Upload-Concat": "partial"}
    )
    final = {"Upload-Concat": f"final;{part.headers['Location']}"}
    meanings = {"Upload-Metadata": encode_metadata(folder=FOLDER, filename="a.png")}
    answer = bob.client.post("/api/files/uploads", headers={**TUS, **final, **meanings})
    assert answer.status_code == 404
    assert ann.patch(url, 0, CONTENT).status_code == 204


def test_ids_that_nobody_was_given(sender: TusSender) -> None:
    sender.begin()
    names = ["x", "../data", "0" * 32, "A" * 32, "%2e%2e"]
    for name, verb in product(names, ("head", "patch", "delete")):
        url = f"/api/files/uploads/{name}"
        headers = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        assert getattr(sender.client, verb)(url, headers=headers).status_code == 404


def test_a_reader_uploads_nothing(build: Any) -> None:
    reading = narrow_tokens(AccessScope.READ, ["reading-token"])
    house = build(build_credentials("owner-token", narrow=reading), filebrowser=True)
    reader = TusSender(house, authorization="reading-token")
    assert reader.create().status_code == 403
    assert reader.client.get("/api/files/uploads").status_code == 403
    url = TusSender(house, authorization="owner-token").begin()
    assert reader.patch(url, 0, CONTENT).status_code == 403
    assert reader.client.delete(url, headers=TUS).status_code == 403


def test_suggested_folders(sender: TusSender, tmp_path: Path) -> None:
    whole = model(tmp_path, "lora_unet_mid_block_attn.lora_down.weight", (4, 4))

    def suggest_folder(body: bytes) -> Any:
        answer = sender.client.post("/api/files/uploads/suggest", data=body)
        return answer.status_code, answer.get_json()

    status, found = suggest_folder(whole)
    assert (status, found["folder"], found["kind"]) == (200, "/data/models/Lora", "lora")
    assert suggest_folder(whole[:20])[1]["needed"] == len(whole) - 32
    assert suggest_folder(whole[:3])[1]["needed"] == 8
    assert suggest_folder(model(tmp_path))[1]["folder"] is None
    assert suggest_folder(b"<html> and more")[0] == 422
