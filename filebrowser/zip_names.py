"""Guesses the encoding of zip entry names without an encoding flag, from all names together.

By the standard such names are in cp437, DOS' American alphabet; people's programs write them in the
system's own: UTF-8, GBK in China, Shift-JIS in Japan, cp1252 in the west. One archive has one
packer, so all its names vote: each sign counts for or against an encoding by how usual it is there.
Where none is likely the standard holds.
"""

import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from filebrowser.zip_times import extra_fields

STANDARD_ENCODING = "cp437"
UNICODE_PATH = (
    0x7075  # Info-ZIP's extra field: the name in UTF-8, and the checksum of the other one
)
IMPOSSIBLE_SCORE = -6.0  # a name that is none in an encoding
Weigh = Callable[[str, bytes], float]


def decode_name(name: bytes, encoding: str) -> str:
    """A name in this encoding; in the standard's where it is none in that."""
    try:
        return name.decode(encoding)
    except UnicodeDecodeError:
        return name.decode(STANDARD_ENCODING)


def unicode_name(name: bytes, extra: bytes) -> str | None:
    """The name in UTF-8 that some packers put beside the other one."""
    data = dict(extra_fields(extra)).get(UNICODE_PATH, b"")
    if len(data) < 6 or data[0] != 1 or data[1:5] != zlib.crc32(name).to_bytes(4, "little"):
        return None
    try:
        return data[5:].decode()
    except UnicodeDecodeError:
        return None


def guess_encoding(names: Sequence[bytes]) -> str:
    """The likeliest encoding of all ``names``: utf-8, gbk, cp932, cp1252 or cp437."""
    telling = [name for name in names if not name.isascii()]
    scores = {encoding: _score(telling, encoding) for encoding in WEIGHTS}
    best = max(scores, key=scores.__getitem__)  # of equals the first
    return best if scores[best] > 0 else STANDARD_ENCODING


def _score(names: Sequence[bytes], encoding: str) -> float:
    return sum(_score_of(name, encoding) for name in names)


def _score_of(name: bytes, encoding: str) -> float:
    try:
        text = name.decode(encoding)
    except UnicodeDecodeError:
        return IMPOSSIBLE_SCORE
    return sum(_score_of_run(*run, encoding) for run in _foreign_runs(text))


def _foreign_runs(text: str) -> Iterator[tuple[str, str, str]]:
    """Signs beyond ASCII that stand together, with the letters before and behind them."""
    start = None
    for at, sign in enumerate(text + "\0"):
        if not sign.isascii():
            start = at if start is None else start
        elif start is not None:
            yield text[max(0, start - 1) : start], text[start:at], text[at : at + 1]
            start = None


def _score_of_run(before: str, run: str, behind: str, encoding: str) -> float:
    if encoding in ("cp1252", "cp437"):
        return _score_western(before, run, behind)
    weigh = WEIGHTS[encoding]
    score = sum(weigh(sign, sign.encode(encoding)) for sign in run)
    # One sign amid Latin letters is more often an accented letter and what follows it.
    alone = len(run) == 1 and (before.isalpha() or behind.isalpha())
    return score / 4 if alone and score > 0 and encoding != "utf-8" else score


def _score_western(before: str, run: str, behind: str) -> float:
    """Accented letters stand among plain ones, small ones together, a capital before others."""
    alone = len(run) == 1
    if set(run) <= SMALL:
        if not (before.isalpha() or behind.isalpha()) or (before.islower() and behind.isupper()):
            return 0.5 * len(run)
        return sum(map(_score_small_letter, before + run, run))
    if alone and run in CAPITALS and not before.islower():
        return 2.0 if behind.isalpha() else 0.25
    if alone and run in MARKS:
        return 1.0
    if run[0] in CAPITALS and set(run[1:]) <= SMALL and not before.isalpha():
        return 1.0 * len(run) if behind.isalpha() else 0.0
    return -1.0 * len(run)


def _score_small_letter(before: str, sign: str) -> float:
    """One byte is "ß" in one alphabet and "á" in the other; only one follows vowels."""
    if sign == "ß":
        return 3.0 if before in VOWELS else -1.0
    return 1.0 if sign in "šž" or (sign == "á" and before in VOWELS) else 3.0


def _score_utf8(sign: str, data: bytes) -> float:
    """Three bytes that fit are no chance; two may be a sign of GBK, and are of no common script."""
    if unicodedata.category(sign) in ("Cn", "Co", "Cc"):
        return IMPOSSIBLE_SCORE
    if len(data) > 2:
        return 12.0
    if "\u05d0" <= sign <= "\u05ea":
        return 3.5
    return 5.0 if any(first <= sign <= last for first, last in COMMON) else 1.0


def _score_gbk(sign: str, data: bytes) -> float:
    """GB 2312's first level is what people write; what GBK added is rare."""
    lead, trail = data[0], data[-1]
    if trail >= 0xA1 and 0xB0 <= lead <= 0xD7:
        return 4.0
    if trail >= 0xA1 and lead >= 0xD8:
        return 2.0
    if trail >= 0xA1 and 0xA1 <= lead <= 0xA3:
        return 2.0
    return -1.0 if trail >= 0x80 else -2.0


def _score_shift_jis(sign: str, data: bytes) -> float:
    """Kana, then JIS' first level; half-width kana are what Chinese looks like."""
    if len(data) == 1:
        return 0.3 if 0xA1 <= data[0] <= 0xDF else -3.0
    code = data[0] << 8 | data[1]
    if 0x829F <= code <= 0x8396:
        return 5.0
    if 0x889F <= code <= 0x9872:
        return 4.0
    if 0x8140 <= code <= 0x81AC or 0x824F <= code <= 0x829A:
        return 1.0
    return 1.0 if 0x989F <= code <= 0xEAA4 else -3.0


SMALL = frozenset("éüâäàåçêëèïîìôöòûùÿáíóúñßãõøæœšž")
CAPITALS = frozenset("ÄÅÉÆÖÜÑÇÀÁÂÃÈÊËÌÍÎÏÒÓÔÕØÙÚÛ")
MARKS = frozenset("’‘–—“”«»¿¡°ªº©®ŠŽ")
VOWELS = frozenset("aeiouyäöüAEIOUYÄÖÜ")
COMMON = (
    *(("\xc0", "\u017f"), ("\u0300", "\u0345"), ("\u0391", "\u03c9"), ("\u0401", "\u0401")),
    *(("\u0410", "\u044f"), ("\u0451", "\u0451"), ("\u0620", "\u064a")),
)
"""Latin, its accents, Greek, Russian, Arabic: the letters of two bytes that names are made of."""

WEIGHTS: Mapping[str, Weigh] = MappingProxyType(
    {
        "utf-8": _score_utf8,
        "gbk": _score_gbk,
        "cp932": _score_shift_jis,
        "cp1252": _score_utf8,
        "cp437": _score_utf8,
    }
)
"""How usual a sign is, by encoding; western letters are weighed by what is around them."""
