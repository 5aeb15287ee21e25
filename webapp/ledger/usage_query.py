"""What a report of the ledger may be asked for: days, names, whose. No Flask, no SQLAlchemy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

COLUMNS: Mapping[str, str] = {
    "user": "user", "group": "user_group", "model": "model", "device": "device", "day": "day",
}  # fmt: skip
"""What a report may be by, and the columns of that."""

ISO_DAY, ISO_MONTH = re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"\d{4}-\d\d")
FIRST_YEAR = 2000


class BadPeriod(Exception):
    """A month or day that is none; the text says what is expected."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days from ``first`` to ``last``, both of them included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. ``user`` and ``group``: of these alone; None: of all."""

    period: Period
    by: tuple[str, ...] = ("user",)
    user: str | None = None
    group: str | None = None


def parse_month(text: str) -> Period:
    """A month, "2026-11". Raises :class:`BadPeriod`."""
    if not ISO_MONTH.fullmatch(text):
        raise BadPeriod("a month such as 2026-11 is expected")
    first = parse_day(f"{text}-01", "a month such as 2026-11 is expected")
    return Period(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def parse_day(text: str, expected: str = "a day such as 2026-11-30 is expected") -> date:
    """A day. Raises :class:`BadPeriod`."""
    try:
        day = date.fromisoformat(text if ISO_DAY.fullmatch(text) and text.isascii() else "")
    except ValueError:
        raise BadPeriod(expected) from None
    if not FIRST_YEAR <= day.year < 9999:
        raise BadPeriod(expected)
    return day


def this_month(now: float) -> Period:
    """The month so far; days are those of UTC."""
    today = datetime.fromtimestamp(now, UTC).date()
    return Period(today.replace(day=1), today)


def parse_by(text: str) -> tuple[str, ...]:
    """Names with commas between. Raises :class:`BadPeriod`."""
    names = tuple(text.split(","))
    if not set(names) <= set(COLUMNS) or len(set(names)) != len(names):
        raise BadPeriod(f"some of {', '.join(COLUMNS)} are expected, with commas between")
    return names
