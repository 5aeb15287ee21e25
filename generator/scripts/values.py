"""The values of a plot's axis, as people type them (contract section 9.6). No torch."""

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import StringIO
from itertools import permutations
from math import factorial, floor, isfinite

from generator.errors import BadRequest

FIELD = "script_args"
MOST_VALUES = 1000  # of an axis
LONGEST = 200_000  # characters of all values
LONGEST_NUMBER = 200  # characters of a number or a span
NUMBER = r"\s*([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*"
STEP = r"[+-](?:\d+(?:\.\d+)?|\.\d+)"
SPAN = re.compile(rf"^{NUMBER}-{NUMBER}(?:\(\s*({STEP})\s*\)|\[\s*(\d+)\s*\])?\s*$")


def split_values(text: str) -> list[str]:
    """Values between commas or on lines of their own, quoted where they hold commas or lines.

    A comma at the end of a line, before another line, ends no value of its own.
    Raises :class:`BadRequest` for a text that is too long to be typed.
    """
    if len(text) > LONGEST:
        raise BadRequest(
            f"{len(text):,} characters of values; at most {LONGEST:,}.",
            FIELD,
            "too_long",
            length=len(text),
            most=LONGEST,
        )
    plain = StringIO(text.strip().replace("\r\n", "\n").replace("\0", " "), newline="")
    try:
        rows = [row for row in csv.reader(plain, skipinitialspace=True) if row]
        rows[:-1] = [row[:-1] if not row[-1].strip() else row for row in rows[:-1]]
        return [value.strip() for row in rows for value in row]
    except csv.Error as error:
        raise BadRequest(
            "The values cannot be read: a quote in them is not closed, or misplaced.",
            FIELD,
            "invalid_value",
        ) from error


def join(texts: Iterable[str]) -> str:
    """A text that :func:`split_values` takes apart into ``texts``."""
    written = StringIO(newline="")
    csv.writer(written).writerow(texts)
    return written.getvalue().strip()


def count_values(texts: list[str], field: str, kind: Callable[[str], float] | None) -> int:
    """How many values these are; ``kind`` is of numbers, None of texts.

    Raises :class:`BadRequest` where they are more than one axis may have.
    """
    total = len(texts)
    if kind is not None:
        total = sum(_count_text(text, field, kind) for text in texts if text)
    _check_count(total, field)
    return total


def count_orders(texts: list[str]) -> int:
    """How many orders the texts have. Raises :class:`BadRequest` for too many."""
    if len(texts) > 6:
        raise BadRequest(
            f"{len(texts):,} parts have more orders than anybody looks at; at most 6.",
            FIELD,
            "too_many",
            count=len(texts),
            most=6,
        )
    return factorial(len(texts))


def _check_count(number: int, field: str) -> None:
    if number > MOST_VALUES:
        number_text = f"{number:,}" if number < 10**15 else f"{number:.3g}"
        raise BadRequest(
            f"{field}: {number_text} values; at most {MOST_VALUES:,}.",
            FIELD,
            "too_many",
            count=number,
            most=MOST_VALUES,
            label=field,
        )


def parse_whole_numbers(texts: list[str], field: str) -> list[int]:
    """Numbers and spans: ``1-5``, ``1-10 (+2)``, ``1-10 [5]``. Raises :class:`BadRequest`."""
    return [int(number) for number in _parse_numbers(texts, field, int)]


def parse_numbers(texts: list[str], field: str) -> list[float]:
    """The same with fractions."""
    return [float(number) for number in _parse_numbers(texts, field, float)]


def parse_orders(texts: list[str]) -> list[tuple[str, ...]]:
    """Every order of the values."""
    count_orders(texts)
    return list(permutations(texts))


def _parse_numbers(texts: list[str], field: str, kind: Callable[[str], float]) -> list[float]:
    parsed: list[float] = []
    for text in texts:
        if not text:
            continue
        parsed += _expand_span(text, field, kind) or [_parse_number(text, field, kind)]
        _check_count(len(parsed), field)
    return parsed


def _parse_number(text: str, field: str, kind: Callable[[str], float]) -> float:
    try:
        if len(text) > LONGEST_NUMBER:
            raise ValueError
        return kind(text)
    except ValueError:
        word = "a whole number" if kind is int else "a number"
        raise BadRequest(
            f"{field}: {text[:80]!r} is not {word}.",
            FIELD,
            "wrong_type",
            value=text,
            expected="int" if kind is int else "number",
            label=field,
        ) from None


def _count_text(text: str, field: str, kind: Callable[[str], float]) -> int:
    """How many numbers a text stands for; they are not made."""
    span = _read_span(text, kind)
    if span is None:
        return 1
    _check_count(span.count, field)
    return span.count


@dataclass(frozen=True, slots=True)
class ValueSpan:
    """``first`` to ``last``: so many numbers, ``step`` apart; of None they are spread evenly."""

    first: float
    last: float
    count: int
    step: float | None = None


def _read_span(text: str, kind: Callable[[str], float]) -> ValueSpan | None:
    """A span; None for a text that is none."""
    match = SPAN.match(text) if len(text) <= LONGEST_NUMBER else None
    if match is None:
        return None
    try:
        first, last = kind(match[1]), kind(match[2])
        step = kind(match[3]) if match[3] else kind("1")
        if match[4]:
            return ValueSpan(first, last, int(match[4]))
        steps = (last - first) / step
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    return (
        ValueSpan(first, last, max(floor(steps + 1e-9) + 1, 0), step) if isfinite(steps) else None
    )


def _expand_span(text: str, field: str, kind: Callable[[str], float]) -> list[float]:
    """The numbers of a span; nothing for a text that is none."""
    span = _read_span(text, kind)
    if span is None:
        return []
    _check_count(span.count, field)
    if span.step is None:
        return _spread_evenly(span.first, span.last, span.count)
    return [span.first + span.step * index for index in range(span.count)]


def _spread_evenly(first: float, last: float, count: int) -> list[float]:
    """``count_values`` numbers from ``first`` to ``last``, evenly apart."""
    steps = max(count - 1, 1)
    return [first + (last - first) * index / steps for index in range(count)]
