"""The attack checklist on uploads, 21 to 42, by tus and by WebDAV.

Connections that break, servers that are killed and full disks are in test_upload_crashes.py.
"""

import base64
import hashlib
import json
import os
import struct
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from filebrowser.uploads.space import UploadLimits
from filebrowser.uploads.upload_store import UploadStore
from tests.wait import assert_quick
from tests.webapp.attacks.attack_world import SECRET, AttackWorld, assert_refused, build_world
from tests.webapp.routes.files.tus_client import BYTES, TUS, encode_metadata
from tests.webapp.routes.files.tus_in_process import CONTENT, LENGTH, TusSender
from webapp.access.credentials import build_credentials
from webapp.files import upload_policy
from webapp.files.caller_rights import roots_of
from webapp.files.upload_policy import limits_of

UPLOADS = "/api/files/uploads"
ANN = "Basic " + base64.b64encode(b"ann:pw1").decode()
BOB = "Basic " + base64.b64encode(b"bob:pw2").decode()


@pytest.fixture
def sender(house: Any) -> TusSender:
    (house.data_dir / "outputs").mkdir()
    return TusSender(house)


def files_of(sender: TusSender) -> list[str]:
    return sorted(each.name for each in (sender.house.data_dir / "outputs").iterdir())


@pytest.mark.parametrize(
    "length",
    ["-1", "x", "1e9", str(2**63), str(2**64 + 1), "", "1.5", "0x10", "5, 5", "+5", "٣", None],
)
def test_21_lengths_that_are_none(sender: TusSender, length: str | None) -> None:
    headers = {**TUS, "Upload-Metadata": encode_metadata(folder="/data/outputs", filename="a.png")}
    if length is not None:
        headers["Upload-Length"] = length.encode().decode("latin-1")
    assert sender.client.post(UPLOADS, headers=headers).status_code in (400, 413)
    assert files_of(sender) == []
    assert sender.client.get(UPLOADS).get_json() == {"uploads": []}


def test_22_more_than_may_come(build: Any) -> None:
    small = TusSender(build(upload_largest=1000))
    assert small.create(1001).status_code == 413
    quota = TusSender(build(upload_quota=5_000))
    assert quota.create(50_000_000).status_code == 507
    disk = os.statvfs(quota.house.data_dir)
    full = TusSender(build())
    assert full.create(disk.f_bavail * disk.f_frsize + 1).status_code == 507
    assert full.client.get(UPLOADS).get_json() == {"uploads": []}


def test_23_a_body_longer_than_what_is_missing(sender: TusSender) -> None:
    url = sender.begin(length=100)
    assert sender.patch(url, 0, b"x" * 101).status_code == 413
    assert int(sender.head(url).headers["Upload-Offset"]) <= 100
    assert files_of(sender) == []


@pytest.mark.parametrize("offset", ["-1", "5", str(2**63), str(2**70), "x", ""])
def test_24_offsets_that_are_not_the_one(sender: TusSender, offset: str) -> None:
    url = sender.begin()
    assert sender.patch(url, 0, b"x" * 10).status_code == 204
    assert sender.patch(url, offset, b"y" * 10).status_code in (400, 409)
    assert sender.head(url).headers["Upload-Offset"] == "10"


def test_25_two_at_the_same_offset(sender: TusSender) -> None:
    url = sender.begin()
    letters = [bytes([letter]) * LENGTH for letter in b"abcd"]
    found: list[int] = []

    def send(body: bytes) -> None:
        found.append(TusSender(sender.house).patch(url, 0, body).status_code)

    threads = [threading.Thread(target=send, args=(body,)) for body in letters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(204) == 1
    assert set(found) - {204} <= {403, 409, 410, 423}
    assert sender.file().read_bytes() in letters


def test_26_uploads_of_others_are_unknown(build: Any) -> None:
    house = build(build_credentials("t", (("ann", "pw1"), ("bob", "pw2"))))
    (house.data_dir / "outputs").mkdir()
    ann, bob = TusSender(house, authorization=ANN), TusSender(house, authorization=BOB)
    url = ann.begin()
    unknown = url.rpartition("/")[0] + "/" + "0" * 32
    for ask in (
        lambda who, where: who.head(where),
        lambda who, where: who.patch(where, 0, CONTENT),
        lambda who, where: who.client.delete(where, headers=TUS),
        lambda who, where: who.client.get(where),
        lambda who, where: who.client.post(
            UPLOADS, headers={**TUS, "Upload-Concat": f"final;{where}"}
        ),
    ):
        foreign, absent = ask(bob, url), ask(bob, unknown)
        assert foreign.status_code == absent.status_code
        assert foreign.status_code in (400, 404)
    assert ann.head(url).headers["Upload-Offset"] == "0"


def test_27_ids_cannot_be_guessed(sender: TusSender) -> None:
    ids = [sender.begin(filename=f"{n}.png").rpartition("/")[2] for n in range(20)]
    assert len(set(ids)) == 20
    assert all(len(each) >= 22 for each in ids)
    known = ids[0]
    for bad in ("..", "../../.easel", "%2e%2e", f"{known}/data", known[:-1], "*", known.upper()):
        answer = sender.client.head(f"{UPLOADS}/{bad}", headers=TUS)
        assert answer.status_code in (400, 404), bad
        assert "Upload-Offset" not in answer.headers


@pytest.mark.parametrize(
    "name",
    [
        *("../x.png", "/etc/x.png", "a\0.png", "x" * 300 + ".png", "..", "a\\b.png", "C:x.png"),
        *("sub/../../x.png", "a\nb.png", ".easel/x.png/", "CON.png"),
    ],
)
def test_28_hostile_names(sender: TusSender, name: str) -> None:
    for meanings in (
        {"folder": "/data/outputs", "filename": name},
        {"folder": f"/data/outputs/{name}/..", "filename": "a.png"},
        {"folder": "/data/../outside", "filename": "a.png"},
    ):
        assert 400 <= sender.create(**meanings).status_code < 500
    assert files_of(sender) == []


@pytest.mark.parametrize(
    "header",
    [
        "filename !!!,folder L2RhdGE=",
        "filename YQ==,filename Yg==,folder L2RhdGE=",
        "filename \xff,folder L2RhdGE=",
        "filename " + "QUFB" * 350_000 + ",folder L2RhdGE=",
    ],
    ids=["no base64", "twice", "no ascii", "a megabyte"],
)
def test_28_malformed_metadata(sender: TusSender, header: str) -> None:
    headers = {**TUS, "Upload-Length": "5", "Upload-Metadata": header}
    assert 400 <= sender.client.post(UPLOADS, headers=headers).status_code < 500
    assert files_of(sender) == []


def test_29_nobody_begins_uploads_without_end(build: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(upload_policy, "limits_of", lambda _: UploadLimits(begun=20))
    sender = TusSender(build())
    statuses = [sender.create(length=10, filename=f"{n}.png").status_code for n in range(25)]
    assert statuses == [201] * 20 + [429] * 5


def test_32_quota_is_promised_once(build: Any) -> None:
    sender = TusSender(build(upload_quota=1_000_000))
    found: list[int] = []

    def begin(number: int) -> None:
        answer = TusSender(sender.house).create(length=200_000, filename=f"{number}.png")
        found.append(answer.status_code)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {201, 507}
    assert found.count(201) <= 5


def test_33_wrong_checksums(sender: TusSender) -> None:
    url = sender.begin()
    wrong = base64.b64encode(hashlib.sha1(b"other").digest()).decode()
    assert sender.patch(url, 0, CONTENT, Upload_Checksum=f"sha1 {wrong}").status_code == 460
    assert sender.head(url).headers["Upload-Offset"] == "0"
    assert sender.patch(url, 0, CONTENT, Upload_Checksum="crc9 AAAA").status_code == 400
    whole = sender.begin(filename="b.png", sha256=hashlib.sha256(b"other").hexdigest())
    assert sender.patch(whole, 0, CONTENT).status_code >= 400
    assert files_of(sender) == []


def test_34_the_last_piece_twice(sender: TusSender) -> None:
    url = sender.begin()
    assert sender.patch(url, 0, CONTENT).status_code == 204
    found: list[int] = []

    def again() -> None:
        found.append(TusSender(sender.house).patch(url, LENGTH, b"").status_code)

    threads = [threading.Thread(target=again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files_of(sender) == ["a.png"]
    assert sender.file().read_bytes() == CONTENT
    assert sender.patch(url, 0, b"other" * 10).status_code >= 400
    assert sender.file().read_bytes() == CONTENT


def test_35_who_came_first_is_not_overwritten(sender: TusSender) -> None:
    for conflict, meanings in (("", {}), ("rename", {"conflict": "rename"})):
        name = f"late{conflict}.png"
        url = sender.begin(filename=name, **meanings)
        (sender.house.data_dir / "outputs" / name).write_bytes(b"first")
        sender.patch(url, 0, CONTENT)
        assert (sender.house.data_dir / "outputs" / name).read_bytes() == b"first"


def test_36_who_reads_the_old_model_keeps_it(sender: TusSender) -> None:
    sender.file().write_bytes(b"old" * 1000)
    with sender.file().open("rb") as mapped:
        before = os.fstat(mapped.fileno()).st_ino
        url = sender.begin(conflict="overwrite")
        assert sender.patch(url, 0, CONTENT).status_code == 204
        assert mapped.read() == b"old" * 1000
        assert os.fstat(mapped.fileno()).st_ino == before
    assert sender.file().stat().st_ino != before
    assert sender.client.put("/dav/data/outputs/a.png", data=b"dav").status_code == 204
    assert sender.file().read_bytes() == b"dav"


def test_37_what_is_over_is_gone(sender: TusSender) -> None:
    """As the sweeper does it; the address itself is asked after the sweep of its own process."""
    url = sender.begin()
    sender.patch(url, 0, CONTENT[:100])
    config = sender.house.app.extensions["easel.services"].config
    for hours, left in ((47, 1), (49, 0)):
        later = time.time() + hours * 3600
        UploadStore(limits_of(config), clock=lambda later=later: later).sweep(roots_of(config))
        assert len(list((sender.house.data_dir / ".uploads").rglob("data"))) == left
    assert sender.head(url).status_code in (404, 410)


PROGRAMS = ["x.py", "x.pyc", "x.so", "x.html", "x.js", "x.bat", "x.sh", "x.exe", "x.safetensors.py"]
PICKLES = ["x.ckpt", "x.pt", "x.pth", "x.bin", "x.pkl"]
FOLDERS = ["models/Stable-diffusion", "models/Lora", "extensions/evil", "scripts", "outputs", ""]


@pytest.fixture
def world(house: Any, tmp_path: Path) -> AttackWorld:
    (house.data_dir / "outputs").mkdir()
    (house.data_dir / "scripts").mkdir()
    (house.data_dir / "extensions" / "evil").mkdir(parents=True)
    return build_world(house, tmp_path)


def test_39_programs_and_42_pickles_are_taken_nowhere(world: AttackWorld) -> None:
    sender = TusSender(world.house)
    for folder in FOLDERS:
        for name in (*PROGRAMS, *PICKLES):
            where = f"/data/{folder}".rstrip("/")
            answer = sender.create(length=5, folder=where, filename=name)
            assert 400 <= answer.status_code < 500, (folder, name)
            assert_refused(world.ask("PUT", f"/dav{where}/{name}", data=b"evil!"))
            for method in ("MOVE", "COPY"):
                to = {"Destination": f"http://localhost/dav{where}/{name}"}
                assert_refused(world.ask(method, "/dav/data/work/a.txt", headers=to))
            assert not (world.house.data_dir / folder / name).exists()


def test_39_code_folders_and_settings_are_never_written(world: AttackWorld) -> None:
    sender = TusSender(world.house)
    (world.house.data_dir / "config.json").write_text("{}")
    for folder, name in (
        ("extensions", "a.txt"),
        ("extensions/evil", "a.png"),
        ("", "config.json"),
    ):
        where = f"/data/{folder}".rstrip("/")
        for conflict in ({}, {"conflict": "overwrite"}):
            answer = sender.create(length=2, folder=where, filename=name, **conflict)
            assert 400 <= answer.status_code < 500, (folder, name)
        assert_refused(world.ask("PUT", f"/dav{where}/{name}", data=b"[]"))
        assert_refused(world.ask("MKCOL", "/dav/data/extensions/new"))
        body = {"paths": ["/data/work/a.txt"], "to": where, "conflict": "overwrite"}
        if folder:
            assert_refused(world.ask("POST", "/api/files/move", json=body))
            assert_refused(world.ask("POST", "/api/files/copy", json=body))
    assert (world.house.data_dir / "config.json").read_text() == "{}"
    assert list((world.house.data_dir / "extensions").rglob("*.*")) == []


def header(text: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + body


def tensor(start: int, end: int) -> dict[str, Any]:
    return {"dtype": "F16", "shape": [(end - start) // 2], "data_offsets": [start, end]}


def zip_files() -> bytes:
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", b"cos\nsystem\n")
    return buffer.getvalue()


DISGUISED = {
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00cos\nsystem\n.",
    "zip": zip_files(),
    "page": b"<!doctype html><script>1</script>",
    "nothing": b"",
    "header of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "overlap": header(json.dumps({"a": tensor(0, 4), "b": tensor(2, 6)}).encode(), bytes(6)),
    "gap": header(json.dumps({"a": tensor(0, 2), "b": tensor(4, 6)}).encode(), bytes(6)),
    "too short": header(json.dumps({"a": tensor(0, 4)}).encode(), bytes(2)),
    "deep": header(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "twice": header(b'{"a":' + json.dumps(tensor(0, 2)).encode() + b',"a":'
                    + json.dumps(tensor(0, 2)).encode() + b"}", bytes(2)),
    "not a number": header(b'{"a":{"dtype":"F16","shape":[NaN],"data_offsets":[0,2]}}', bytes(2)),
    "a list": header(b"[]"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DISGUISED)
def test_40_and_41_what_is_no_safetensors_file(world: AttackWorld, kind: str) -> None:
    sender, data = TusSender(world.house), DISGUISED[kind]
    where = "/data/models/Lora"
    answer = assert_quick(
        lambda: sender.create(len(data), body=data, folder=where, filename="evil.safetensors"), 3
    )
    if answer.status_code == 201 and data:
        url = answer.headers["Location"]
        assert sender.head(url).status_code >= 400
    answer = assert_quick(lambda: world.ask("PUT", f"/dav{where}/dav.safetensors", data=data), 3)
    if data:  # an empty PUT only keeps the name for the bytes to come
        assert_refused(answer)
    names = os.listdir(world.house.data_dir / "models" / "Lora")
    assert names == ["style.safetensors"]


def test_41_a_million_tensors_cost_little(world: AttackWorld) -> None:
    text = b"{" + b",".join(
        b'"t%d":{"dtype":"F16","shape":[0],"data_offsets":[0,0]}' % n for n in range(500_000)
    ) + b"}"  # fmt: skip
    data = header(text)
    where = "/dav/data/models/Lora/many.safetensors"
    assert_refused(assert_quick(lambda: world.ask("PUT", where, data=data), 10, 3))
    assert not (world.house.data_dir / "models/Lora/many.safetensors").exists()


def test_61_and_31_a_refused_dav_body_leaves_no_staged_bytes(world: AttackWorld) -> None:
    assert_refused(world.ask("PUT", "/dav/data/models/Lora/x.safetensors", data=SECRET))
    left = list((world.house.data_dir / ".uploads").rglob("data"))
    assert left == []
    assert world.ask("GET", UPLOADS).get_json() == {"uploads": []}


def test_bytes_is_the_type_of_pieces(sender: TusSender) -> None:
    headers = {**TUS, "Upload-Offset": "0", "Content-Type": "application/json"}
    url = sender.begin()
    assert sender.client.patch(url, headers=headers, data=b"x").status_code == 415
    assert BYTES == "application/offset+octet-stream"
