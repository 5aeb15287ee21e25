"""Days and months of UTC, by which usage is counted and bounded: "2026-11-30"."""

from datetime import UTC, date, datetime, timedelta


def date_of(seconds: float) -> date:
    """The day that a time is in; unix seconds."""
    return datetime.fromtimestamp(seconds, UTC).date()


def day_of(seconds: float) -> str:
    """The same as text."""
    return date_of(seconds).isoformat()


def start_of_day(day: str) -> float:
    """When a day begins, in unix seconds."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def next_day(day: str) -> str:
    """The day after."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def first_of_month(seconds: float, months: int = 0) -> str:
    """The first day of the month that a time is in, or of one that is so many months later."""
    today = date_of(seconds)
    number = today.year * 12 + today.month - 1 + months
    return f"{number // 12:04}-{number % 12 + 1:02}-01"
