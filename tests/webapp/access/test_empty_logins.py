"""A form or header without a secret is no guess, and who is known already is answered."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.wait import TIMEOUT
from tests.webapp.web_process import WebProcess, web_process
from webapp.access.login_throttle import MAX_FAILURES

OWNER, READER = "owner-token-of-this-test", "reader-token-of-this-test"
EMPTY: dict[str, dict[str, Any]] = {
    "no body": {},
    "an empty form": {"data": {"username": "", "password": ""}},
    "a name alone": {"data": {"username": "ann"}},
    "an empty token": {"data": {"token": ""}},
    "an empty object": {"json": {}},
    "null": {"json": {"username": None, "password": None}},
    "json without a body": {"headers": {"Content-Type": "application/json"}},
}


@pytest.fixture(scope="module")
def login_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A service with tokens and users."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    (data_dir / "outputs").mkdir(parents=True)
    (data_dir / "outputs/a.txt").write_text("a")
    users = "ann:pw-of-ann,bob:pw-of-bob"
    flags = ("--token", OWNER, "--read-token", f"eve={READER}", "--api-auth", users)
    with web_process(data_dir, *flags, log=data_dir.parent / "log") as process:
        yield process


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def ask(served: WebProcess, method: str, path: str, **more: Any) -> requests.Response:
    return requests.request(
        method, served.url + path, timeout=TIMEOUT, allow_redirects=False, **more
    )


def test_empty_ones_lock_nobody_out(login_service: WebProcess) -> None:
    doors: list[Callable[[], requests.Response]] = [
        lambda: ask(login_service, "GET", "/sdapi/v1/options", headers=basic("", "")),
        lambda: ask(login_service, "GET", "/sdapi/v1/options", headers=basic("ann", "")),
        lambda: ask(
            login_service, "GET", "/sdapi/v1/options", headers={"Authorization": "Bearer "}
        ),
        lambda: ask(login_service, "GET", "/api/usage", headers={"X-Auth": ""}),
        lambda: ask(login_service, "PROPFIND", "/dav/data/", headers=basic("", "")),
    ]
    for _ in range(MAX_FAILURES + 2):
        for name, body in EMPTY.items():
            assert ask(login_service, "POST", "/login", **body).status_code == 401, name
        assert [door().status_code for door in doors] == [401] * len(doors)
    assert ask(login_service, "POST", "/login", data={"token": OWNER}).status_code == 303
    right = {"username": "ann", "password": "pw-of-ann"}
    assert ask(login_service, "POST", "/login", json=right).json() == {"user": "ann"}
    assert ask(login_service, "GET", "/sdapi/v1/options", headers=basic("ann", "pw-of-ann")).ok


@pytest.mark.parametrize("name", EMPTY)
def test_who_is_known_is_answered(login_service: WebProcess, name: str) -> None:
    body = dict(EMPTY[name])
    headers = {**body.pop("headers", {}), **basic("bob", "pw-of-bob")}
    by_header = ask(login_service, "POST", "/login", headers=headers, **body)
    assert by_header.status_code in (200, 303)
    cookie = by_header.headers["Set-Cookie"].partition(";")[0]
    again = ask(
        login_service, "POST", "/login", cookies=dict([cookie.split("=", 1)]), **EMPTY[name]
    )
    assert again.status_code in (200, 303)
    session = ask(login_service, "GET", "/api/session", cookies=dict([cookie.split("=", 1)]))
    assert session.json()["user"] == "bob"


def test_a_right_token_is_let_in_while_guesses_wait(login_service: WebProcess) -> None:
    login = ask(login_service, "POST", "/login", json={"username": "bob", "password": "pw-of-bob"})
    cookie = dict([login.headers["Set-Cookie"].partition(";")[0].split("=", 1)])
    for _ in range(MAX_FAILURES + 2):
        wrong = ask(login_service, "POST", "/login", json={"token": "wrong-wrong-wrong"})
        other = ask(login_service, "POST", "/login", json={"username": "bob", "password": "wrong"})
    assert (wrong.status_code, other.status_code) == (429, 429)
    right = {"username": "bob", "password": "pw-of-bob"}
    assert ask(login_service, "POST", "/login", json=right).status_code == 429
    assert ask(login_service, "POST", "/login", json=right, cookies=cookie).json() == {
        "user": "bob"
    }
    assert ask(login_service, "POST", "/login", cookies=cookie).status_code == 303
    for token in (OWNER, READER):
        named = {"Authorization": f"Bearer {token}"}
        for headers in ({"Authorization": token}, named, basic("bob", token)):
            assert ask(login_service, "GET", "/sdapi/v1/options", headers=headers).ok
            near = {**headers, "Depth": "0"}
            assert ask(login_service, "PROPFIND", "/dav/data/", headers=near).status_code == 207
        assert ask(login_service, "GET", "/api/usage", headers={"X-Auth": token}).ok
        assert ask(login_service, "POST", "/login", json={"token": token}).ok
        assert ask(login_service, "POST", "/login", data={"password": token}).status_code == 303
        assert (
            ask(
                login_service, "POST", "/login", data={"username": "bob", "password": token}
            ).status_code
            == 303
        )


def test_an_empty_form_of_a_share_is_no_guess(login_service: WebProcess) -> None:
    body = {"path": "/data/outputs/a.txt", "password": "open-sesame"}
    owner = {"Authorization": OWNER}
    made = ask(login_service, "POST", "/api/files/shares", json=body, headers=owner)
    at = "/s/" + made.json()["url"].rpartition("/s/")[2]
    for _ in range(MAX_FAILURES + 2):
        assert ask(login_service, "POST", at, data={"password": ""}).status_code == 401
        assert ask(login_service, "POST", at).status_code == 401
    right = ask(login_service, "POST", at, data={"password": "open-sesame"})
    assert right.status_code == 303
    cookie = dict([right.headers["Set-Cookie"].partition(";")[0].split("=", 1)])
    for _ in range(MAX_FAILURES):
        assert ask(login_service, "POST", at, data={"password": "wrong"}).status_code == 401
    assert ask(login_service, "POST", at, data={"password": "wrong"}).status_code == 429
    assert (
        ask(login_service, "POST", at, data={"password": "wrong"}, cookies=cookie).status_code
        == 303
    )
