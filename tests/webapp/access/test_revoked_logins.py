"""55: what ends a login ends every copy of its cookie, streams and uploads too."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.webapp.routes.files.tus_client import BYTES, TUS
from tests.webapp.routes.files.tus_in_process import TusSender
from webapp.access.auth import REVOKED_KEY
from webapp.access.revoked_logins import LOGIN_SECONDS, RevokedLogins
from webapp.routes import events
from webapp.routes.files import upload_bodies

MIB = 1 << 20


def logged_in(house: Any) -> tuple[Any, str]:
    """A client with a cookie, and the cookie."""
    client = house.app.test_client()
    assert client.post("/login", json={"username": "ann", "password": "pw1"}).status_code == 200
    return client, client.get_cookie("session").value


def with_cookie(house: Any, cookie: str) -> Any:
    client = house.app.test_client()
    client.set_cookie("session", cookie)
    return client


def test_55_a_copy_of_the_cookie_ends_with_the_login(guarded_house: Any) -> None:
    client, cookie = logged_in(guarded_house)
    other, kept = logged_in(guarded_house)
    assert with_cookie(guarded_house, cookie).get("/api/files?path=/data").status_code == 200
    assert client.post("/logout").status_code == 200
    for path in ("/api/session", "/api/files?path=/data", "/dav/data/", "/sdapi/v1/samplers"):
        assert with_cookie(guarded_house, cookie).get(path).status_code == 401
    assert with_cookie(guarded_house, kept).get("/api/session").status_code == 200
    assert other.get("/api/session").status_code == 200


def test_55_an_end_outlives_a_restart(guarded_house: Any) -> None:
    client, cookie = logged_in(guarded_house)
    client.post("/logout")
    guarded_house.app.extensions[REVOKED_KEY] = RevokedLogins(
        guarded_house.app.extensions[REVOKED_KEY].path
    )
    assert with_cookie(guarded_house, cookie).get("/api/session").status_code == 401


def test_55_a_stream_ends_with_its_login(
    guarded_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHECK_SECONDS", "PING_SECONDS"):
        monkeypatch.setattr(events, name, 0.01)
    client, _ = logged_in(guarded_house)
    stream: Iterator[bytes] = iter(client.get("/api/events", buffered=False).response)
    assert b"models" in next(stream)
    assert b"ping" in next(stream)
    client.post("/logout")
    assert len(list(stream)) <= 1  # it ends by itself


class Leaving(io.BytesIO):
    """A body whose sender logs out elsewhere while it is read."""

    def __init__(self, size: int, leave: Callable[[], Any]) -> None:
        super().__init__(bytes(size))
        self.leave = leave

    def readinto(self, buffer: Any) -> int:
        if self.tell():
            self.leave()
        return super().readinto(buffer)


def test_55_a_running_upload_ends_with_its_login(
    guarded_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_bodies, "RIGHTS_CHECK_SECONDS", -1.0)  # looked at with every block
    (guarded_house.data_dir / "outputs").mkdir(exist_ok=True)
    client, cookie = logged_in(guarded_house)
    sender = TusSender(guarded_house)
    sender.client = with_cookie(guarded_house, cookie)
    url, size = sender.begin(length=16 * MIB), 16 * MIB
    body = Leaving(size, lambda: client.post("/logout"))
    headers = {**TUS, "Content-Type": BYTES, "Upload-Offset": "0", "Content-Length": str(size)}
    answer = sender.client.patch(url, headers=headers, input_stream=body)
    assert answer.status_code == 401
    assert body.tell() < size
    assert not sender.file().exists()


def test_ends_are_kept_as_long_as_a_cookie_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "ended"
    RevokedLogins(path).revoke("a")
    with path.open("a") as file:
        file.write("17000")  # cut short by a crash
    assert "a" in RevokedLogins(path)
    assert "b" not in RevokedLogins(path)
    assert path.stat().st_mode & 0o777 == 0o600
    later = RevokedLogins(path).times["a"] + LOGIN_SECONDS + 1
    monkeypatch.setattr("webapp.access.revoked_logins.time.time", lambda: later)
    assert "a" not in RevokedLogins(path)
