"""The ``Destination`` header of COPY and MOVE: percent-decoded once, whatever signs a name has.

wsgidav takes ``;`` and ``?`` in it for the end of the path. They travel through it as control
characters, which no name can hold, and are put back where wsgidav hands a path to us.
"""

import unicodedata
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from wsgidav.dav_error import DAVError

_PLACEHOLDER_BY_SIGN = {ord(";"): "\x01", ord("?"): "\x02", ord("#"): "\x03"}
_SIGN_BY_PLACEHOLDER = {ord(stand_in): chr(sign) for sign, stand_in in _PLACEHOLDER_BY_SIGN.items()}


def read_destination(environ: dict[str, Any]) -> str:
    """The header for wsgidav: the path alone, encoded, with stand-ins for what it would cut off.

    Raises :class:`DAVError` 502 for another host than the one asked, whatever the scheme, and 400
    for what is neither a URL nor a path from the top, a ``?`` or ``#`` that is not encoded, bytes
    that are no UTF-8, control characters and paths that go up.
    """
    header = environ["HTTP_DESTINATION"]
    if "?" in header or "#" in header:
        raise DAVError(400, "Destination: write ? and # in a name as %3F and %23.")
    host, encoded = _split_url(header)
    if host and host.lower() != environ.get("HTTP_HOST", "").lower():
        raise DAVError(502, "Copies and moves stay on this host.")
    try:
        path = unquote_to_bytes(encoded.encode("latin-1")).decode()
    except UnicodeError:
        raise DAVError(400, "Destination: the name is not in UTF-8.") from None
    if not path.startswith("/"):
        raise DAVError(400, "Destination: write a whole URL, or a path that begins with a slash.")
    check_dots(path)
    if any(unicodedata.category(sign) == "Cc" for sign in path):
        raise DAVError(400, "A name holds no control characters.")
    return quote(path.translate(_PLACEHOLDER_BY_SIGN))


def _split_url(url: str) -> tuple[str, str]:
    """The host, "" for none, and the path of a URL or a path."""
    try:
        parsed = urlsplit(url)
    except ValueError:
        raise DAVError(400, "Destination is no URL.") from None
    # urlsplit drops some control characters, which are to be refused.
    path = url[url.index(parsed.netloc) + len(parsed.netloc) :] if parsed.netloc else url
    return parsed.netloc, path


def restore_signs(path: str) -> str:
    """A path from wsgidav as it was asked for."""
    return path.translate(_SIGN_BY_PLACEHOLDER)


def check_dots(path: str) -> None:
    """Refuse what wsgidav would resolve by itself: nobody who means well sends it."""
    if {".", ".."} & set(path.replace("\\", "/").split("/")):
        raise DAVError(400, "A path does not go up.")
