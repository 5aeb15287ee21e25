"""The attack checklist on archives, 49, 50 and 52, and 39 once more: what verbs may make."""

import io
import os
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.wait import assert_quick, wait_until
from tests.webapp.attacks.attack_world import SECRET, AttackWorld, assert_refused, build_world

ARCHIVE, EXTRACT = "/api/files/archive", "/api/files/extract"


@pytest.fixture
def world(house: Any, tmp_path: Path) -> AttackWorld:
    return build_world(house, tmp_path)


def names_in(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.data
    with zipfile.ZipFile(io.BytesIO(answer.data)) as file:
        assert file.testzip() is None
        found = file.namelist()
    answer.close()
    return found


def test_49_names_in_a_zip_are_safe_for_who_unpacks_it(world: AttackWorld) -> None:
    folder = world.inside / "sub"
    for name in ("a\\..\\..\\b.txt", "c\nd.txt", "C:e.txt", "..f", "A.txt", "a.txt", "g. "):
        (folder / name).write_text("x")
    (folder / "link").symlink_to(world.outside / "secret.txt")
    (folder / "way").symlink_to(world.outside)
    os.mkfifo(folder / "pipe")
    found = names_in(world.ask("GET", ARCHIVE, query_string={"path": "/data/work/sub"}))
    for name in found:
        assert name.startswith("sub/")
        assert not {"..", ""} & set(name.rstrip("/").split("/"))
        assert not set(name) & set('\\:\n*?"<>|')
        assert not {"link", "pipe", "way"} & set(name.split("/"))
    assert len({name.casefold() for name in found}) == len(found)


def test_49_each_path_of_a_selection_is_judged(world: AttackWorld) -> None:
    (world.inside / "link").symlink_to(world.outside)
    for bad in ("/data/../outside", "/data/.easel", "/data/work/link", "/etc/passwd", "/none/x"):
        answer = world.ask("GET", ARCHIVE, query_string={"path": ["/data/work/a.txt", bad]})
        assert_refused(answer)
        answer.close()
    for url in (
        "/api/raw/data/work?files=../../outside/secret.txt",
        "/api/raw/data/work?files=link",
    ):
        answer = world.ask("GET", url)
        assert_refused(answer)
        answer.close()


def test_49_a_file_that_goes_while_it_is_packed_ends_the_zip(world: AttackWorld) -> None:
    for number in range(3):
        (world.inside / "sub" / f"{number}.zip").write_bytes(b"x" * 3_000_000)
    asked = {"path": "/data/work/sub"}
    answer = world.client.get(ARCHIVE, query_string=asked, buffered=False)
    pieces = answer.iter_encoded()
    next(pieces)
    (world.inside / "sub" / "2.zip").unlink()
    with pytest.raises(OSError, match="vanished"):
        list(pieces)
    answer.close()


def test_50_two_zips_at_once_for_each_caller_and_share(world: AttackWorld) -> None:
    url = world.ask("POST", "/api/files/shares", json={"path": "/data/work"}).get_json()["url"]
    for ask in (
        lambda: world.client.get(ARCHIVE, query_string={"path": "/data/work"}, buffered=False),
        lambda: world.client.get(f"{url}/archive", buffered=False),
    ):
        answers = [ask() for _ in range(6)]
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429, 429]
        for answer in answers:
            answer.close()
        again = ask()
        assert again.status_code == 200
        again.close()


def test_50_a_tree_of_too_many_files_is_refused_before_it_is_sent(
    world: AttackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filebrowser.archive.MAX_ENTRIES", 20)
    for number in range(30):
        (world.inside / "sub" / f"{number}.txt").touch()
    answer = world.ask("GET", ARCHIVE, query_string={"path": "/data/work/sub"})
    assert_refused(answer)


def pack_archive(world: AttackWorld, members: dict[str, bytes], **facts: int) -> None:
    """A zip at /data/work/evil.zip of these names, as they are."""
    with zipfile.ZipFile(world.inside / "evil.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = name
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = facts.get("mode", 0o100644) << 16
            entry.create_system = 3
            file.writestr(entry, data)


def extract(world: AttackWorld) -> Any:
    """Take it apart, and wait for the end of it."""
    answer = world.ask("POST", EXTRACT, json={"path": "/data/work/evil.zip"})
    if answer.status_code != 202:
        return answer
    url = f"/api/files/jobs/{answer.get_json()['job']}"

    def over() -> Any:
        told = world.ask("GET", url)
        return told.get_json()["state"] not in ("waiting", "running") and told

    return wait_until(over)


def nothing_came(world: AttackWorld) -> None:
    """Neither beside the archive's folder nor, but for tame files, in it."""
    world.assert_unharmed()
    assert sorted(os.listdir(world.inside)) in (
        ["a.txt", "evil.zip", "p.png", "sub"],
        ["a.txt", "evil", "evil.zip", "p.png", "sub"],
    )
    here = world.inside / "evil"
    for each in here.rglob("*") if here.exists() else ():
        mode = each.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode)
        assert SECRET not in (each.read_bytes() if each.is_file() else b"")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../out.txt",
            "/etc/out.txt",
            "a/../../out.txt",
            "..\\out.txt",
            "C:\\out.txt",
            "a\0b.txt",
        ),
        *("a/" * 70 + "out.txt", "x" * 300 + ".txt", "CON.txt", "a\nb.txt", "..", "./../x.txt"),
    ],
)
def test_52_names_that_lead_out_of_the_archive(world: AttackWorld, name: str) -> None:
    pack_archive(world, {"good.txt": b"x", name: b"evil"})
    extract(world)
    nothing_came(world)


@pytest.mark.parametrize(
    "mode", [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666, stat.S_IFIFO | 0o666, stat.S_IFSOCK]
)
def test_52_links_and_devices_in_an_archive(world: AttackWorld, mode: int) -> None:
    pack_archive(world, {"link": b"../../../outside", "link/deep.txt": b"evil"}, mode=mode)
    extract(world)
    nothing_came(world)


def test_52_a_bomb_is_stopped_and_leaves_nothing(world: AttackWorld) -> None:
    pack_archive(world, {f"{n}.txt": bytes(60_000_000) for n in range(6)})
    assert_quick(lambda: extract(world), 15)
    assert sum(each.stat().st_size for each in (world.inside / "evil").rglob("*")) == 0
    assert not any(
        each.is_file() and each.stat().st_size > 1_000_000
        for each in (world.house.data_dir / ".trash").rglob("*")
    )


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_52_what_cannot_be_unpacked_by_pieces_stays_packed(world: AttackWorld, way: int) -> None:
    with zipfile.ZipFile(world.inside / "evil.zip", "w", way) as file:
        file.writestr("a.txt", bytes(1 << 20))
    assert "deflate" in extract(world).get_data(as_text=True)
    nothing_came(world)
    assert not [each for each in (world.inside / "evil").rglob("*") if each.is_file()]


def test_52_a_small_file_that_claims_to_be_vast(world: AttackWorld) -> None:
    pack_archive(world, {"a.txt": b"x" * 100})
    data = bytearray((world.inside / "evil.zip").read_bytes())
    start = data.index(b"PK\x01\x02")
    data[start + 24 : start + 28] = struct.pack("<I", 0xFFFFFFF0)
    (world.inside / "evil.zip").write_bytes(data)
    extract(world)
    nothing_came(world)


def test_52_a_million_entries_are_refused_at_once(world: AttackWorld) -> None:
    with zipfile.ZipFile(world.inside / "evil.zip", "w") as file:
        for number in range(100_001):
            file.writestr(f"{number}.txt", b"")
    assert_quick(lambda: extract(world), 10)
    assert not (world.inside / "evil").exists() or os.listdir(world.inside / "evil") == []


def test_52_programs_and_false_models_stay_out(world: AttackWorld) -> None:
    pack_archive(world, {"a.txt": b"x", "run.py": b"1", "b.ckpt": b"1", "c.safetensors": b"no"})
    extract(world)
    left = {each.name for each in (world.inside / "evil").rglob("*")}
    assert not left & {"run.py", "b.ckpt", "c.safetensors"}


def test_52_an_inner_archive_stays_one(world: AttackWorld) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("../../x.txt", b"evil")
    pack_archive(world, {"inner.zip": inner.getvalue()})
    extract(world)
    assert [each.name for each in (world.inside / "evil").rglob("*")] == ["inner.zip"]


def test_52_what_is_there_is_not_overwritten(world: AttackWorld) -> None:
    (world.inside / "evil").mkdir()
    (world.inside / "evil" / "a.txt").write_text("first")
    pack_archive(world, {"a.txt": b"second"})
    assert_refused(world.ask("POST", EXTRACT, json={"path": "/data/work/evil.zip"}))
    assert (world.inside / "evil" / "a.txt").read_text() == "first"


def test_73_modes_of_what_comes_out(world: AttackWorld) -> None:
    pack_archive(world, {"a.txt": b"x", "d/b.txt": b"x"}, mode=0o106777)
    assert extract(world).status_code == 200
    for each in (world.inside / "evil").rglob("*"):
        mode = stat.S_IMODE(each.stat().st_mode)
        assert mode & 0o7007 == 0, each
        assert each.is_dir() or mode & 0o111 == 0


def test_39_no_verb_makes_a_program(world: AttackWorld) -> None:
    for name in ("x.py", "x.sh", "x.html", "x.ckpt", "evil.safetensors", "x.txt.exe"):
        for verb, body in (
            ("rename", {"path": "/data/work/a.txt", "name": name}),
            ("move", {"paths": ["/data/work/a.txt"], "to": f"/data/work/{name}"}),
            ("copy", {"paths": ["/data/work/a.txt"], "to": f"/data/work/{name}"}),
        ):
            world.ask("POST", f"/api/files/{verb}", json=body)
            assert not (world.inside / name).exists(), (verb, name)
        saved = world.ask(
            "PUT",
            f"/api/files/text?path=/data/work/{name}",
            json={"text": "evil"},
            headers={"If-None-Match": "*"},
        )
        assert_refused(saved)
    assert (world.inside / "a.txt").read_bytes() == b"letters"
    body = {"path": "/data/work/sub", "name": "version 1.5"}  # a folder's point ends no name
    assert world.ask("POST", "/api/files/rename", json=body).status_code == 200
