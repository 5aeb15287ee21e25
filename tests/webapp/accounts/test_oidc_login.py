"""Logging in with an OpenID Connect provider, an honest one and others."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from tests.webapp.accounts.oidc_provider import CLIENT, CLIENT_SECRET, Provider, oidc_provider
from webapp.access.secret import Secret
from webapp.accounts.audit import Actor
from webapp.accounts.roles import Role

HERE = Actor("test")
WORDS = Secret("five wet maps hum")


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider of its own for each test."""
    with oidc_provider() as running:
        yield running


@pytest.fixture
def make_house(build: Any, provider: Provider) -> Callable[..., Any]:
    """Makes a house that knows the provider."""
    return lambda **flags: build(
        accounts=True, oidc_issuer=provider.url, oidc_client_id=CLIENT,
        oidc_client_secret=Secret(CLIENT_SECRET), **flags,
    )  # fmt: skip


def accounts_of(house: Any) -> Any:
    return house.app.extensions["easel.services"].accounts


def come_back(client: Any, provider: Provider, sub: str = "7", name: str = "Ann") -> Any:
    """The service's answer to a browser that comes back from the provider."""
    away = client.get("/login/oidc?next=/docs")
    assert away.status_code == 302
    assert away.headers["Location"].startswith(f"{provider.url}/authorize?")
    return client.get(provider.visit(away.headers["Location"], sub, name))


def test_a_user_is_made_at_the_first_login_and_found_by_its_subject(
    make_house: Any, provider: Provider
) -> None:
    house = make_house(new_user_role="viewer")
    client = house.client()
    assert b'href="/login/oidc"' in client.get("/login").data
    back = come_back(client, provider)
    assert (back.status_code, back.headers["Location"]) == (303, "/docs")
    assert client.get("/api/v1/me").get_json()["name"] == "ann"
    provider.claims = {}
    renamed = house.client()
    assert come_back(renamed, provider, name="Ann-Marie").status_code == 303
    first, second = (each.get("/api/v1/me").get_json() for each in (client, renamed))
    assert second == {**first, "login": second["login"]}
    accounts_of(house).change_user(HERE, "ann", disabled=True)
    assert client.get("/api/v1/me").status_code == 401
    provider.claims = {}
    assert come_back(house.client(), provider).status_code == 403


def test_who_was_not_added_stays_out(make_house: Any, provider: Provider) -> None:
    house = make_house()
    accounts_of(house).add_user(HERE, "ann", Role.ADMIN, WORDS)
    accounts_of(house).add_user(HERE, "bob", Role.MEMBER, None)
    for sub, name, status in (("1", "ann", 403), ("2", "nobody", 403), ("3", "bob", 303)):
        provider.claims = {}
        client = house.client()
        assert come_back(client, provider, sub, name).status_code == status, name
        assert client.get("/api/v1/me").status_code == (200 if status == 303 else 401)


LIES: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "for somebody else": {"aud": "another-client"},
    "for several, and another asked": {"aud": [CLIENT, "x"], "azp": "x"},
    "of another login": {"nonce": "of-another-login"},
    "too old": {"exp": time.time() - 3600},
    "of nobody": {"sub": None},
    "without a name": {"preferred_username": None},
}


@pytest.mark.parametrize("lie", LIES)
def test_tokens_that_are_refused(make_house: Any, provider: Provider, lie: str) -> None:
    house, provider.claims = make_house(new_user_role="member"), {}
    client = house.client()
    away = client.get("/login/oidc").headers["Location"]
    path = provider.visit(away, "7", "ann")
    provider.claims = {
        key: value for key, value in {**provider.claims, **LIES[lie]}.items() if value is not None
    }
    assert client.get(path).status_code == 403
    assert client.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(("algorithm", "signing"), [
    ("RS256", RSAKey.generate_key(2048, {"kid": "one"})),
    ("HS256", OctKey.import_key("what-everybody-can-read-in-the-published-keys")),
])  # fmt: skip
def test_signatures_that_are_refused(
    make_house: Any, provider: Provider, algorithm: str, signing: Any
) -> None:
    house = make_house(new_user_role="member")
    provider.algorithm, provider.signing = algorithm, signing
    assert come_back(house.client(), provider).status_code == 403


def test_a_provider_may_change_its_keys(make_house: Any, provider: Provider) -> None:
    house = make_house(new_user_role="member")
    assert come_back(house.client(), provider).status_code == 303
    provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    assert come_back(house.client(), provider).status_code == 303


def test_a_login_that_was_not_started_here_is_none(make_house: Any, provider: Provider) -> None:
    house = make_house(new_user_role="member")
    mine, other = house.client(), house.client()
    path = provider.visit(mine.get("/login/oidc").headers["Location"], "7", "ann")
    assert other.get(path).status_code == 403
    other.get("/login/oidc")
    assert other.get(path).status_code == 403
    assert mine.get(path.replace("code-1", "code-2")).status_code == 403
    assert mine.get(path).status_code == 403  # the attempt was used up
    assert "/token" in provider.asked


def test_a_provider_that_is_away_or_not_itself(make_house: Any, provider: Provider) -> None:
    house = make_house()
    listening, provider.url = provider.url, "https://evil.example"
    assert house.client().get("/login/oidc").status_code == 503
    provider.url = listening
    assert house.client().get("/login/oidc").status_code == 302
