"""Days of UTC, by which the ledger counts: "2026-11-30"."""

from datetime import UTC, datetime


def day_of(seconds: float) -> str:
    """The day that a time is in; unix seconds."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def start_of_day(day: str) -> float:
    """When a day begins, in unix seconds."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def first_day_kept(months: int, now: float) -> str:
    """The first day of the month that was so many whole months before this one."""
    today = datetime.fromtimestamp(now, UTC)
    number = today.year * 12 + today.month - 1 - months
    return f"{number // 12:04}-{number % 12 + 1:02}-01"
