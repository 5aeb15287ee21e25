"""Every route of accounts, asked with every kind of credential; and what the routes do."""

import base64
import csv
import io
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient

from tests.conftest import ROOT
from webapp.access.auth import INNER_CALLER
from webapp.access.credentials import Caller
from webapp.access.scopes import AccessScope, scope_of
from webapp.access.secret import Secret
from webapp.access.tokens import narrow_tokens
from webapp.accounts.accounts import Accounts
from webapp.accounts.api_tokens import TokenSpec
from webapp.accounts.audit import Actor
from webapp.accounts.roles import Role
from webapp.http.openapi import CONVERTER, build_document
from webapp.queues.contracts.frame import Frame
from webapp.routes import events

TABLE = Path(__file__).with_name("account_routes_table.txt")
EVERY_ROUTE = Path(__file__).with_name("every_route_table.txt")
PAGE = ROOT / "docs/accounts.md"
WORDS = "five wet maps hum"
HERE = Actor("test")
FLAG_TOKEN, METRICS_TOKEN = "flag-token-of-the-owner", "flag-token-for-metrics"
BLUEPRINTS = ("me", "users", "groups", "tokens", "invitations", "audit", "oidc")
WHO = ("nobody", "viewer", "member", "other", "admin", "read", "expired", "revoked", "disabled")
EVIL = {"Origin": "https://evil.example"}


@dataclass
class Served:
    """A house with accounts, and a credential of each kind."""

    house: Any
    accounts: Accounts

    def client(self, name: str = "") -> FlaskClient:
        """A client with a login of this user."""
        client: FlaskClient = self.house.client()
        if name:
            answer = client.post("/api/v1/login", json={"username": name, "password": WORDS})
            assert answer.status_code == 200, answer.get_data()
        return client

    def token(self, name: str, *scopes: AccessScope, days: float = 1) -> tuple[str, str]:
        """A token of a user, and its id."""
        spec = TokenSpec("made by a test", scopes, days)
        secret, made = self.accounts.add_token(HERE, name, spec)
        return secret.reveal(), made.id

    def bearer(self, token: str) -> FlaskClient:
        """A client with a token."""
        client: FlaskClient = self.house.client(authorization=f"Bearer {token}")
        return client

    def routes(self) -> Iterator[tuple[str, str]]:
        """Method and rule of each route of accounts."""
        for rule in self.house.app.url_map.iter_rules():
            if rule.endpoint.partition(".")[0] in BLUEPRINTS:
                for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                    yield method, rule.rule


@pytest.fixture
def served(build: Any, sqlite_url: Secret) -> Served:
    """A house with an admin, a member, a viewer, another member and flags' tokens."""
    house = build(
        accounts=True, database_url=sqlite_url, token=Secret(FLAG_TOKEN), oidc_issuer="http://127.0.0.1:9/realm",
        oidc_client_id="easel",
        metrics_tokens=narrow_tokens(AccessScope.METRICS, [METRICS_TOKEN]),
    )  # fmt: skip
    accounts = house.app.extensions["easel.services"].accounts
    for name, role in (("root", Role.ADMIN), ("ann", Role.MEMBER), ("bob", Role.MEMBER),
                       ("vera", Role.VIEWER)):  # fmt: skip
        accounts.add_user(HERE, name, role, Secret(WORDS))
    return Served(house, accounts)


def credentials(served: Served) -> Mapping[str, FlaskClient]:
    """A client with each kind of credential."""
    accounts = served.accounts
    accounts.add_user(HERE, "other", Role.MEMBER, Secret(WORDS))
    basic = "Basic " + base64.b64encode(f"ann:{WORDS}".encode()).decode()
    read, draw, everything = (
        served.token(name, scope)[0]
        for name, scope in (("ann", AccessScope.READ), ("ann", AccessScope.GENERATE),
                            ("root", AccessScope.OWNER))
    )  # fmt: skip
    revoked, token_id = served.token("ann", AccessScope.USER)
    accounts.revoke_token(HERE, "ann", token_id)
    expired, _ = served.token("ann", AccessScope.USER, days=1e-9)
    ended = served.client("bob")
    accounts.revoke_logins(HERE, "bob")
    disabled = served.client("bob")
    of_disabled, _ = served.token("bob", AccessScope.USER)
    accounts.change_user(HERE, "bob", disabled=True)
    return {
        "nobody": served.client(),
        "viewer": served.client("vera"),
        "member": served.client("ann"),
        "other": served.client("other"),
        "basic": served.house.client(authorization=basic),
        "admin": served.client("root"),
        "read": served.bearer(read),
        "draw": served.bearer(draw),
        "owner": served.bearer(everything),
        "flag": served.bearer(FLAG_TOKEN),
        "metrics": served.bearer(METRICS_TOKEN),
        "expired": served.bearer(expired),
        "revoked": served.bearer(revoked),
        "ended": ended,
        "disabled": disabled,
        "its-token": served.bearer(of_disabled),
    }  # fmt: skip


def test_every_route_answers_each_credential_as_the_table_says(served: Served) -> None:
    clients = credentials(served)
    routes = sorted(served.routes(), key=lambda route: ("logout" in route[1], route))
    width = max(len(f"{method} {rule}") for method, rule in routes)
    routes.remove(("GET", "/login/oidc"))  # it asks the provider, who is not there
    lines = [" ".join([" " * width, *(f"{name:>9}" for name in clients)])]
    for method, rule in routes:
        path = CONVERTER.sub("x", rule)
        cells = []
        for client in clients.values():
            if rule == "/api/v1/login":  # it would log the client in: asked without a body, as who
                assert client.post(path, json={}, headers=EVIL).status_code == 403
            answer = client.open(path, method=method, json=None if method == "GET" else {})
            answer.close()
            cells.append(f"{answer.status_code:>9}")
        lines.append(" ".join([f"{method} {rule}".ljust(width), *cells]))
    assert TABLE.read_text() == "\n".join([*lines, ""]), "\n".join(lines)


def test_every_route_of_the_service_opens_to_whom_the_table_says(served: Served) -> None:
    """``yes``: the check before the route lets the caller through; no route does anything here."""
    asked: list[bool] = []
    served.house.app.before_request(lambda: Response(status=204) if asked else None)
    clients = {name: each for name, each in credentials(served).items() if name in WHO}
    asked.append(True)
    lines = [f"{'':60}" + "".join(f"{name:>10}" for name in clients)]
    for method, rule in sorted(all_routes(served.house)):
        path, body = CONVERTER.sub("x", rule), None if method == "GET" else {}
        answers = [each.open(path, method=method, json=body) for each in clients.values()]
        cells = ["yes" if each.status_code == 204 else str(each.status_code) for each in answers]
        lines.append(f"{method + ' ' + rule:60}" + "".join(f"{cell:>10}" for cell in cells))
    assert EVERY_ROUTE.read_text() == "\n".join([*lines, ""]), "\n".join(lines)


def all_routes(house: Any) -> Iterator[tuple[str, str]]:
    """Method and rule of every route but WebDAV's, which test_file_rights asks."""
    for rule in house.app.url_map.iter_rules():
        if not rule.endpoint.startswith(("dav.", "oidc.")):
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                yield method, rule.rule


def test_the_page_has_every_route_with_its_scope(served: Served) -> None:
    views = served.house.app.view_functions
    there = {
        (f"{method} {rule.rule}", str(scope_of(views[rule.endpoint])))
        for rule in served.house.app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in BLUEPRINTS
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}
    }
    rows = re.findall(r"^\| `([A-Z]+ \S+)` \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert sorted(rows) == sorted(there)


def test_the_schema_tells_of_every_route(served: Served) -> None:
    paths: Any = build_document(served.house.app, "0")["paths"]
    told = {f"{m.upper()} {path}" for path, methods in paths.items() for m in methods}
    ours = {(method, CONVERTER.sub(r"{\1}", rule)) for method, rule in served.routes()}
    assert {f"{method} {path}" for method, path in ours} <= told


def test_without_accounts_there_is_no_route_of_theirs(house: Any) -> None:
    assert house.app.extensions["easel.services"].accounts is None
    assert not {rule.endpoint.partition(".")[0] for rule in house.app.url_map.iter_rules()} & {
        *BLUEPRINTS
    }
    assert house.client().post("/api/v1/login", json={}).status_code == 404


def test_a_cookie_changes_nothing_for_a_foreign_page(served: Served) -> None:
    client = served.client("root")
    for headers in (EVIL, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        for method, rule in served.routes():
            form = rule == "/invite/<code>" and headers == {"Origin": "null"}
            if method != "GET" and not form:
                path = CONVERTER.sub("x", rule)
                answer = client.open(path, method=method, json={}, headers=headers)
                assert answer.status_code == 403, (method, rule, headers)
    assert client.get("/api/v1/me").get_json()["role"] == "admin"


def test_roles_open_what_the_flags_credentials_of_that_scope_do(served: Served) -> None:
    viewer, member, admin = (served.client(name) for name in ("vera", "ann", "root"))
    drawing = {"width": 8, "height": 8}
    for client, list_files, draw, options, plugins in (
        (viewer, 200, 403, 403, 403), (member, 200, 200, 200, 403), (admin, 200, 200, 200, 404),
    ):  # fmt: skip
        assert client.get("/api/files?path=/data").status_code == list_files
        assert client.post("/sdapi/v1/txt2img", json=drawing).status_code == draw
        assert client.post("/sdapi/v1/options", json={}).status_code == options
        assert client.delete("/api/plugins/none").status_code == plugins
    assert served.house.jobs
    assert admin.get("/api/session").get_json()["owner"] is True
    assert member.get("/api/session").get_json()["user"] == "ann"


def test_a_wrong_password_and_an_unknown_name_are_told_alike(served: Served) -> None:
    client = served.client()
    answers = [
        client.post("/api/v1/login", json={"username": name, "password": "wrong"})
        for name in ("ann", "nobody")
    ]
    first, second = (answer.get_json() for answer in answers)
    assert [answer.status_code for answer in answers] == [401, 401]
    assert first == second
    for _ in range(9):
        client.post("/login", json={"username": "Ann ", "password": "wrong"})
    waiting = client.post("/api/v1/login", json={"username": "ann", "password": WORDS})
    assert waiting.status_code == 429
    assert int(waiting.headers["Retry-After"]) > 0


def test_a_token_is_told_once_and_opens_its_scopes(served: Served) -> None:
    client = served.client("ann")
    spec = {"label": "script", "scopes": ["read", "generate"], "days": 30}
    made = client.post("/api/v1/tokens", json=spec).get_json()
    assert made["scopes"] == ["generate", "read"]
    listed = client.get("/api/v1/tokens").get_json()["tokens"]
    assert listed == [{key: value for key, value in made.items() if key != "token"}]
    script = served.bearer(made["token"])
    assert script.post("/sdapi/v1/txt2img", json={"width": 8, "height": 8}).status_code == 200
    assert script.get("/api/files?path=/data").status_code == 200
    assert script.post("/sdapi/v1/options", json={}).status_code == 403
    assert client.delete(f"/api/v1/tokens/{made['id']}").status_code == 200
    assert script.get("/api/v1/me").status_code == 401


def test_tokens_that_are_not_made(served: Served) -> None:
    client = served.client("ann")
    for body, status in (
        ({"label": "x", "scopes": []}, 422), ({"label": "", "scopes": ["read"]}, 422),
        ({"label": "x", "scopes": ["files"]}, 422), ({"label": "x", "scopes": ["nonsense"]}, 422),
        ({"label": "x", "scopes": ["owner"]}, 403), ({"label": "x", "scopes": ["metrics"]}, 403),
        ({"label": "x", "scopes": ["read"], "days": 0}, 422),
        ({"label": "x", "scopes": ["read"], "days": 1e9}, 422),
        ({"label": "x", "scopes": ["read"], "more": 1}, 422),
    ):  # fmt: skip
        assert client.post("/api/v1/tokens", json=body).status_code == status, body
    assert client.get("/api/v1/tokens").get_json() == {"tokens": []}


def test_members_see_and_change_their_own_account_alone(served: Served) -> None:
    ann, bob = served.client("ann"), served.client("bob")
    token = served.token("bob", AccessScope.READ)[1]
    login = bob.get("/api/v1/logins").get_json()["logins"][0]["id"]
    for method, path in (
        ("GET", "/api/v1/tokens?user=bob"), ("DELETE", f"/api/v1/tokens/{token}?user=bob"),
        ("POST", "/api/v1/tokens?user=bob"),
    ):  # fmt: skip
        body = {"label": "x", "scopes": ["read"]} if method == "POST" else None
        assert ann.open(path, method=method, json=body).status_code == 403, path
    assert ann.delete(f"/api/v1/tokens/{token}").status_code == 404
    assert ann.delete(f"/api/v1/logins/{login}").status_code == 404
    assert bob.delete(f"/api/v1/logins/{login}").status_code == 200
    assert bob.get("/api/v1/me").status_code == 401
    root = served.client("root")
    assert [one["id"] for one in root.get("/api/v1/tokens?user=bob").get_json()["tokens"]] == [
        token
    ]


def test_a_disabled_user_is_out_at_once_and_its_jobs_are_answered(
    build: Any, sqlite_url: Secret
) -> None:
    house = build(accounts=True, database_url=sqlite_url, working=False)
    services = house.app.extensions["easel.services"]
    for name, role in (("root", Role.ADMIN), ("ann", Role.MEMBER)):
        services.accounts.add_user(HERE, name, role, Secret(WORDS))
    served = Served(house, services.accounts)
    ann, root = served.client("ann"), served.client("root")
    script = served.bearer(served.token("ann", AccessScope.USER)[0])
    for name, owner in (("job-1", "ann"), ("job-2", "root")):
        house.store.put(Frame(name, "txt2img", b"{}", owner=owner))
    assert root.patch("/api/v1/users/ann", json={"disabled": True}).get_json()["disabled"] is True
    for client in (ann, script):
        assert client.get("/api/v1/me").status_code == 401
    assert [frame.id for frame in house.store.list_frames()] == ["job-2"]
    answer = house.store.wait("job-1", 0)
    assert answer.status == 409
    assert b"was disabled or removed" in answer.body
    login = {"username": "ann", "password": WORDS}
    assert house.client().post("/api/v1/login", json=login).status_code == 401
    root.patch("/api/v1/users/ann", json={"disabled": False})
    assert ann.get("/api/v1/me").status_code == 401
    assert script.get("/api/v1/me").status_code == 200


def test_an_entry_of_a_user_who_is_gone_is_refused(served: Served) -> None:
    served.accounts.add_user(HERE, "carl", Role.MEMBER, None)

    def ask(name: str, scope: AccessScope = AccessScope.USER) -> int:
        inner = {INNER_CALLER: Caller(name, scope)}
        answer = served.house.app.test_client().post(
            "/sdapi/v1/options", json={}, environ_overrides=inner
        )
        return int(answer.status_code)

    assert [ask(name) for name in ("ann", "carl", "owner")] == [200, 200, 200]
    served.accounts.change_user(HERE, "ann", disabled=True)
    served.accounts.remove_user(HERE, "carl")
    assert [ask(name) for name in ("ann", "carl", "owner")] == [401, 401, 200]
    served.accounts.add_user(HERE, "dora", Role.ADMIN, None)
    assert ask("dora", AccessScope.OWNER) == 200
    served.accounts.change_user(HERE, "dora", Role.MEMBER)
    assert [ask("dora", AccessScope.OWNER), ask("dora")] == [401, 200]


def test_users_over_the_api(served: Served) -> None:
    root = served.client("root")
    new = {"name": "Carl", "role": "viewer", "password": WORDS}
    assert root.post("/api/v1/users", json=new).get_json()["name"] == "carl"
    assert root.post("/api/v1/users", json=new).status_code == 409
    for odd in ({**new, "name": "../carl"}, {**new, "name": "dora", "password": "short"},
                {"name": "dora", "role": "king"}, {"role": "viewer"}):  # fmt: skip
        assert root.post("/api/v1/users", json=odd).status_code == 422, odd
    names = [user["name"] for user in root.get("/api/v1/users").get_json()["users"]]
    assert names == ["ann", "bob", "carl", "root", "vera"]
    carl = served.client("carl")
    assert root.patch("/api/v1/users/carl", json={"role": "admin"}).get_json()["role"] == "admin"
    assert carl.get("/api/v1/me").status_code == 401  # a new role takes a new login
    assert root.delete("/api/v1/users/carl").status_code == 200
    assert root.get("/api/v1/users/carl").status_code == 404
    alone = root.patch("/api/v1/users/root", json={"role": "member"})
    assert (alone.status_code, alone.get_json()["error"]) == (409, "OnlyAdmin")
    assert root.delete("/api/v1/users/nobody").status_code == 404


def test_a_password_is_changed_by_who_knows_it(served: Served) -> None:
    ann, elsewhere = served.client("ann"), served.client("ann")
    change = {"old": "wrong", "new": "six dry maps hum"}
    for old, new, status, name in (
        ("wrong", "six dry maps hum", 401, "WrongOldPassword"),
        (WORDS, "ann12345678", 422, "GuessablePassword"),
        (WORDS, "short", 422, "WrongPasswordLength"),
    ):
        refused = ann.post("/api/v1/me/password", json={"old": old, "new": new})
        assert (refused.status_code, refused.get_json()["error"]) == (status, name)
    assert ann.post("/api/v1/me/password", json={**change, "old": WORDS}).status_code == 200
    assert ann.get("/api/v1/me").status_code == 200
    assert elsewhere.get("/api/v1/me").status_code == 401
    for _ in range(10):
        last = ann.post("/api/v1/me/password", json=change)
    assert last.status_code == 429


def test_an_invited_guest_makes_an_account_on_the_page(served: Served) -> None:
    made = served.client("root").post("/api/v1/invitations", json={"role": "viewer"}).get_json()
    guest, path = served.client(), made["url"].removeprefix("http://localhost")
    page = guest.get(path)
    assert page.status_code == 200
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == (
        "no-referrer", "no-store",
    )  # fmt: skip
    null = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}  # as browsers say without referrer
    form = {"username": "Gu<est", "password": WORDS, "repeated": WORDS}
    refused = guest.post(path, data=form, headers=null)
    assert refused.status_code == 422
    assert b"Gu&lt;est" in refused.data
    assert b"Gu<est" not in refused.data
    form["username"] = "guest"
    assert guest.post(path, data={**form, "repeated": "x"}, headers=null).status_code == 422
    answer = guest.post(path, data=form, headers=null)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert guest.get("/api/v1/me").get_json()["role"] == "viewer"
    for gone in (guest.get(path), guest.post(path, data=form, headers=null)):
        assert gone.status_code == 404
    accepted = {"code": made["code"], "name": "again", "password": WORDS}
    assert guest.post("/api/v1/invitations/accept", json=accepted).status_code == 404


def test_the_log_tells_who_changed_what(served: Served) -> None:
    ann, root = served.client("ann"), served.client("root")
    ann.post("/sdapi/v1/options", json={"samples_format": "webp"})
    ann.put("/dav/data/note.txt", data=b"x")
    ann.post("/api/files/delete", json={"paths": ["/data/note.txt"]})
    ann.post("/sdapi/v1/txt2img", json={"width": 8, "height": 8})
    root.patch("/api/v1/users/bob", json={"role": "viewer"})
    lines = root.get("/api/v1/audit?user=ann").get_json()["entries"]
    assert [(line["action"], line["target"], line["detail"]) for line in lines][:3] == [
        ("POST /api/files/delete", "/api/files/delete", "paths: /data/note.txt"),
        ("PUT /dav", "/dav/data/note.txt", ""),
        ("POST /sdapi/v1/options", "/sdapi/v1/options", "samples_format"),
    ]
    assert not [line for line in lines if "txt2img" in line["action"]]
    page = root.get("/api/v1/audit?action=user&limit=1").get_json()
    (line,) = page["entries"]
    assert (line["actor"], line["target"], line["detail"]) == ("root", "bob", "role viewer")
    assert line["request"]
    assert page["before"] == line["id"]
    table = root.get("/api/v1/audit.csv?text=bob")
    rows = list(csv.reader(io.StringIO(table.get_data(as_text=True))))
    assert rows[1][1:4] == ["root", "user.change", "bob"]
    for odd in ("limit=0", "limit=x", "since=-1", "before=0", f"text={'x' * 201}"):
        assert root.get(f"/api/v1/audit?{odd}").status_code == 422, odd


def test_a_trusted_proxy_vouches_from_its_address_alone(build: Any) -> None:
    house = build(
        accounts=True, auth_header="X-Forwarded-User", trusted_proxies=("10.1.0.0/16",),
        new_user_role="member",
    )  # fmt: skip
    services = house.app.extensions["easel.services"]
    services.accounts.add_user(HERE, "root", Role.ADMIN, Secret(WORDS))

    def ask(address: str, name: str, method: str = "GET", **headers: str) -> Any:
        return house.app.test_client().open(
            "/api/v1/me" if method == "GET" else "/sdapi/v1/interrupt",
            method=method,
            headers={"X-Forwarded-User": name, **headers},
            environ_overrides={"REMOTE_ADDR": address},
        )

    assert ask("10.1.2.3", "Ann").get_json()["role"] == "member"
    assert ask("::ffff:10.1.2.3", "root").get_json()["role"] == "admin"
    assert ask("10.2.0.1", "root").status_code == 401
    assert ask("10.1.2.3", "").status_code == 401
    assert ask("10.1.2.3", "../x").status_code == 401
    assert ask("10.1.2.3", "ann", "POST").status_code == 200
    assert ask("10.1.2.3", "ann", "POST", **EVIL).status_code == 403  # its word is no consent
    services.accounts.change_user(HERE, "ann", disabled=True)
    assert ask("10.1.2.3", "ann").status_code == 401


def test_accounts_that_cannot_be_read_let_nobody_in(served: Served) -> None:
    client, token = served.client("root"), served.token("root", AccessScope.OWNER)[0]
    with served.accounts.database.write() as connection:
        for table in ("logins", "tokens"):
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {table}_away")
    for each in (client, served.bearer(token)):
        answer = each.get("/api/session")
        assert answer.status_code == 503
        assert "logins" not in answer.get_data(as_text=True)
    assert served.bearer(FLAG_TOKEN).get("/api/session").status_code == 200


def test_a_stream_ends_with_its_users_account(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PING_SECONDS", 0.01)
    token = served.token("ann", AccessScope.READ)[0]
    clients = (served.client("ann"), served.bearer(token))
    streams = [iter(each.get("/api/events", buffered=False).response) for each in clients]
    for stream in streams:
        assert b"models" in next(stream)
        assert b"ping" in next(stream)
    served.accounts.change_user(HERE, "ann", disabled=True)
    for stream in streams:
        assert len(list(stream)) < 3


def test_the_cookie_is_for_https_where_the_service_is(build: Any) -> None:
    for address, secure in (("https://draw.example", True), ("http://draw.example", False)):
        house = build(accounts=True, public_address=address)
        accounts = house.app.extensions["easel.services"].accounts
        accounts.add_user(HERE, "root", Role.ADMIN, Secret(WORDS))
        client = house.client()
        answer = client.post("/login", data={"username": "root", "password": WORDS})
        assert ("Secure" in answer.headers["Set-Cookie"]) is secure


def test_what_accounts_need_is_loaded_for_them_alone() -> None:
    statement = "import webapp.processes.web_server, webapp.processes.supervisor, sys"
    code = f"{statement}; print(*{{m.partition('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "flask" in loaded
    assert loaded.isdisjoint({"sqlalchemy", "alembic", "authlib", "psycopg", "joserfc"})
