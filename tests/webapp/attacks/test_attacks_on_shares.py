"""The attack checklist on links and names, 47, 55, 60 and 62: nobody gets in by another's door."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from filebrowser.access.file_access import ALL_RIGHTS, Right
from tests.webapp.attacks.attack_world import SECRET, AttackWorld, assert_refused, build_world
from tests.webapp.routes.files.tus_in_process import CONTENT, TusSender
from webapp.access.credentials import build_credentials
from webapp.access.scopes import AccessScope
from webapp.files import caller_rights
from webapp.settings.config import UnknownFlag, parse

ANN = "Basic " + base64.b64encode(b"ann:pw1").decode()
BOB = "Basic " + base64.b64encode(b"bob:pw2").decode()


@pytest.fixture
def world(house: Any, tmp_path: Path) -> AttackWorld:
    return build_world(house, tmp_path)


def link(world: AttackWorld, path: str = "/data/work/sub", **more: Any) -> str:
    answer = world.ask("POST", "/api/files/shares", json={"path": path, **more})
    assert answer.status_code == 200, answer.data
    return str(answer.get_json()["url"])


def every_door(world: AttackWorld, url: str, path: str = "") -> list[Any]:
    """The answers of all that a link offers to a stranger."""
    stranger = world.house.app.test_client()
    query = {"path": path} if path else {}
    found = [
        stranger.get(f"{url}{door}", query_string=query) for door in ("", "/content", "/archive")
    ]
    for answer in found:
        answer.close()
    return found


def test_60_paths_out_of_a_share(world: AttackWorld) -> None:
    url = link(world)
    (world.inside / "sub" / "way").symlink_to(world.outside)
    (world.inside / "sub" / "file").symlink_to(world.outside / "secret.txt")
    for path in (
        *("..", "../a.txt", "x/../../a.txt", "/data/work/a.txt", "%2e%2e/a.txt", "..\\a.txt"),
        *("way", "way/secret.txt", "file", "\0", "a" * 5000, "../../.easel/hidden.txt"),
    ):
        for answer in every_door(world, url, path):
            assert answer.status_code == 404, (path, answer.request.url)
            assert SECRET not in answer.data
            assert b"letters" not in answer.data


def test_60_siblings_of_a_single_file(world: AttackWorld) -> None:
    url = link(world, "/data/work/a.txt")
    for path in ("p.png", "../p.png", "a.txt", "sub", "."):
        for answer in every_door(world, url, path):
            assert answer.status_code == 404
    assert every_door(world, url)[1].data == b"letters"


def test_60_a_share_loses_what_its_owner_loses(
    world: AttackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = link(world)
    assert every_door(world, url)[0].status_code == 200
    for right in (Right.VIEW, Right.DOWNLOAD, Right.SHARE):
        monkeypatch.setattr(caller_rights, "RIGHTS", {AccessScope.OWNER: ALL_RIGHTS - {right}})
        assert {answer.status_code for answer in every_door(world, url)} == {404}
    monkeypatch.undo()
    assert every_door(world, url)[0].status_code == 200


def test_60_a_folder_that_took_the_place_of_another(world: AttackWorld) -> None:
    url = link(world)
    os.rename(world.inside / "sub", world.inside / "elsewhere")
    assert {answer.status_code for answer in every_door(world, url)} == {404}
    (world.inside / "sub").mkdir()
    (world.inside / "sub" / "secret.txt").write_bytes(SECRET)
    assert {answer.status_code for answer in every_door(world, url)} == {404}
    (world.inside / "sub" / "secret.txt").unlink()
    os.rename(world.inside / "elsewhere", world.inside / "sub")  # over the empty one
    assert every_door(world, url)[0].status_code == 200


@pytest.mark.parametrize("name", ["", "x", "..", "%2e%2e", "0" * 22, "_", "%", "*", "' OR 1=1 --"])
def test_60_ids_that_nobody_was_given(world: AttackWorld, name: str) -> None:
    link(world)
    for answer in every_door(world, f"/s/{name}"):
        assert answer.status_code in (404, 405)


def test_60_others_shares_are_neither_listed_nor_revoked(build: Any, tmp_path: Path) -> None:
    house = build(build_credentials("t-o-k-e-n", (("ann", "pw1"), ("bob", "pw2"))))
    (house.data_dir / "a.txt").write_text("x")
    ann, bob = house.client(authorization=ANN), house.client(authorization=BOB)
    made = ann.post("/api/files/shares", json={"path": "/data/a.txt"}).get_json()
    assert bob.get("/api/files/shares").get_json() == {"shares": []}
    for name in (made["id"], made["id"][:10], made["id"] + "x", made["id"].swapcase(), "%", "*"):
        assert bob.delete(f"/api/files/shares/{name}").status_code == 404
    assert house.client().get(made["url"]).status_code == 200


def test_60_a_password_tells_nothing_before_it_is_given(world: AttackWorld) -> None:
    url = link(world, password="open sesame")
    for answer in every_door(world, url):
        assert b"sub" not in answer.data.replace(b"submit", b"")
        assert answer.status_code in (200, 404)
    for cookie in ("x", "x.y.z", url.rpartition("/")[2]):
        stranger = world.house.app.test_client()
        stranger.set_cookie(f"share_{url.rpartition('/')[2]}", cookie)
        assert stranger.get(f"{url}/archive").status_code == 404


def test_60_wrong_passwords_take_as_long_as_each_other(
    world: AttackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is hashed whole, with the same cost: nothing is compared before."""
    hashed: list[int] = []
    verify = PasswordHasher.verify

    def count_and_verify(self: PasswordHasher, encoded: str, password: str) -> bool:
        hashed.append(len(password))
        return bool(verify(self, encoded, password))

    monkeypatch.setattr(PasswordHasher, "verify", count_and_verify)
    url = link(world, password="open sesame")
    for password in ("x", "open sesamf", "y" * 900):
        assert world.client.post(url, data={"password": password}).status_code == 401
    assert hashed == [1, 11, 900]


def test_47_no_share_is_kept_or_framed_or_told_to_others(world: AttackWorld) -> None:
    url = link(world)
    for answer in every_door(world, url):
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    page = every_door(world, url)[0]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_55_rights_that_are_gone_stop_a_running_upload(
    world: AttackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = TusSender(world.house)
    (world.house.data_dir / "outputs").mkdir()
    url = sender.begin()
    assert sender.patch(url, 0, CONTENT[:10]).status_code == 204
    monkeypatch.setattr(caller_rights, "RIGHTS", {AccessScope.OWNER: ALL_RIGHTS - {Right.CREATE}})
    assert sender.patch(url, 10, CONTENT[10:]).status_code == 403
    assert not sender.file().exists()
    assert_refused(world.ask("GET", "/api/files/uploads"))


def test_62_names_of_users_are_one_to_one(build: Any) -> None:
    names = ("a", "A", "a.", "\u00e9", "e\u0301", "../x", "%2e%2e")
    house = build(build_credentials(None, tuple((name, f"pw{i}") for i, name in enumerate(names))))
    (house.data_dir / "a.txt").write_text("x")
    for number, name in enumerate(names):
        known = base64.b64encode(f"{name}:pw{number}".encode()).decode()
        client = house.client(authorization=f"Basic {known}")
        assert client.get("/api/files/shares").get_json() == {"shares": []}, name
        answer = client.post("/api/files/shares", json={"path": "/data/a.txt"})
        assert answer.status_code == 200
        mine = client.get("/api/files/shares").get_json()["shares"]
        assert [share["id"] for share in mine] == [answer.get_json()["id"]]


@pytest.mark.parametrize("flag", ["--api-auth", "--gradio-auth"])
def test_62_nobody_is_called_as_the_owner_is(flag: str) -> None:
    """Uploads, shares, jobs and the trash know people by their names."""
    with pytest.raises(UnknownFlag, match="owner"):
        parse([flag, "owner:password"], {})
    assert parse([flag, "owners:password"], {})
