"""Normalises texts for the index and queries for SQLite's full-text search.

Its tokenizer makes words of letters and digits, whatever their case and accents. Chinese, Japanese
and Korean put no spaces between words: each of their characters becomes a word, and what stood
together is asked for as a phrase.
"""

import re
import unicodedata

ZERO_WIDTH_SPACE = (
    "\u200b"  # a space of no width: parts words, is seen by nobody, and can be taken out
)
CJK_PATTERN = re.compile(
    "([\u2e80-\u303f\u3040-\u30ff\u3100-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff])"
)
WORD_SEAMS = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])"
)
MAX_TEXT_LENGTH = 20_000  # characters of one text that are kept


def to_storable(text: str) -> str:
    """``text`` without what SQLite does not take: zeros, and halves of characters."""
    return text.replace("\0", " ").encode(errors="replace").decode()


def separate_cjk(text: str) -> str:
    """``text`` with its unspaced scripts taken apart."""
    plain = unicodedata.normalize(
        "NFKC", to_storable(text[:MAX_TEXT_LENGTH]).replace(ZERO_WIDTH_SPACE, "")
    )
    return (
        plain
        if plain.isascii()
        else CJK_PATTERN.sub(rf"{ZERO_WIDTH_SPACE}\1{ZERO_WIDTH_SPACE}", plain)
    )


def join_cjk(text: str) -> str:
    """What :func:`separate_cjk` took apart."""
    return text.replace(ZERO_WIDTH_SPACE, "")


def with_word_parts(name: str) -> str:
    """A name and the words in it: "DreamShaper_v8" is found by shaper and by 8 too."""
    parts = WORD_SEAMS.sub(" ", name)
    return separate_cjk(name if parts == name else f"{name} {parts}")


def fts_phrase(text: str, *, exact: bool) -> str:
    """The full-text expression for ``text``: its words one after the other; "" if it has none.

    The last may go on, unless it is asked for as a ``whole`` or is a single character.
    """
    separated = separate_cjk(text).replace('"', " ")
    words = [word for word in re.split(r"[\W_]+", separated) if word]
    if not words:
        return ""
    is_prefix = not exact and len(words[-1]) > 1
    return f'"{" ".join(words)}"{" *" if is_prefix else ""}'
