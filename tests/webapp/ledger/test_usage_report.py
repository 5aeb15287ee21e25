"""Reports, prices and what cannot be asked for."""

import csv
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.webapp.ledger.sample_charges import CHARGE, NOON
from webapp.errors import Refused
from webapp.ledger import report as report_module
from webapp.ledger.ledger import Ledger
from webapp.ledger.prices import BadPrices, PriceList, read_prices
from webapp.ledger.report import check_line, csv_of, make_report, report_json, table_of
from webapp.ledger.usage_query import (
    BadPeriod,
    Period,
    Query,
    parse_by,
    parse_day,
    parse_month,
    this_month,
)
from webapp.queues.contracts.charges import BusyTime, Outcome

NOVEMBER = parse_month("2026-11")
PRICES = {
    "currency": "EUR",
    "prices": [
        {"device": "cuda:*", "per_second": 0.1},
        {"device": "cuda:0@*", "per_second": 0.2, "from": "2026-11-11"},
    ],
}


@pytest.fixture
def prices(tmp_path: Path) -> PriceList:
    """A price that rose on the 11th."""
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES))
    return read_prices(path)


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """Some jobs of two users on two days and devices."""
    ledger.record_all([
        CHARGE,
        replace(CHARGE, job="2", ended_at=NOON + 86400, model="other"),
        replace(CHARGE, job="3", user="=bob()", device="cpu@host", gpu_seconds=0.5),
        replace(CHARGE, job="4", outcome=Outcome.LOST, gpu_seconds=3.0),
        replace(CHARGE, job="5", ended_at=NOON + 40 * 86400),
    ])  # fmt: skip
    ledger.record_busy([BusyTime("w", "2026-11-10", "cuda:0@host", 23.4)])
    return ledger


def test_by_user_with_prices_of_the_day(filled: Ledger, prices: PriceList) -> None:
    told = report_json(make_report(filled, Query(NOVEMBER), prices))
    rows = told["rows"]
    assert isinstance(rows, list)
    assert [(row["user"], row["jobs"], row["gpu_seconds"], row["cost"]) for row in rows] == [
        ("ann", 2, 20.0, pytest.approx(10 * 0.1 + 10 * 0.2)), ("=bob()", 1, 0.5, 0.0),
    ]  # fmt: skip
    assert rows[0]["unbilled_seconds"] == 3.0
    assert told["currency"] == "EUR"
    assert (told["from"], told["to"], told["by"]) == ("2026-11-01", "2026-11-30", ["user"])
    assert told["total"] == pytest.approx({
        "jobs": 3, "gpu_seconds": 20.5, "drawing_seconds": 24.0, "queue_seconds": 6.0,
        "pictures": 6, "megapixel_steps": 15.0, "stored_bytes": 3000, "unbilled_jobs": 1,
        "unbilled_seconds": 3.0, "cost": 3.0,
    })  # fmt: skip
    assert told["busy_seconds"] == 23.4


def test_what_is_billed_may_be_drawing_alone(filled: Ledger, prices: PriceList) -> None:
    report = make_report(filled, Query(NOVEMBER, user="ann"), prices, "drawing")
    assert report.total.cost == pytest.approx(8 * 0.1 + 8 * 0.2)
    assert report.busy_seconds is None
    assert check_line(report) == ""


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("model", {("painter",), ("other",)}),
        ("day", {("2026-11-10",), ("2026-11-11",)}),
        ("group,device", {("studio", "cuda:0@host"), ("studio", "cpu@host")}),
        ("user,model,day", {("ann", "painter", "2026-11-10"), ("ann", "other", "2026-11-11"),
                            ("=bob()", "painter", "2026-11-10")}),
    ],
)  # fmt: skip
def test_by_other_names(
    filled: Ledger, prices: PriceList, by: str, names: set[tuple[str, ...]]
) -> None:
    plain = make_report(filled, Query(NOVEMBER, parse_by(by)))
    assert {row.names for row in plain.rows} == names
    priced = make_report(filled, Query(NOVEMBER, parse_by(by)), prices)
    assert {row.names for row in priced.rows} == names
    assert (plain.total.usage, priced.total.cost) == (priced.total.usage, pytest.approx(3.0))
    if "day" in by:
        days = [row.names[parse_by(by).index("day")] for row in plain.rows]
        assert days == sorted(days)


def test_one_group_alone(filled: Ledger) -> None:
    assert make_report(filled, Query(NOVEMBER, group="studio")).total.usage.jobs == 3
    assert make_report(filled, Query(NOVEMBER, group="other")).rows == ()


def test_csv_without_formulas(filled: Ledger, prices: PriceList) -> None:
    lines = list(csv.DictReader(csv_of(make_report(filled, Query(NOVEMBER), prices))))
    assert [line["user"] for line in lines] == ["ann", "'=bob()"]
    assert (lines[0]["gpu_seconds"], lines[0]["currency"]) == ("20.0", "EUR")


def test_a_table_for_a_terminal(filled: Ledger, prices: PriceList) -> None:
    report = make_report(filled, Query(NOVEMBER, ("user", "model")), prices)
    head, *lines = table_of(report)
    assert head.split()[:4] == ["user", "model", "jobs", "pictures"]
    assert lines[0].split()[:4] == ["ann", "other", "1", "2"]
    assert lines[-1].split()[:3] == ["all", "3", "6"]
    assert check_line(report) == "Workers measured 23.4 s; 23.5 s are charged (100.43%)."


def test_too_many_rows_are_refused(filled: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "MAX_ROWS", 1)
    with pytest.raises(Refused, match="more than 1 rows"):
        make_report(filled, Query(NOVEMBER))


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "now", "", "2026-11-01", "٢٠٢٦-11",
                                  "0000-01", "9999-12", "1999-12"])  # fmt: skip
def test_months_that_are_none(text: str) -> None:
    with pytest.raises(BadPeriod, match="a month such as 2026-11"):
        parse_month(text)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-W01-1", "20261101", "", "x", "2026-11-1"])
def test_days_that_are_none(text: str) -> None:
    with pytest.raises(BadPeriod, match="a day such as"):
        parse_day(text)


def test_periods() -> None:
    assert parse_month("2028-02") == Period(date(2028, 2, 1), date(2028, 2, 29))
    assert parse_month("2026-12").last == date(2026, 12, 31)
    assert this_month(NOON) == Period(date(2026, 11, 1), date(2026, 11, 10))
    for text in ("", "user,user", "job", "user,"):
        with pytest.raises(BadPeriod):
            parse_by(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "Invalid JSON"),
        ("[]", "the file"),
        ('{"prices": [{"per_second": -1}]}', "prices.0.per_second"),
        ('{"prices": [{"per_second": 1e999}]}', "prices.0.per_second"),
        ('{"prices": [{"per_second": 1, "from": "2026-13-01"}]}', "prices.0.from"),
        ('{"prices": [{"per_second": 1, "devise": "x"}]}', "prices.0.devise"),
    ],
)
def test_price_files_that_are_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(BadPrices) as error:
        read_prices(path)
    assert told in str(error.value)
    assert str(tmp_path) not in str(error.value)


def test_a_price_file_that_is_missing_or_huge(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    with pytest.raises(BadPrices, match="No such file"):
        read_prices(path)
    path.write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(BadPrices, match="bytes"):
        read_prices(path)
    assert read_prices(None).price_of("cuda:0@host", "2026-11-10") == 0.0
