"""Whose pages may call from a browser, and whose login they may use."""

import re
from collections.abc import Iterator

import pytest
import requests

from tests.wait import TIMEOUT
from tests.webapp.web_process import WebProcess, web_process
from webapp.access.cors import AllowedOrigins, is_own

TOKEN = "owner-token-of-this-test"
EVIL = "https://evil.example"
ACCESS = "Access-Control-Allow-"


@pytest.mark.parametrize(
    ("origin", "host", "secure", "own"),
    [
        ("http://a.example", "a.example", False, True),
        ("http://A.example:80", "a.EXAMPLE", False, True),
        ("https://a.example", "a.example", True, True),
        ("https://a.example", "a.example", False, True),  # a proxy speaks https for us
        ("https://a.example:443", "a.example", False, True),
        ("http://a.example", "a.example", True, False),
        ("http://a.example:7860", "a.example:7860", True, False),
        ("http://a.example:7861", "a.example:7860", False, False),
        ("http://[::1]:7860", "[::1]:7860", False, True),
        ("http://a.example.evil", "a.example", False, False),
        ("http://evil@a.example", "a.example", False, False),
        ("http://a.example/x", "a.example", False, False),
        ("ftp://a.example", "a.example", False, False),
        ("http://a.example:x", "a.example", False, False),
        ("null", "a.example", False, False),
        ("", "", False, False),
    ],
)
def test_our_own_page(origin: str, host: str, secure: bool, own: bool) -> None:
    assert is_own(origin, host, secure) is own


@pytest.mark.parametrize(
    ("names", "pattern", "origin", "trusted", "admitted"),
    [
        (("https://a.example",), None, "https://a.example", True, True),
        (("https://A.example/",), None, "https://a.example:443", True, True),
        (("https://a.example",), None, "http://a.example", False, False),
        (("https://a.example",), None, "https://a.example:8443", False, False),
        (("*",), None, EVIL, False, True),
        (("*", "https://a.example"), None, "https://a.example", True, True),
        (("*",), r"https://a\.example", "https://a.example", True, True),
        (("*",), None, "null", False, True),
        (("null",), None, "null", False, True),
        (("null",), None, EVIL, False, False),
        ((), ".*", EVIL, False, True),
        ((), ".+", "null", False, True),
        ((), "https?://.*", EVIL, False, True),
        ((), r"https://[\w.-]+(:\d+)?", EVIL, False, True),
        ((), "null|https://a.example", "null", False, True),
        ((), r"https://(.*\.)?app\.example", "https://x.app.example", True, True),
        ((), r"https://(.*\.)?app\.example", EVIL, False, False),
        ((), r"https?://(localhost|127\.0\.0\.1)(:\d+)?", "http://localhost:3000", True, True),
    ],
)
def test_who_is_trusted_and_who_is_admitted(
    names: tuple[str, ...], pattern: str | None, origin: str, trusted: bool, admitted: bool
) -> None:
    origins = AllowedOrigins(names, re.compile(pattern) if pattern else None)
    assert (origins.trusts(origin), origins.admits(origin)) == (trusted, admitted)


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A service that lets every page call."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    flags = ("--token", TOKEN, "--cors-allow-origins", "*,https://friend.example")
    with web_process(data_dir, *flags, log=data_dir.parent / "log") as process:
        yield process


@pytest.fixture
def browser(open_service: WebProcess) -> requests.Session:
    """Somebody who is logged in."""
    session = requests.Session()
    assert session.post(f"{open_service.url}/login", json={"token": TOKEN}, timeout=TIMEOUT).ok
    return session


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:1"])
def test_under_a_star_a_login_does_not_count_elsewhere(
    open_service: WebProcess, browser: requests.Session, origin: str
) -> None:
    for method, path in (("GET", "/sdapi/v1/options"), ("POST", "/sdapi/v1/interrupt")):
        answer = browser.request(
            method, open_service.url + path, headers={"Origin": origin}, timeout=TIMEOUT
        )
        assert answer.status_code == 401
        assert answer.headers[f"{ACCESS}Origin"] == "*"
        assert f"{ACCESS}Credentials" not in answer.headers
        own = {"Origin": origin, "Authorization": TOKEN}
        assert requests.request(method, open_service.url + path, headers=own, timeout=TIMEOUT).ok
    login = requests.post(
        f"{open_service.url}/login",
        json={"token": TOKEN},
        headers={"Origin": origin},
        timeout=TIMEOUT,
    )
    assert (login.status_code, "Set-Cookie" in login.headers) == (403, False)


@pytest.mark.parametrize("path", ["/sdapi/v1/txt2img", "/nowhere", "/login", "/file=x"])
def test_preflights_and_errors_say_who_may_read(open_service: WebProcess, path: str) -> None:
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    for origin, expected, trusted in (
        (EVIL, "*", None),
        ("null", "*", None),
        ("https://friend.example", "https://friend.example", "true"),
    ):
        before = requests.options(
            open_service.url + path, headers={"Origin": origin, **asks}, timeout=TIMEOUT
        )
        after = requests.get(open_service.url + path, headers={"Origin": origin}, timeout=TIMEOUT)
        assert before.status_code == 204
        assert before.headers[f"{ACCESS}Headers"] == "authorization"
        for answer in (before, after):
            assert answer.headers[f"{ACCESS}Origin"] == expected
            assert answer.headers.get(f"{ACCESS}Credentials") == trusted
            assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(("mode", "counts"), [("no-cors", False), ("navigate", True)])
def test_under_a_star_a_picture_on_another_page_has_no_login(
    open_service: WebProcess, browser: requests.Session, mode: str, counts: bool
) -> None:
    sent = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": mode}
    answer = browser.get(f"{open_service.url}/sdapi/v1/options", headers=sent, timeout=TIMEOUT)
    assert answer.status_code == (200 if counts else 401)


def test_a_trusted_page_uses_its_visitors_login(
    open_service: WebProcess, browser: requests.Session
) -> None:
    at = f"{open_service.url}/sdapi/v1/interrupt"
    assert browser.post(at, headers={"Origin": "https://friend.example"}, timeout=TIMEOUT).ok
    assert browser.post(at, headers={"Origin": open_service.url}, timeout=TIMEOUT).ok
    assert (
        browser.post(at, headers={"Origin": "http://friend.example"}, timeout=TIMEOUT).status_code
        == 401
    )


def test_behind_a_proxy_with_tls(open_service: WebProcess) -> None:
    """The proxy hands ``Host`` on; whether it says that it spoke https or not."""
    login = requests.post(f"{open_service.url}/login", json={"token": TOKEN}, timeout=TIMEOUT)
    cookie = login.headers["Set-Cookie"].partition(";")[0]

    def asks(origin: str, **headers: str) -> int:
        sent = {"Host": "easel.example", "Origin": origin, "Cookie": cookie}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        at = f"{open_service.url}/sdapi/v1/interrupt"
        return requests.post(at, headers=sent, timeout=TIMEOUT).status_code

    assert asks("https://easel.example") == 200
    assert asks("https://easel.example", X_Forwarded_Proto="https") == 200
    assert asks("http://easel.example", X_Forwarded_Proto="https") == 401
    assert asks("http://easel.example") == 200
    assert asks("http://easel.example:8080") == 401
    assert asks("null") == 401
