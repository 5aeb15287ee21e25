"""Parses search queries: words, "phrases", ``field:value``, ``-`` to exclude.

One pass over the text and no patterns of the caller's own, so that no question takes longer than
its length. docs/files.md lists the fields.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import MappingProxyType

from filebrowser.errors import BadSearch
from filebrowser.index.fts_text import to_storable
from filebrowser.listing.file_kinds import FileKind

MAX_QUERY_LENGTH = 1000  # characters
MAX_TERMS = 32
TERM = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"?|(\S+))')
SIZE = re.compile(r"(\d{1,12})(?:\.(\d{1,6}))?\s*([kmgt]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)
NUMBER = re.compile(r"\d{1,18}", re.ASCII)
POWERS = MappingProxyType({"": 0, "k": 1, "m": 2, "g": 3, "t": 4})
SIGNS = (">=", "<=", ">", "<")

Span = tuple[int | None, int | None]
"""From the first, included, to the second, left out; None: no end."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. ``field`` is "" for words; ``whole``: in quotes."""

    field: str
    value: str
    whole: bool = False
    negated: bool = False
    span: Span = (None, None)


def parse_query(text: str, now: datetime | None = None) -> tuple[Term, ...]:
    """The conditions of ``text``, all of which must hold.

    Raises :class:`BadSearch` naming what cannot be understood. An unknown field is no field but a
    word, as in the weights of prompts, ``(cat:1.2)``.
    """
    if len(text) > MAX_QUERY_LENGTH:
        raise BadSearch(f"q has {len(text)} characters, at most {MAX_QUERY_LENGTH} are read.")
    terms: list[Term] = []
    for minus, name, quoted, bare in TERM.findall(to_storable(text)):
        if len(terms) == MAX_TERMS:
            raise BadSearch(f"q has more than {MAX_TERMS} conditions.")
        field, value = name.lower(), quoted or bare
        if field and field not in FIELDS:
            field, value = "", f"{name} {value}"
        span = (
            RANGE_FIELDS[field](field, value, now or datetime.now())
            if field in RANGE_FIELDS
            else (None, None)
        )
        if field == "kind":
            value = _parse_kinds(value)
        terms.append(Term(field, value, bool(quoted), bool(minus), span))
    return tuple(terms)


def _parse_kinds(value: str) -> str:
    wanted = [part.lower() for part in value.split(",") if part]
    unknown = [part for part in wanted if part not in list(FileKind)]
    if unknown or not wanted:
        raise BadSearch(f"kind: is one of {', '.join(FileKind)}, not {value[:40]!r}.")
    return ",".join(wanted)


def _range_reader(
    parse_one: Callable[[str, datetime], tuple[int, int]], form: str
) -> "RangeReader":
    """A reader of spans: ``a``, ``a..b``, ``>a``, ``>=a``, ``<a``, ``<=a``."""

    def read(field: str, value: str, now: datetime) -> Span:
        try:
            first, dots, last = value.partition("..")
            if dots:
                return (
                    parse_one(first, now)[0] if first else None,
                    parse_one(last, now)[1] if last else None,
                )
            sign = next((sign for sign in SIGNS if value.startswith(sign)), "")
            low, high = parse_one(value.removeprefix(sign), now)
        except (ValueError, OverflowError):
            raise BadSearch(f"{field}: takes {form}, not {value[:40]!r}.") from None
        return {
            "": (low, high),
            ">=": (low, None),
            ">": (high, None),
            "<": (None, low),
            "<=": (None, high),
        }[sign]

    return read


def _number_range(text: str, _: datetime) -> tuple[int, int]:
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text), int(text) + 1


def _size_range(text: str, _: datetime) -> tuple[int, int]:
    """ "1.5mb" is from 1.5 to less than 1.6 times 1024 x 1024 bytes."""
    match = SIZE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    integer, part, unit = match[1], match[2] or "", POWERS[match[3].lower()]
    step, scale = 1024**unit, 10 ** len(part)
    count = int(integer + part)
    return count * step // scale, max((count + 1) * step // scale, count * step // scale + 1)


def _date_range(text: str, now: datetime) -> tuple[int, int]:
    """A year, a month or a day of the server's own time, in nanoseconds since 1970."""
    if text.lower() in ("today", "yesterday"):
        first = now.date() - timedelta(days=text.lower() == "yesterday")
        return _to_nanoseconds(first), _to_nanoseconds(first + timedelta(days=1))
    match = DATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day = int(match[1]), int(match[2] or 1), int(match[3] or 1)
    first = date(year, month, day)
    if match[3]:
        after = first + timedelta(days=1)
    elif match[2]:
        after = date(year + month // 12, month % 12 + 1, 1)
    else:
        after = date(year + 1, 1, 1)
    return _to_nanoseconds(first), _to_nanoseconds(after)


def _to_nanoseconds(day: date) -> int:
    return int(datetime.combine(day, time()).timestamp()) * 1_000_000_000


RangeReader = Callable[[str, str, datetime], Span]
NUMBER_READER = _range_reader(_number_range, "a number, >n, <n or n..m")
RANGE_FIELDS: Mapping[str, RangeReader] = MappingProxyType(
    {
        "seed": NUMBER_READER,
        "width": NUMBER_READER,
        "height": NUMBER_READER,
        "size": _range_reader(_size_range, "a size such as 300kb, >1mb or 1mb..2mb"),
        "date": _range_reader(
            _date_range, "2026, 2026-11, 2026-11-05, today, >=2026-11 or 2026-10..2026-11"
        ),
    }
)
FIELDS = frozenset(
    {"prompt", "negative", "name", "path", "kind", "model", "lora", "sampler", *RANGE_FIELDS}
)
