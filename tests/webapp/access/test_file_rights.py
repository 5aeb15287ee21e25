"""53: every route of files by every right, in every guise, as the table of docs/files.md says."""

import base64
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access.file_access import ALL_RIGHTS, READ_RIGHTS, Right
from tests.webapp.attacks.attack_world import PIXEL, AttackWorld, build_world
from tests.webapp.routes.files.file_requests import FileRequest, all_requests
from webapp.access.credentials import build_credentials
from webapp.access.scopes import AccessScope
from webapp.access.tokens import narrow_tokens
from webapp.files import caller_rights

PAGE = Path(__file__).parents[3] / "docs/files.md"
ROW = re.compile(r"^\| ([A-Z]+ /[^|]*) \| ([a-z].*) \|$", re.M)
FORBIDDEN = 403
ELSEWHERE = {"GET /api/files/events", "POST /api/files/uploads/<name>"}
"""An endless answer, asked in a test of its own; and the PATCH of clients that cannot say it."""


def table() -> dict[str, str]:
    """Route -> rights, as the page has them."""
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {route: rights for routes, rights in rows for route in routes.split("<br>")}


def needed_rights(row: str) -> list[frozenset[Right]]:
    """Groups of rights: of each group one is needed."""
    text = table()[row]
    first, _, rest = text.partition(";")
    groups = [frozenset({Right(name)}) for name in first.split(", ") if not name.startswith("none")]
    if "one of" in rest:
        names = rest.partition("one of ")[2].split(", ")
        groups.append(frozenset(Right(name) for name in names))
    return groups


def fresh(world: AttackWorld) -> None:
    """The files as they were."""
    shutil.rmtree(world.inside)
    (world.inside / "sub").mkdir(parents=True)
    (world.inside / "a.txt").write_bytes(b"letters")
    (world.inside / "p.png").write_bytes(PIXEL)
    with zipfile.ZipFile(world.inside / "z.zip", "w") as file:
        file.writestr("a.txt", "x")


@pytest.fixture
def world(house: Any, tmp_path: Path) -> AttackWorld:
    return build_world(house, tmp_path)


def test_every_route_of_files_has_a_row(world: AttackWorld) -> None:
    rules = {
        f"{method} {rule.rule}"
        for rule in world.house.app.url_map.iter_rules()
        if rule.rule.startswith(("/api/files", "/api/resources", "/api/raw", "/api/usage"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    listed = {row.partition(" (")[0] for row in table()}
    assert sorted(rules - listed) == []
    heads = {"HEAD /api/files/uploads/<name>"}
    assert sorted({row for row in listed if "/dav/" not in row} - rules - heads) == []
    assert sorted(set(table()) - {ask.row for ask in all_requests()} - ELSEWHERE) == []


@pytest.mark.parametrize("ask", all_requests(), ids=lambda ask: ask.row)
def test_a_route_takes_what_it_says_and_no_more(
    world: AttackWorld, ask: FileRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = needed_rights(ask.row)
    fresh(world)
    for group in groups:
        monkeypatch.setattr(caller_rights, "RIGHTS", {AccessScope.OWNER: ALL_RIGHTS - group})
        assert is_denied(ask.send(world)), group
    enough = frozenset(min(group) for group in groups)
    monkeypatch.setattr(caller_rights, "RIGHTS", {AccessScope.OWNER: enough})
    assert not is_denied(ask.send(world))


def is_denied(answer: Any) -> bool:
    """Whether the right was missing: also of a property alone, in a Multi-Status."""
    inner = answer.status_code == 207 and b" 403 " in answer.data
    return answer.status_code == FORBIDDEN or inner


def test_every_guise(build: Any, tmp_path: Path) -> None:
    tokens = {AccessScope.READ: "token-of-a-reader", AccessScope.GENERATE: "token-of-a-painter",
              AccessScope.METRICS: "token-of-a-meter"}  # fmt: skip
    narrow = [one for scope, token in tokens.items() for one in narrow_tokens(scope, [token])]
    house = build(build_credentials("owner-token-x", (("ann", "pw1"),), narrow=tuple(narrow)))
    world = build_world(house, tmp_path)
    user = "Basic " + base64.b64encode(b"ann:pw1").decode()
    guises = [(None, frozenset()), (tokens[AccessScope.GENERATE], frozenset())]
    guises += [(tokens[AccessScope.METRICS], frozenset()), (tokens[AccessScope.READ], READ_RIGHTS)]
    guises += [(user, ALL_RIGHTS), ("owner-token-x", ALL_RIGHTS)]
    for ask in all_requests():
        for credential, rights in guises:
            fresh(world)
            answer = ask_with_credential(world, ask, credential)
            status = FORBIDDEN if is_denied(answer) else answer.status_code
            may = all(group & rights for group in needed_rights(ask.row))
            scoped = ask.method in ("GET", "HEAD") and "/uploads" not in ask.row
            if credential is None:
                assert status == 401, ask.row
            elif not may or (not rights):
                assert status == 403, (ask.row, credential)
            elif rights == ALL_RIGHTS or (scoped and "/shares" not in ask.row):
                assert status not in (401, 403), (ask.row, credential)


def ask_with_credential(world: AttackWorld, ask: FileRequest, credential: str | None) -> Any:
    """The answer to somebody with this credential."""
    given = dict(ask.options)
    headers = dict(given.pop("headers", {}))
    if credential:
        headers["Authorization"] = credential
    answer = world.house.app.test_client().open(
        ask.url, method=ask.method, headers=headers, **given
    )
    answer.close()
    return answer


def elsewhere(ask: FileRequest, tree: str) -> FileRequest:
    """The same request for a path in another tree."""

    def move_paths(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: move_paths(each) for key, each in value.items()}
        if isinstance(value, list):
            return [move_paths(each) for each in value]
        return value.replace("/data/work", f"/{tree}/work") if isinstance(value, str) else value

    return FileRequest(ask.row, move_paths(ask.url), move_paths(ask.options))


def test_a_read_only_tree_is_not_written(build: Any, tmp_path: Path) -> None:
    shared = tmp_path / "shared" / "work"
    (shared / "sub").mkdir(parents=True)
    (shared / "a.txt").write_bytes(b"letters")
    (shared / "p.png").write_bytes(PIXEL)
    world = build_world(build(browse_roots=(("shared", tmp_path / "shared", False),)), tmp_path)
    before = sorted(str(each) for each in shared.rglob("*"))
    for ask in all_requests():
        writes = {Right.CREATE, Right.MODIFY, Right.DELETE} & set().union(*needed_rights(ask.row))
        if not writes or ("path" not in str(ask.options) + ask.url and "/dav" not in ask.url):
            continue
        answer = elsewhere(ask, "shared").send(world)
        assert is_denied(answer) or answer.status_code in (404, 409), ask.row
    assert sorted(str(each) for each in shared.rglob("*")) == before
    assert (shared / "a.txt").read_bytes() == b"letters"


def test_foreign_trees_are_as_absent_as_unknown_ones(build: Any, tmp_path: Path) -> None:
    """A visit that has lost a tree is told of it no more than of one that never was."""
    others = tmp_path / "others"
    (others / "work" / "sub").mkdir(parents=True)
    (others / "work" / "a.txt").write_bytes(b"theirs")
    world = build_world(build(), tmp_path)
    for ask in all_requests():
        first, second = (elsewhere(ask, tree).send(world) for tree in ("others", "never-was"))
        assert first.status_code == second.status_code, ask.row
        if "/data/work" in ask.url:
            assert first.status_code in (404, 409), (ask.row, first.status_code)
        assert b"theirs" not in first.data
