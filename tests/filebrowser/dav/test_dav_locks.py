"""Locks over WebDAV: whom they keep out, how long they last, and how many there are."""

import os
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsgidav.dav_error import DAVError
from wsgidav.lock_man import lock_storage

from filebrowser.access.file_access import Right
from filebrowser.dav import locks
from filebrowser.dav.locks import MAX_LOCK_SECONDS, BoundedLockStorage, clamp_timeout
from filebrowser.dav.provider import DavApplication
from tests.filebrowser.dav.conftest import LOCK_BODY, Drive
from tests.wait import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of locks, ours and wsgidav's."""
    made = Clock()
    fake = SimpleNamespace(time=made, time_ns=lambda: int(made.now * 10**9))
    monkeypatch.setattr(locks, "time", fake)
    monkeypatch.setattr(lock_storage, "time", fake)
    return made


@pytest.fixture
def locked(client: Drive) -> str:
    """The token of Ann's lock on ``a.txt``."""
    (client.folder / "a.txt").write_bytes(b"letters")
    (client.folder / "sub").mkdir()
    return client.token("a.txt")


CHANGES: dict[str, Any] = {
    "put": lambda drive, **more: drive.ask("PUT", "a.txt", b"new", more),
    "delete": lambda drive, **more: drive.ask("DELETE", "a.txt", b"", more),
    "move": lambda drive, **more: drive.move("a.txt", "b.txt", **more),
    "time": lambda drive, **more: drive.ask(
        "PROPPATCH",
        "a.txt",
        '<propertyupdate xmlns="DAV:"><set><prop><getlastmodified>5</getlastmodified></prop></set>'
        "</propertyupdate>",
        more,
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_lock_keeps_out_all_who_do_not_show_its_token(
    client: Drive, locked: str, change: Any
) -> None:
    for who in ("ann", "bob"):
        client.become(who)
        assert change(client).status_code == 423
    assert change(client, If=locked).status_code in (412, 423)  # Bob found Ann's token
    assert (client.folder / "a.txt").read_bytes() == b"letters"
    client.become("ann")
    assert change(client, If=locked).status_code in (201, 204, 207)


def test_a_locked_file_is_read_and_copied_by_everybody(client: Drive, locked: str) -> None:
    client.become("bob")
    assert client.ask("GET", "a.txt").data == b"letters"
    assert client.copy("a.txt", "b.txt").status_code == 201
    assert client.copy("b.txt", "a.txt").status_code == 423  # but not written over
    assert (client.folder / "a.txt").read_bytes() == b"letters"


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("exclusive", "exclusive", 423), ("exclusive", "shared", 423), ("shared", "exclusive", 423),
     ("shared", "shared", 200)],
)  # fmt: skip
def test_two_locks_of_one_file(client: Drive, first: str, second: str, status: int) -> None:
    (client.folder / "a.txt").write_bytes(b"letters")
    assert client.lock("a.txt", first).status_code == 200
    client.become("bob")
    assert client.lock("a.txt", second).status_code == status


def test_a_lock_of_a_folder_reaches_as_deep_as_it_says(client: Drive) -> None:
    (client.folder / "sub" / "deep").mkdir(parents=True)
    token = client.token("sub", Depth="0")
    client.become("bob")
    assert client.ask("PUT", "sub/new.txt", b"x").status_code == 423
    assert client.ask("MKCOL", "sub/new").status_code == 423
    assert client.lock("sub/new.txt").status_code == 423
    assert client.ask("PUT", "sub/deep/new.txt", b"x").status_code == 201
    client.become("ann")
    assert client.ask("UNLOCK", "sub", b"", {"Lock-Token": token.strip("()")}).status_code == 204
    client.token("sub", Depth="infinity")
    client.become("bob")
    assert client.ask("PUT", "sub/deep/other.txt", b"x").status_code == 423
    assert os.listdir(client.folder / "sub") == ["deep"]


def test_a_lock_inside_keeps_its_folder_where_it_is(client: Drive) -> None:
    (client.folder / "sub" / "deep").mkdir(parents=True)
    (client.folder / "sub" / "deep" / "a.txt").write_bytes(b"letters")
    client.token("sub/deep/a.txt")
    client.become("bob")
    assert client.ask("DELETE", "sub").status_code == 423
    assert client.move("sub", "moved").status_code == 423
    assert client.ask("DELETE", "sub/deep").status_code == 423
    assert (client.folder / "sub/deep/a.txt").exists()


def test_a_folder_goes_when_what_it_holds_is_unlocked(client: Drive, locked: str) -> None:
    tagged = {"If": f"<http://localhost/dav/data/work/a.txt> {locked}"}
    assert client.ask("DELETE", "/data/work", b"", tagged).status_code == 423  # token or not
    assert client.ask("UNLOCK", "a.txt", b"", {"Lock-Token": locked[1:-1]}).status_code == 204
    assert client.ask("DELETE", "/data/work", b"").status_code == 204
    assert not client.folder.exists()


def test_a_lock_ends_by_its_own_token_and_owner(client: Drive, locked: str) -> None:
    token = {"Lock-Token": locked.strip("()")}
    assert client.ask("UNLOCK", "a.txt", b"", {}).status_code == 400
    other = {"Lock-Token": "<opaquelocktoken:other>"}
    assert client.ask("UNLOCK", "a.txt", b"", other).status_code == 409
    assert client.ask("UNLOCK", "sub", b"", token).status_code == 409
    client.become("bob")
    assert client.ask("UNLOCK", "a.txt", b"", token).status_code == 403
    client.become("ann")
    assert client.ask("UNLOCK", "a.txt", b"", token).status_code == 204
    assert client.ask("PUT", "a.txt", b"new").status_code == 204


def test_a_moved_or_deleted_file_leaves_no_lock_behind(client: Drive, locked: str) -> None:
    assert client.move("a.txt", "b.txt", If=locked).status_code == 201
    client.become("bob")
    assert client.ask("PUT", "a.txt", b"new").status_code == 201
    assert client.ask("PUT", "b.txt", b"new").status_code == 204


def test_a_lock_lasts_an_hour_whatever_is_asked_for(client: Drive, clock: Clock) -> None:
    (client.folder / "a.txt").write_bytes(b"letters")
    client.token("a.txt", Timeout="Infinite")
    clock.skip(MAX_LOCK_SECONDS - 1)
    assert client.ask("PUT", "a.txt", b"new").status_code == 423
    clock.skip(2)
    assert client.ask("PUT", "a.txt", b"new").status_code == 204


def test_a_lock_is_refreshed_for_as_long_again(client: Drive, clock: Clock) -> None:
    (client.folder / "a.txt").write_bytes(b"letters")
    token = client.token("a.txt", Timeout="Second-60")
    clock.skip(50)
    headers = {"If": token, "Timeout": "Second-60"}
    assert client.ask("LOCK", "a.txt", b"", headers).status_code == 200
    clock.skip(50)
    assert client.ask("PUT", "a.txt", b"new").status_code == 423
    clock.skip(11)
    assert client.ask("PUT", "a.txt", b"new").status_code == 204
    assert client.ask("LOCK", "a.txt", b"", headers).status_code == 412  # it is over


def test_a_refreshed_lock_lasts_an_hour_too(client: Drive, locked: str, clock: Clock) -> None:
    for_ever = {"If": locked, "Timeout": "Infinite"}
    assert client.ask("LOCK", "a.txt", b"", for_ever).status_code == 200
    clock.skip(MAX_LOCK_SECONDS + 1)
    assert client.ask("PUT", "a.txt", b"new").status_code == 204


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("<lockinfo", {}, 400),
        ("<other/>", {}, 400),
        (LOCK_BODY.format("none"), {}, 400),
        (LOCK_BODY.format("exclusive").replace("write", "read"), {}, 400),
        (LOCK_BODY.format("exclusive"), {"Depth": "1"}, 400),
        ("", {}, 400),
        ("", {"If": "(<opaquelocktoken:none>)"}, 412),
    ],
)
def test_locks_that_cannot_be(
    client: Drive, locked: str, body: str, headers: dict[str, str], status: int
) -> None:
    assert client.ask("LOCK", "a.txt", body, headers).status_code == status


def test_who_may_change_nothing_locks_nothing(client: Drive) -> None:
    (client.folder / "a.txt").write_bytes(b"letters")
    client.without(Right.CREATE, Right.MODIFY, Right.DELETE)
    for name in ("a.txt", "/", "/data", "new.txt"):
        assert client.lock(name).status_code == 403
    assert os.listdir(client.folder) == ["a.txt"]


def test_a_locked_name_is_an_empty_file_that_its_owner_fills(client: Drive) -> None:
    token = client.token("new.txt")
    assert (client.folder / "new.txt").read_bytes() == b""
    assert client.lock("none/new.txt").status_code == 409
    assert client.lock("con.txt").status_code == 400
    assert client.ask("PUT", "new.txt", b"letters", {"If": token}).status_code == 204
    assert (client.folder / "new.txt").read_bytes() == b"letters"


def test_so_many_locks_of_one_user_and_in_all(
    client: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "MAX_LOCKS_PER_USER", 2)
    monkeypatch.setattr(locks, "MAX_LOCKS", 3)
    for name in "abcd":
        (client.folder / name).write_bytes(b"")
    assert [client.lock(name).status_code for name in "abc"] == [200, 200, 507]
    client.become("bob")
    assert [client.lock(name).status_code for name in "cd"] == [200, 507]


def test_a_lock_too_many_makes_no_file(client: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "MAX_LOCKS_PER_USER", 0)
    assert client.lock("new.txt").status_code == 507
    assert os.listdir(client.folder) == []


def lock_of(url: str, who: str = "ann", timeout: float = 60) -> dict[str, Any]:
    return {
        "root": url, "principal": who, "type": "write", "scope": "exclusive", "depth": "0",
        "owner": b"", "timeout": timeout,
    }  # fmt: skip


class Copies(dict[str, Any]):
    """A table that gives copies, as one that processes share."""

    def __getitem__(self, name: str) -> Any:
        return deepcopy(super().__getitem__(name))

    def get(self, name: str, default: Any = None) -> Any:
        return deepcopy(super().get(name, default))

    def values(self) -> Any:
        return deepcopy(dict(self)).values()


@pytest.fixture(params=["own", "shared"])
def storage(request: pytest.FixtureRequest) -> BoundedLockStorage:
    made = BoundedLockStorage(Copies() if request.param == "shared" else None)
    made.open()
    return made


def test_a_time_is_kept_under_the_lock_of_its_own_file(
    storage: BoundedLockStorage, clock: Clock
) -> None:
    storage.keep_time("/a", 7)  # nobody has locked it
    assert storage.time_of("/a") is None
    storage.create("/a", lock_of("/a"))
    storage.keep_time("/a", 7)
    storage.keep_time("/a/inner", 8)
    assert (storage.time_of("/a"), storage.time_of("/a/inner")) == (7, None)
    storage.forget_time("/a")
    assert storage.time_of("/a") is None
    storage.keep_time("/a", 9)
    clock.skip(61)
    assert storage.time_of("/a") is None


def test_a_name_is_there_since_its_first_lock(storage: BoundedLockStorage, clock: Clock) -> None:
    assert storage.locked_since("/a") is None
    first = clock()
    storage.create("/a", lock_of("/a") | {"scope": "shared"})
    clock.skip(5)
    storage.create("/a", lock_of("/a", "bob") | {"scope": "shared"})
    assert storage.locked_since("/a") == int(first * 10**9)
    assert storage.locked_urls() == {"/a"}
    clock.skip(56)  # the first one is over
    assert storage.locked_since("/a") == int((first + 5) * 10**9)
    clock.skip(5)
    assert storage.locked_urls() == set()


def test_locks_that_are_over_leave_room_for_others(
    storage: BoundedLockStorage, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "MAX_LOCKS_PER_USER", 1)
    storage.create("/a", lock_of("/a"))
    with pytest.raises(DAVError) as refusal:
        storage.create("/b", lock_of("/b"))
    assert refusal.value.value == 507
    clock.skip(61)
    storage.create("/b", lock_of("/b"))


@given(st.none() | st.floats(allow_nan=False) | st.integers(-(10**9), 10**12))
def test_a_timeout_is_positive_and_an_hour_at_most(timeout: float | None) -> None:
    assert 0 < clamp_timeout(timeout) <= MAX_LOCK_SECONDS
    if timeout is not None and 0 < timeout <= MAX_LOCK_SECONDS:
        assert clamp_timeout(timeout) == timeout


def test_a_restart_forgets_locks(client: Drive, locked: str) -> None:
    client.dav = DavApplication("/dav")
    client.become("bob")
    assert client.ask("PUT", "a.txt", b"new").status_code == 204
