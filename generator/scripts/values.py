"""The values of a plot's axis, as people type them (contract section 9.6). No torch."""

import csv
import re
from collections.abc import Callable
from itertools import permutations

from generator.errors import BadRequest

MOST_VALUES = 1000
NUMBER = r"\s*([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*"
SPAN = re.compile(rf"^{NUMBER}-{NUMBER}(?:\(\s*([+-]\d*\.?\d+)\s*\)|\[\s*(\d+)\s*\])?\s*$")


def split(text: str) -> list[str]:
    """Comma-separated values, quoted where they hold commas."""
    rows = csv.reader([text.replace("\n", " ")], skipinitialspace=True)
    return [value.strip() for row in rows for value in row]


def whole_numbers(texts: list[str], field: str) -> list[int]:
    """Numbers and spans: ``1-5``, ``1-10 (+2)``, ``1-10 [5]``. Raises :class:`BadRequest`."""
    return [int(number) for number in _numbers(texts, field, int)]


def numbers(texts: list[str], field: str) -> list[float]:
    """The same with fractions."""
    return [float(number) for number in _numbers(texts, field, float)]


def orders(texts: list[str]) -> list[tuple[str, ...]]:
    """Every order of the values."""
    if len(texts) > 6:
        raise BadRequest(f"{len(texts)} parts have more orders than anybody looks at; at most 6.")
    return list(permutations(texts))


def _numbers(texts: list[str], field: str, kind: Callable[[str], float]) -> list[float]:
    found: list[float] = []
    for text in texts:
        if not text:
            continue
        found += _span(text, kind) or [_number(text, field, kind)]
        if len(found) > MOST_VALUES:
            raise BadRequest(f"{field}: more than {MOST_VALUES} values.", "script_args")
    return found


def _number(text: str, field: str, kind: Callable[[str], float]) -> float:
    try:
        return kind(text)
    except ValueError:
        word = "a whole number" if kind is int else "a number"
        raise BadRequest(f"{field}: {text!r} is not {word}.", "script_args") from None


def _span(text: str, kind: Callable[[str], float]) -> list[float]:
    """The numbers of a span; nothing for a text that is none."""
    match = SPAN.match(text)
    if match is None:
        return []
    try:
        first, last = kind(match[1]), kind(match[2])
        step = kind(match[3]) if match[3] else kind("1")
        steps = (last - first) / step
    except (ValueError, OverflowError, ZeroDivisionError):
        return []
    if match[4]:
        return _between(first, last, min(int(match[4][:9]), MOST_VALUES))
    if not abs(steps) <= MOST_VALUES:  # also where it is no number
        return []
    return [first + step * index for index in range(int(steps + 1e-9) + 1)]


def _between(first: float, last: float, count: int) -> list[float]:
    """``count`` numbers from ``first`` to ``last``, evenly apart."""
    steps = max(count - 1, 1)
    return [first + (last - first) * index / steps for index in range(count)]
