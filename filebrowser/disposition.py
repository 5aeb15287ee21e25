"""``Content-Disposition`` for names in any script; the only writer of that header.

Source: RFC 6266 with the encoding of RFC 8187 (formerly 5987).
"""

import re
import unicodedata
from urllib.parse import quote

TOKEN = re.compile(r"[!#$&+\-.^_`|~0-9A-Za-z]+")
"""Names that stand without quotes, as RFC 9110 has it, and mean the same to every reader."""

QUOTABLE = re.compile(r"[ !#-$&-\[\]-~]+")
"""Printable ASCII without ``"``, ``\\`` and ``%``, which readers unescape each in its own way."""

ATTR_CHARS = "!#$&+-.^_`|~"
"""What RFC 8187 leaves as it is, beside letters and digits."""


def content_disposition(name: str, *, attachment: bool = True) -> str:
    """The header's value, ASCII alone, for a file that is saved under ``name``.

    A name that is not plain ASCII comes as ``filename*`` in UTF-8; an approximation of it comes
    first, for readers that do not know ``filename*``.
    """
    how = "attachment" if attachment else "inline"
    if TOKEN.fullmatch(name):
        return f"{how}; filename={name}"
    if QUOTABLE.fullmatch(name):
        return f'{how}; filename="{name}"'
    plain = "".join("_" if unicodedata.category(c) in ("Cc", "Cs") else c for c in name)
    exact = quote(plain, safe=ATTR_CHARS)
    return f"{how}; filename=\"{approximation(name)}\"; filename*=UTF-8''{exact}"


def approximation(name: str) -> str:
    """``name`` in ASCII that needs no escapes: accents dropped, ``_`` for every other sign."""
    bare = (c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return "".join(c if QUOTABLE.fullmatch(c) else "_" for c in bare)
