"""Reports of the ledger: sums by user, group, model, device or day, and costs. No Flask."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import sqlalchemy as sa

from webapp.accounts.audit import csv_line
from webapp.accounts.database import storable
from webapp.errors import Refused
from webapp.ledger.ledger import FIGURES, Ledger, Usage, to_usage
from webapp.ledger.prices import NO_PRICES, Billed, PriceList
from webapp.ledger.schema import days
from webapp.ledger.usage_query import COLUMNS, Query

MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class ReportRow:
    """Sums of what has the same ``names``, one for each of ``Query.by``."""

    names: tuple[str, ...]
    usage: Usage
    cost: float

    def to_json(self, by: Sequence[str]) -> dict[str, object]:
        """The row as an object."""
        figures = {name: _rounded(figure) for name, figure in asdict(self.usage).items()}
        return {**dict(zip(by, self.names, strict=False)), **figures, "cost": round(self.cost, 6)}


@dataclass(frozen=True, slots=True)
class Report:
    """Rows, the dearest first where they are not by day; their sum; and what workers measured.

    ``busy_seconds``: None where not everything is asked for. It should be the sum of the total's
    billed and unbilled seconds.
    """

    query: Query
    currency: str
    rows: tuple[ReportRow, ...]
    total: ReportRow
    busy_seconds: float | None


def make_report(
    ledger: Ledger, query: Query, prices: PriceList = NO_PRICES, billed: Billed = "device"
) -> Report:
    """The report that a query asks for. Raises ``Refused`` for one of too many rows."""
    sums: dict[tuple[str, ...], ReportRow] = {}
    for names, device, day, usage in _read_days(ledger, query, with_prices=bool(prices.prices)):
        seconds = usage.gpu_seconds if billed == "device" else usage.drawing_seconds
        cost = seconds * prices.price_of(device, day)
        known = sums.get(names, ReportRow(names, Usage(), 0.0))
        sums[names] = ReportRow(names, known.usage + usage, known.cost + cost)
        if len(sums) > MAX_ROWS:
            raise Refused(
                f"The report has more than {MAX_ROWS:,} rows: ask for fewer days, or for less "
                "than " + ",".join(query.by) + "."
            )
    rows = sorted(sums.values(), key=lambda row: _rank(query, row))
    total = ReportRow((), Usage(), 0.0)
    for row in rows:
        total = ReportRow((), total.usage + row.usage, total.cost + row.cost)
    busy = None
    if query.user is None and query.group is None:
        end = query.period.last + timedelta(days=1)
        busy = ledger.busy_seconds(query.period.first.isoformat(), end.isoformat())
    return Report(query, prices.currency, tuple(rows), total, busy)


def _rank(query: Query, row: ReportRow) -> tuple[object, ...]:
    if "day" in query.by:
        return (row.names[query.by.index("day")], row.names)
    return (-row.cost, -row.usage.gpu_seconds, row.names)


def _read_days(
    ledger: Ledger, query: Query, *, with_prices: bool
) -> Iterator[tuple[tuple[str, ...], str, str, Usage]]:
    """Sums of days: names, device, day, usage. Devices and days are told apart for prices alone."""
    own = [days.c[COLUMNS[name]] for name in query.by]
    told = [days.c.device, days.c.day] if with_prices else []
    sums = [sa.func.sum(days.c[name]) for name in FIGURES]
    period = query.period
    wanted: list[sa.ColumnElement[bool]] = [
        days.c.day.between(period.first.isoformat(), period.last.isoformat())
    ]
    for column, name in ((days.c.user, query.user), (days.c.user_group, query.group)):
        if name is not None:
            wanted.append(column == storable(name, 64))
    grouped = [*own, *(column for column in told if column not in set(own))]
    statement = sa.select(*own, *told, *sums).where(*wanted).group_by(*grouped)
    with ledger.database.read() as connection:
        for row in connection.execute(statement):
            names, rest = tuple(map(str, row[: len(own)])), row[len(own) :]
            device, day = (str(rest[0]), str(rest[1])) if told else ("", "")
            yield names, device, day, to_usage(rest[len(told) :])


def report_json(report: Report) -> dict[str, object]:
    """The answer of ``GET /api/v1/usage``."""
    by, period = report.query.by, report.query.period
    return {
        "from": period.first.isoformat(),
        "to": period.last.isoformat(),
        "by": list(by),
        "currency": report.currency,
        "rows": [row.to_json(by) for row in report.rows],
        "total": report.total.to_json(()),
        "busy_seconds": None if report.busy_seconds is None else _rounded(report.busy_seconds),
    }


def csv_of(report: Report) -> Iterator[str]:
    """The rows as CSV with a head (RFC 4180); no cell is a formula."""
    by = report.query.by
    yield csv_line((*by, *FIGURES, "cost", "currency"))
    for row in report.rows:
        cells = row.to_json(by)
        yield csv_line((*(str(cell) for cell in cells.values()), report.currency))


def table_of(report: Report) -> Iterator[str]:
    """The rows and their sum as lines for a terminal."""
    by = report.query.by
    shown = ("jobs", "pictures", "gpu_seconds", "queue_seconds", "megapixel_steps",
             "stored_bytes", "unbilled_seconds", "cost")  # fmt: skip
    lines = [[*by, *(name.replace("_", " ") for name in shown)]]
    for row in (*report.rows, report.total):
        cells = row.to_json(by)
        names = [_printable(str(cells[name])) or "-" for name in by] if row.names else ["all"]
        names += [""] * (len(by) - len(names))
        lines.append([*names, *(_figure(cells[name]) for name in shown)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells_of_line = [
            cell.ljust(width) if column < len(by) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells_of_line).rstrip()


def check_line(report: Report) -> str:
    """How the sum compares with what workers measured; "" where that was not asked for."""
    if report.busy_seconds is None:
        return ""
    usage = report.total.usage
    charged = usage.gpu_seconds + usage.unbilled_seconds
    share = f" ({charged / report.busy_seconds:.2%})" if report.busy_seconds else ""
    return f"Workers measured {report.busy_seconds:.1f} s; {charged:.1f} s are charged{share}."


def _rounded(figure: float) -> float:
    return round(figure, 3) if isinstance(figure, float) else figure


def _figure(figure: object) -> str:
    return f"{figure:,.3f}".rstrip("0").rstrip(".") if isinstance(figure, float) else f"{figure:,}"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)
