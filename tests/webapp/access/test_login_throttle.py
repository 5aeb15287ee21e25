"""56: wrong passwords and tokens wait, at every door; right ones of others never do."""

import base64
from pathlib import Path
from typing import Any

import pytest

from webapp.access.credentials import build_credentials
from webapp.access.login_throttle import (
    MAX_FAILURES,
    MAX_FAILURES_OF_ALL,
    WINDOW,
    FailureCounter,
    LoginThrottle,
    RecentSuccesses,
)
from webapp.access.secret import Secret

TOKEN = "s3cret-token"


@pytest.fixture(autouse=True)
def _one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """All guesses fall into one window, however slow the machine is."""
    monkeypatch.setattr("webapp.access.login_throttle.monotonic", lambda: 1000.0)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def ask_from(
    house: Any, path: str = "/api/session", address: str = "10.0.0.1", **headers: str
) -> Any:
    """The answer to somebody at an address. Header names with _ for -."""
    client = house.app.test_client()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(path, headers=named, environ_base={"REMOTE_ADDR": address})


def logged_in(house: Any, address: str = "10.0.0.1", **body: str) -> Any:
    """The answer to the login form."""
    client = house.app.test_client()
    return client.post("/login", json=body, environ_base={"REMOTE_ADDR": address})


DOORS: dict[str, Any] = {
    "Basic": lambda house: ask_from(house, Authorization=basic("ann", "no")),
    "Bearer": lambda house: ask_from(house, Authorization="Bearer nothing"),
    "a bare token": lambda house: ask_from(house, "/sdapi/v1/samplers", Authorization="nothing"),
    "X-Auth": lambda house: ask_from(house, "/api/usage", X_Auth="nothing"),
    "WebDAV": lambda house: ask_from(house, "/dav/data/", Authorization=basic("ann", "no")),
    "the login, a name": lambda house: logged_in(house, username="ann", password="no"),
    "the login, a token": lambda house: logged_in(house, token="nothing"),
    "an address that is not there": lambda house: ask_from(house, "/x", Authorization="nothing"),
}


@pytest.mark.parametrize("door", DOORS)
def test_56_ten_wrong_ones_and_no_more(guarded_house: Any, door: str) -> None:
    answers = [DOORS[door](guarded_house) for _ in range(MAX_FAILURES + 2)]
    assert [answer.status_code for answer in answers] == [401] * MAX_FAILURES + [429] * 2
    assert 0 < int(answers[-1].headers["Retry-After"]) <= WINDOW


@pytest.mark.parametrize("last", ["Basic", "WebDAV", "the login, a name"])
def test_56_guesses_at_one_door_count_at_all(guarded_house: Any, last: str) -> None:
    doors = [DOORS[name] for name in ("Basic", "WebDAV", "the login, a name")]
    for number in range(MAX_FAILURES):
        assert doors[number % 3](guarded_house).status_code == 401
    assert DOORS[last](guarded_house).status_code == 429
    right = {"username": "ann", "password": "pw1"}
    assert logged_in(guarded_house, **right).status_code == 429  # the right one is no better known
    assert ask_from(guarded_house, Authorization=basic("ann", "pw1")).status_code == 429


def test_56_right_ones_of_others_are_let_in(guarded_house: Any) -> None:
    for _ in range(MAX_FAILURES + 5):
        ask_from(guarded_house, Authorization=basic("ann", "no"))
        ask_from(guarded_house, Authorization="Bearer nothing")
    assert ask_from(guarded_house, Authorization=basic("bob", "pw2")).status_code == 200
    assert (
        ask_from(guarded_house, address="10.0.0.2", Authorization=basic("ann", "pw1")).status_code
        == 200
    )
    assert logged_in(guarded_house, username="bob", password="pw2").status_code == 200
    assert logged_in(guarded_house, token=TOKEN).status_code == 200


@pytest.mark.parametrize("header", [TOKEN, f"Bearer {TOKEN}", basic("x", TOKEN)])
def test_56_who_polls_with_the_token_is_never_slowed(guarded_house: Any, header: str) -> None:
    for number in range(3 * MAX_FAILURES):
        ask_from(guarded_house, Authorization=f"Bearer nothing-{number}")
        ask_from(guarded_house, Authorization=basic("x", "no"))
        assert ask_from(guarded_house, Authorization=header).status_code == 200


def test_56_who_has_come_in_stays(guarded_house: Any) -> None:
    client = guarded_house.app.test_client()
    assert client.post("/login", json={"username": "ann", "password": "pw1"}).status_code == 200
    for _ in range(MAX_FAILURES + 1):
        ask_from(guarded_house, address="127.0.0.1", Authorization=basic("ann", "no"))
    assert client.get("/api/session").get_json()["user"] == "ann"


def test_56_many_machines_guess_at_one_account(guarded_house: Any) -> None:
    home, right = "192.168.0.7", basic("ann", "pw1")
    assert ask_from(guarded_house, address=home, Authorization=right).status_code == 200
    found = [
        ask_from(
            guarded_house, address=f"10.0.0.{number}", Authorization=basic("ann", "no")
        ).status_code
        for number in range(MAX_FAILURES_OF_ALL + 1)
    ]
    assert found == [401] * MAX_FAILURES_OF_ALL + [429]
    assert ask_from(guarded_house, address="10.0.1.1", Authorization=right).status_code == 429
    assert ask_from(guarded_house, address=home, Authorization=right).status_code == 200
    assert (
        ask_from(guarded_house, address="10.0.1.1", Authorization=basic("bob", "pw2")).status_code
        == 200
    )


def test_56_unknown_names_look_like_known_ones(
    guarded_house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    matches = Secret.matches
    monkeypatch.setattr(
        Secret, "matches", lambda mine, text: compared.append(text) or matches(mine, text)
    )

    def try_name(name: str) -> list[tuple[Any, ...]]:
        found = []
        for _ in range(MAX_FAILURES + 1):
            compared.clear()
            answer = ask_from(guarded_house, Authorization=basic(name, "no"))
            wait = "Retry-After" in answer.headers
            found.append((answer.status_code, answer.get_json()["error"], wait, len(compared)))
        return found

    assert try_name("ann") == try_name("nobody")


def test_56_a_short_token_waits_like_a_password(build: Any) -> None:
    house = build(build_credentials("short", (("bob", "pw2"),)))
    assert ask_from(house, Authorization="Bearer short").status_code == 200
    for number in range(MAX_FAILURES):  # a name of its own for each guess
        assert ask_from(house, Authorization=basic(f"n{number}", "no")).status_code == 401
    assert ask_from(house, Authorization="Bearer short").status_code == 429
    assert ask_from(house, Authorization=basic("new", "short")).status_code == 401  # as a wrong one
    assert ask_from(house, Authorization=basic("bob", "pw2")).status_code == 200
    assert ask_from(house, address="10.0.0.2", Authorization="Bearer short").status_code == 200


def test_56_who_reads_is_told_in_a_page(guarded_house: Any) -> None:
    for _ in range(MAX_FAILURES):
        logged_in(guarded_house, username="ann", password="no")
    client = guarded_house.app.test_client()
    form = {"username": "ann", "password": "pw1"}
    answer = client.post(
        "/login",
        data=form,
        headers={"Accept": "text/html"},
        environ_base={"REMOTE_ADDR": "10.0.0.1"},
    )
    assert answer.status_code == 429
    assert "Too many wrong tries; try again in" in answer.text
    assert "<form" in answer.text
    assert "try again in" in logged_in(guarded_house, **form).get_json()["detail"]


def test_56_shares_count_by_share_and_address(guarded_house: Any) -> None:
    (guarded_house.data_dir / "outputs").mkdir(exist_ok=True)
    Path(guarded_house.data_dir / "outputs" / "a.txt").write_text("x")
    owner = guarded_house.client(authorization=TOKEN)
    made = {"path": "/data/outputs/a.txt", "password": "open sesame"}
    one, other = (owner.post("/api/files/shares", json=made).get_json()["url"] for _ in range(2))

    def try_password(url: str, address: str, password: str) -> Any:
        client = guarded_house.app.test_client()
        client.environ_base["REMOTE_ADDR"] = address
        answer = client.post(url, data={"password": password})
        return answer, client

    guest = try_password(one, "10.0.0.1", "open sesame")[1]
    found = [try_password(one, "10.0.0.1", f"{number}")[0] for number in range(MAX_FAILURES + 1)]
    assert [answer.status_code for answer in found] == [401] * MAX_FAILURES + [429]
    assert 0 < int(found[-1].headers["Retry-After"]) <= WINDOW
    assert "wait a minute" in found[-1].text
    assert try_password(one, "10.0.0.1", "open sesame")[0].status_code == 429
    assert try_password(one, "10.0.0.2", "open sesame")[0].status_code == 303
    assert try_password(other, "10.0.0.1", "open sesame")[0].status_code == 303
    assert guest.get(one).status_code == 200  # who was right before goes on
    assert ask_from(guarded_house, Authorization=basic("ann", "pw1")).status_code == 200


def test_a_throttle_forgets_and_says_when() -> None:
    throttle = FailureCounter(tries=2, window=10)
    throttle.add_failure("a", now=100)
    assert throttle.wait_seconds("a", now=101) == 0
    throttle.add_failure("a", now=104)
    assert throttle.wait_seconds("a", now=105) == 5
    assert throttle.wait_seconds("b", now=105) == 0
    assert throttle.wait_seconds("a", now=111) == 0
    throttle.add_failure("a", now=112)
    assert throttle.wait_seconds("a", now=112) == 2


def test_what_is_kept_is_bounded() -> None:
    throttle, known = FailureCounter(tries=2, most=3), RecentSuccesses(most=3)
    for name in "abcde":
        known.add(name)
        for _ in range(5):
            throttle.add_failure(name)
    assert {name: len(times) for name, times in throttle.failures.items()} == dict.fromkeys(
        "cde", 2
    )
    assert [name in known for name in "abcde"] == [False, False, True, True, True]
    assert "a" not in RecentSuccesses(lasting=0.0)


def test_a_name_without_end_is_cut() -> None:
    guesses = LoginThrottle()
    for number in range(MAX_FAILURES):
        guesses.record_failure("a" * 10_000 + str(number), "10.0.0.1")
    assert guesses.wait_seconds("a" * 10_000, "10.0.0.1") > 0
    assert max(len(key) for key in guesses.by_address.failures) < 100
