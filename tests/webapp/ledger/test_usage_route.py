"""Who may ask what has been used, over HTTP and at the command line."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from webapp.access.credentials import build_credentials
from webapp.access.scopes import AccessScope
from webapp.access.secret import Secret
from webapp.access.tokens import narrow_tokens
from webapp.ledger.ledger import open_ledger
from webapp.ledger.prices import read_prices
from webapp.ledger.utc_days import start_of_day
from webapp.queues.contracts.charges import Charge
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.usage_command import run_usage

OWNER, PASSWORDS = "token-of-the-owner", (("ann", Secret("ann-s-password")),)
NOON = start_of_day("2026-11-10") + 43200
MONTH = {"month": "2026-11"}


@pytest.fixture
def house(build: Any, tmp_path: Path) -> Any:
    """A house whose ledger knows two users."""
    path = tmp_path / "prices.json"
    path.write_text('{"currency": "EUR", "prices": [{"per_second": 0.5}]}')
    tokens = narrow_tokens(AccessScope.METRICS, ["token-for-metrics"])
    credentials = build_credentials(Secret(OWNER), PASSWORDS, narrow=tokens)
    made = build(credentials, price_file=path, billed="drawing")
    services = made.app.extensions["easel.services"]
    assert services.prices == read_prices(path)
    for name, user in (("1", "ann"), ("2", "ann"), ("3", "bob"), ("4", "=cmd()")):
        charge = Charge(name, "d", user, NOON, 10.0, 4.0, device="cpu@h", model="m", group="g")
        services.ledger.get().record(charge)
    return made


def ask(house: Any, query: Mapping[str, str], who: Mapping[str, str]) -> Any:
    """The answer to a question."""
    return house.client(**who).get("/api/v1/usage", query_string=query)


ADMIN = {"authorization": f"Bearer {OWNER}"}
ANN = {"authorization": "Basic YW5uOmFubi1zLXBhc3N3b3Jk"}


def test_each_sees_its_own_and_the_owner_all(house: Any) -> None:
    mine = ask(house, MONTH, ANN).get_json()
    assert [(row["user"], row["gpu_seconds"], row["cost"]) for row in mine["rows"]] == [
        ("ann", 20.0, 4.0)
    ]
    assert mine["busy_seconds"] is None
    every = ask(house, {**MONTH, "by": "user,model"}, ADMIN)
    assert every.headers["Cache-Control"] == "no-store"
    told = every.get_json()
    assert [(row["user"], row["model"]) for row in told["rows"]] == [
        ("ann", "m"), ("=cmd()", "m"), ("bob", "m"),
    ]  # fmt: skip
    assert (told["total"]["jobs"], told["busy_seconds"], told["currency"]) == (4, 0.0, "EUR")
    assert ask(house, {**MONTH, "user": "bob"}, ADMIN).get_json()["total"]["jobs"] == 1
    assert ask(house, {**MONTH, "group": "g"}, ADMIN).get_json()["total"]["jobs"] == 4
    assert ask(house, {**MONTH, "user": "ann"}, ANN).get_json() == mine


def test_nobody_learns_of_others(house: Any) -> None:
    for query in ({"user": "bob"}, {"user": "nobody"}, {"group": "g"}, {"user": ""}):
        assert ask(house, {**MONTH, **query}, ANN).status_code == 403
    assert ask(house, MONTH, {}).status_code == 401
    assert ask(house, MONTH, {"authorization": "Bearer token-for-metrics"}).status_code == 403


def test_csv(house: Any) -> None:
    answer = ask(house, {**MONTH, "format": "csv", "by": "user,day"}, ADMIN)
    assert answer.content_type == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert [line["user"] for line in lines] == ["'=cmd()", "ann", "bob"]
    assert {line["day"] for line in lines} == {"2026-11-10"}


@pytest.mark.parametrize(
    "query",
    [
        {"month": "2026-13"}, {"month": ""}, {"month": "2026-11", "to": "2026-11-30"},
        {"from": "2026-02-30"}, {"to": "x"}, {"from": "2026-11-02", "to": "2026-11-01"},
        {"by": "job"}, {"by": ""}, {"by": "user,user"}, {"format": "xml"}, {"user": "u" * 65},
        {"month": "\u0662026-11"}, {"month": "9" * 5000},
    ],
)  # fmt: skip
def test_questions_that_are_refused(house: Any, query: Mapping[str, str]) -> None:
    answer = ask(house, query, ADMIN)
    assert answer.status_code == 422
    assert answer.get_json()["detail"][0]["loc"][0] == "query"


def test_days_are_those_from_to_to(house: Any) -> None:
    for query, jobs in (
        ({"from": "2026-11-10", "to": "2026-11-10"}, 4),
        ({"from": "2026-11-11", "to": "2027-01-01"}, 0),
        ({"from": "2026-01-01", "to": "2026-11-09"}, 0),
    ):  # fmt: skip
        assert ask(house, query, ADMIN).get_json()["total"]["jobs"] == jobs
    assert ask(house, {}, ADMIN).status_code == 200


def test_a_ledger_that_cannot_be_opened_is_503(build: Any, tmp_path: Path) -> None:
    house = build(database_url=Secret(f"sqlite:///{tmp_path}/missing/ledger.db"))
    answer = house.client().get("/api/v1/usage")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert str(tmp_path) not in answer.get_data(as_text=True)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In an edition without accounts, with a job that waits in the queue for the ledger."""
    state = tmp_path / "data/.easel"
    state.mkdir(parents=True, mode=0o700)
    ledger = open_ledger(None, state)
    ledger.record(Charge("1", "d", "ann", NOON, 7200.0, device="cuda:0@h", pictures=1500))
    ledger.close()
    store = SqliteStore(state / "queue.db")
    store.put(Frame("2", "generate", b"", owner="bob"))
    lease = store.take(WorkerId("cpu", "h"), (), 0)
    assert lease is not None
    store.answer(lease, Answer(200, b""), 30.0)
    store.close()
    prices = tmp_path / "prices.json"
    prices.write_text(
        json.dumps({"currency": "EUR", "prices": [{"device": "cuda*", "per_second": 0.001}]})
    )
    where = ("--data-dir", str(tmp_path / "data"), "--price-file", str(prices))

    def run(*words: str) -> str:
        assert run_usage(("report", *where, *words), {}) == 0
        return capsys.readouterr().out

    lines = run("--month", "2026-11").splitlines()
    assert lines[0] == "2026-11-01 to 2026-11-30 (UTC), cost in EUR"
    assert lines[2].split() == ["ann", "1", "1,500", "7,200", "0", "0", "0", "0", "7.2"]
    assert "\nbob,cpu@h,1,30.0,30.0," in run("--by", "user,device", "--csv").replace("\r", "")
    assert "bob" not in run("--from", "2026-11-01", "--to", "2026-11-10", "--user", "ann")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--month", "2026-13"), "a month such as 2026-11"),
        (("--by", "x"), "some of user, group"),
        (("--month", "2026-11", "--to", "2026-11-03"), "stands in place"),
        (("--from", "2026-11-03", "--to", "2026-11-01"), "--to is before"),
        (("--price-file", "/nowhere"), "No such file"),
        (("--database-url", "sqlite:////nowhere/x.db"), "cannot be used"),
    ],
)
def test_command_lines_that_are_refused(
    words: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = run_usage(("report", "--data-dir", str(tmp_path / "data"), *words), {})
    except SystemExit as left:  # argparse
        code = int(str(left.code))
    assert code in (1, 2)
    assert told in capsys.readouterr().err
