"""Texts as the index keeps them, and questions as SQLite's full-text search takes them.

Its tokenizer makes words of letters and digits, whatever their case and accents. Chinese, Japanese
and Korean put no spaces between words: each of their characters becomes a word, and what stood
together is asked for as a phrase.
"""

import re
import unicodedata

BETWEEN = "\u200b"  # a space of no width: parts words, is seen by nobody, and can be taken out
UNSPACED = re.compile(
    "([\u2e80-\u303f\u3040-\u30ff\u3100-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff])"
)
SEAMS = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])"
)
LONGEST = 20_000  # characters of one text that are kept


def storable(text: str) -> str:
    """``text`` without what SQLite does not take: zeros, and halves of characters."""
    return text.replace("\0", " ").encode(errors="replace").decode()


def spread(text: str) -> str:
    """``text`` with its unspaced scripts taken apart."""
    plain = unicodedata.normalize("NFKC", storable(text[:LONGEST]).replace(BETWEEN, ""))
    return plain if plain.isascii() else UNSPACED.sub(rf"{BETWEEN}\1{BETWEEN}", plain)


def gathered(text: str) -> str:
    """What :func:`spread` took apart."""
    return text.replace(BETWEEN, "")


def with_parts(name: str) -> str:
    """A name and the words in it: "DreamShaper_v8" is found by shaper and by 8 too."""
    parts = SEAMS.sub(" ", name)
    return spread(name if parts == name else f"{name} {parts}")


def phrase(text: str, *, whole: bool) -> str:
    """The full-text expression for ``text``: its words one after the other; "" if it has none.

    The last may go on, unless it is asked for as a ``whole`` or is a single character.
    """
    shown = spread(text).replace('"', " ")
    words = [word for word in re.split(r"[\W_]+", shown) if word]
    if not words:
        return ""
    goes_on = not whole and len(words[-1]) > 1
    return f'"{" ".join(words)}"{" *" if goes_on else ""}'
