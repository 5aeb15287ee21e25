"""Every route in every guise: docs/access.md says who may ask it, and the answers agree."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.webapp.access.scoped_tokens import TOKENS, build_all_credentials
from webapp.access.credentials import build_credentials
from webapp.access.scopes import ALLOWED_SCOPES, AccessScope
from webapp.access.tokens import narrow_tokens
from webapp.http.openapi import CONVERTER

PAGE = Path(__file__).parents[3] / "docs/access.md"
SCOPE = re.compile(r"^### (\w+)\n\n```\n(.*?)\n```$", re.M | re.S)
USER = "Basic " + base64.b64encode(b"ann:pw1").decode()
FOREIGN = {"Origin": "https://evil.example"}
REFUSED = (401, 403)


@pytest.fixture
def table() -> dict[str, AccessScope]:
    """Route -> scope, as the page has them."""
    sections = SCOPE.findall(PAGE.read_text(encoding="utf-8"))
    return {
        f"{method} {path}": AccessScope(name)
        for name, lines in sections
        for method, *paths in map(str.split, lines.split("\n"))
        for path in paths
    }


@pytest.fixture
def full_service(build: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A service with all routes, whose supervisor nobody can reach."""
    monkeypatch.delenv("EASEL_SUPERVISOR", raising=False)
    return build(build_all_credentials(), api_server_stop=True)


def routes(house: Any) -> Iterator[tuple[str, str, str]]:
    """Each rule, method and path of the service; WebDAV's are asked by test_file_rights."""
    for rule in house.app.url_map.iter_rules():
        if rule.endpoint.startswith("dav."):
            continue
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield rule.rule, method, CONVERTER.sub("x", rule.rule)


def status(client: FlaskClient, method: str, path: str, **headers: str) -> int:
    """What a request comes to; only the login page is told a credential."""
    body = {"token": TOKENS[AccessScope.OWNER]} if path == "/login" else {}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    content = None if method == "GET" else body
    answer = client.open(path, method=method, json=content, headers=sent)
    answer.close()
    return int(answer.status_code)


def test_the_table_has_every_route_and_no_other(
    full_service: Any, table: dict[str, AccessScope]
) -> None:
    there = {f"{method} {rule}" for rule, method, _ in routes(full_service)}
    assert not there - set(table), "each route has a line in docs/access.md"
    assert not {row for row in set(table) - there if "/docs" not in row}


@pytest.mark.parametrize("who", [None, *ALLOWED_SCOPES])
def test_each_credential_opens_its_routes_alone(
    full_service: Any, table: dict[str, AccessScope], who: AccessScope | None
) -> None:
    client = full_service.client(**({"authorization": TOKENS.get(who, USER)} if who else {}))
    for rule, method, path in routes(full_service):
        scope = table[f"{method} {rule}"]
        got = status(client, method, path)
        client.delete_cookie("session")  # the login page has set one
        if scope is AccessScope.PUBLIC or (who and scope in ALLOWED_SCOPES[who]):
            assert got not in REFUSED, (who, method, path, got)
        else:
            assert got == (403 if who else 401), (who, method, path, got)


@pytest.mark.parametrize(
    "headers",
    [{}, FOREIGN, {"Referer": "https://evil.example/x"}, {"Sec_Fetch_Site": "same-site"}],
)
def test_a_cookie_acts_for_our_own_pages_alone(
    full_service: Any, table: dict[str, AccessScope], headers: dict[str, str]
) -> None:
    client = full_service.client()
    client.post("/login", json={"token": TOKENS[AccessScope.OWNER]})
    for rule, method, path in sorted(routes(full_service), key=lambda route: route[0] == "/logout"):
        got = status(client, method, path, **headers)
        safe = method == "GET" or not headers
        assert (got in REFUSED) is not safe, (method, path, got, table[f"{method} {rule}"])


def test_without_credentials_foreign_pages_and_hosts_get_nothing(
    build: Any, table: dict[str, AccessScope]
) -> None:
    house = build(api_server_stop=True)
    for headers in (FOREIGN, {"Host": "evil.example"}):
        for rule, method, path in routes(house):
            public = table[f"{method} {rule}"] is AccessScope.PUBLIC
            got = status(house.client(), method, path, **headers)
            if not public:
                assert got == 403, (method, path, got)


def test_a_view_that_declares_nothing_is_the_owners(full_service: Any) -> None:
    full_service.app._got_first_request = False  # one more route, as a forgetful hand would add it
    full_service.app.add_url_rule("/forgotten", view_func=lambda: "here", endpoint="forgotten")
    assert full_service.client(authorization=USER).get("/forgotten").status_code == 403
    assert (
        full_service.client(authorization=TOKENS[AccessScope.OWNER]).get("/forgotten").status_code
        == 200
    )


def test_narrow_tokens_have_jobs_of_their_own() -> None:
    first, second = narrow_tokens(AccessScope.GENERATE, ["token-number-one", "token-number-two"])
    assert first.name != second.name
    known = build_credentials("owner-token", narrow=(first, second))
    assert known.by_token("token-number-one").name == first.name
    assert known.by_token("token-number-on") is None


def test_a_generate_token_changes_no_option_by_drawing(full_service: Any) -> None:
    body = {
        "override_settings": {"samples_format": "webp"},
        "override_settings_restore_afterwards": False,
        "width": 8,
        "height": 8,
    }
    answer = full_service.txt2img(body, authorization=TOKENS[AccessScope.GENERATE])
    assert answer.status_code == 403
    assert full_service.options.get()["samples_format"] == "png"
    assert full_service.txt2img(body, authorization=USER).status_code == 200
    assert full_service.options.get()["samples_format"] == "webp"


def test_narrow_tokens_log_in_and_stay_narrow(full_service: Any) -> None:
    client = full_service.client()
    client.post("/login", json={"token": TOKENS[AccessScope.READ]})
    assert client.get("/api/session").get_json()["scope"] == "read"
    assert client.post("/sdapi/v1/options", json={}).status_code == 403
