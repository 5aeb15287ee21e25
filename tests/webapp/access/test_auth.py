"""The gate: what opens it, and that nothing lies beside it."""

import base64
import hmac
import secrets
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from webapp.access import secret
from webapp.access.credentials import build_credentials
from webapp.queues.contracts.frame import Frame

TOKEN = "s3cret-token"


def basic(name: str, password: str) -> str:
    """A Basic header."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_unknown_urls_want_a_credential_too(guarded_house: Any) -> None:
    assert guarded_house.client().get("/nothing").status_code == 401


@pytest.mark.parametrize(
    "header", [TOKEN, f"Bearer {TOKEN}", f"bearer  {TOKEN} ", basic("x", TOKEN)]
)
def test_the_token_opens(guarded_house: Any, header: str) -> None:
    answer = guarded_house.client(authorization=header).get("/api/session")
    assert answer.status_code == 200
    assert answer.get_json()["user"] == "owner"


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (None, "Not authenticated"),
        ("wrong", "Incorrect token"),
        ("Bearer", "Incorrect token"),
        (TOKEN[:-1], "Incorrect token"),
        (basic("ann", "nope"), "Incorrect username or password"),
        (basic("nobody", "pw1"), "Incorrect username or password"),
        ("Basic !!!", "Incorrect username or password"),
    ],
)
def test_wrong_credentials_are_401_in_the_envelope(
    guarded_house: Any, header: str, detail: str
) -> None:
    client = guarded_house.client(**({"authorization": header} if header else {}))
    answer = client.get("/sdapi/v1/samplers")
    assert answer.status_code == 401
    assert {"error", "detail", "body", "errors"} <= set(answer.get_json())
    code = answer.get_json()["code"]
    assert code == ("wrong_credential" if header else "not_authenticated")
    assert answer.get_json()["detail"] == detail
    assert "WWW-Authenticate" in answer.headers


def test_users_come_by_basic_and_have_a_name(guarded_house: Any) -> None:
    for name, password in (("ann", "pw1"), ("bob", "pw2")):
        answer = guarded_house.client(authorization=basic(name, password)).get("/api/session")
        assert (answer.get_json()["user"], answer.get_json()["owner"]) == (name, False)


@pytest.mark.parametrize(
    "form", [{"username": "ann", "password": "pw1"}, {"password": TOKEN}, {"token": TOKEN}]
)
def test_login_sets_a_cookie_and_logout_takes_it(guarded_house: Any, form: dict[str, str]) -> None:
    client = guarded_house.client()
    answer = client.post("/login", data=form)
    assert answer.status_code == 303
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert client.get("/").status_code == 200
    assert client.post("/logout").status_code == 200
    assert client.get("/").status_code == 401


def test_login_by_json(guarded_house: Any) -> None:
    client = guarded_house.client()
    assert client.post("/login", json={"password": "no"}).status_code == 401
    assert client.post("/login", json=[]).status_code == 422
    assert client.post("/login", json={"token": TOKEN}).get_json() == {"user": "owner"}
    assert client.get("/api/session").status_code == 200


def test_cookies_are_refused_to_other_origins(guarded_house: Any) -> None:
    client = guarded_house.client()
    client.post("/login", data={"password": TOKEN})
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert client.post("/sdapi/v1/interrupt", headers=headers).status_code == 403
    assert (
        client.post("/sdapi/v1/interrupt", headers={"Origin": "http://localhost"}).status_code
        == 200
    )
    by_token = {"Origin": "https://evil.example", "Authorization": TOKEN}
    assert guarded_house.client().post("/sdapi/v1/interrupt", headers=by_token).status_code == 200


def test_login_itself_is_refused_to_other_origins(guarded_house: Any) -> None:
    answer = guarded_house.client().post(
        "/login", data={}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403


def test_a_changed_password_ends_the_session(build: Any) -> None:
    house = build(build_credentials("one"))
    client = house.client()
    client.post("/login", data={"password": "one"})
    cookie = client.get_cookie("session")
    other = build(build_credentials("two"))
    other.app.config["SECRET_KEY"] = house.app.config["SECRET_KEY"]
    late = other.client()
    late.set_cookie("session", cookie.value)
    assert late.get("/api/session").status_code == 401


def test_without_credentials_the_caller_is_the_owner(house: Any) -> None:
    assert house.client().get("/api/session").get_json()["owner"] is True


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:7860"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Host": "localhost:7860", "Origin": "http://localhost:9999"},
    ],
)
def test_rebinding_is_refused(house: Any, headers: dict[str, str]) -> None:
    answer = house.client().get("/sdapi/v1/options", headers=headers)
    assert answer.status_code == 403
    assert house.client().get("/internal/ping", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:7860", "127.0.0.1:7860", "[::1]:7860", "easel.localhost:1"]
)
def test_names_of_this_machine_are_answered(house: Any, host: str) -> None:
    assert house.client().get("/sdapi/v1/samplers", headers={"Host": host}).status_code == 200


def test_insecure_answers_under_every_name(build: Any) -> None:
    house = build(build_credentials(None, insecure=True))
    headers = {"Host": "sd.example.com"}
    assert house.client().get("/sdapi/v1/samplers", headers=headers).status_code == 200


def test_a_browser_gets_the_form(guarded_house: Any) -> None:
    answer = guarded_house.client().get("/", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 401
    assert "<form" in answer.text
    assert guarded_house.client().get("/login").status_code == 200


@pytest.mark.parametrize(
    ("target", "location"),
    [("/docs", "/docs"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/\\evil", "/")],
)
def test_login_leads_nowhere_else(guarded_house: Any, target: str, location: str) -> None:
    answer = guarded_house.client().post(
        "/login", query_string={"next": target}, data={"password": TOKEN}
    )
    assert answer.headers["Location"] == location


@pytest.mark.parametrize("tls", [False, True])
def test_the_cookie_is_secure_under_tls(build: Any, tls: bool) -> None:
    certificate = Path("cert.pem") if tls else None
    house = build(build_credentials(TOKEN), tls_certfile=certificate)
    cookie = house.client().post("/login", json={"token": TOKEN}).headers["Set-Cookie"]
    flags = {part.strip() for part in cookie.split(";")[1:]}
    assert {"HttpOnly", "SameSite=Lax"} <= flags
    assert ("Secure" in flags) is tls


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        ("https://app.example", True),
        ("https://sub.app.example", True),
        ("https://app.example.evil", False),
        ("https://evil/https://app.example", False),
        ("http://named.example", True),
        ("null", False),
    ],
)
def test_origins_by_pattern(build: Any, origin: str, let_in: bool) -> None:
    house = build(
        build_credentials(TOKEN),
        cors_allow_origins=("http://named.example",),
        cors_allow_origins_regex=r"https://(.*\.)?app\.example",
    )
    client = house.client()
    client.post("/login", json={"token": TOKEN})
    answer = client.post("/sdapi/v1/interrupt", headers={"Origin": origin})
    assert answer.status_code == (200 if let_in else 403)
    assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is let_in


def test_callers_see_their_own_jobs_alone(build: Any) -> None:
    users = (("ann", "pw1"), ("bob", "pw2"))
    house = build(build_credentials(TOKEN, users), working=False)
    house.store.put(Frame(id="1" * 32, kind="generate", body=b"", owner="ann", tags={"task": "t1"}))
    headers = {"ann": basic("ann", "pw1"), "bob": basic("bob", "pw2"), "owner": TOKEN}
    seen = {
        name: house.client(authorization=header).get("/internal/pending-tasks").get_json()["tasks"]
        for name, header in headers.items()
    }
    assert seen == {"ann": ["t1"], "bob": [], "owner": ["t1"]}


def test_an_unknown_name_costs_what_a_known_one_does(
    guarded_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In digests made and compared, and in random numbers drawn; seconds tell too little."""
    calls: list[str] = []

    def count_calls(module: Any, name: str) -> None:
        inner = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: (calls.append(name), inner(*given))[1])

    count_calls(secret, "digest")
    count_calls(hmac, "compare_digest")
    count_calls(secrets, "token_hex")
    client, costs = guarded_house.client(), []
    for name in ("ann", "bob", "nobody", "owner", "x" * 100, "猫"):
        calls.clear()
        assert client.post("/login", json={"username": name, "password": "no"}).status_code == 401
        header = {"Authorization": basic(name, "no")}
        assert client.get("/api/session", headers=header).status_code == 401
        costs.append(Counter(calls))
    assert costs[0]["digest"] >= 4
    assert all(cost == costs[0] for cost in costs), costs
