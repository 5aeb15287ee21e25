"""JSON of request bodies, within bounds of time and memory. No Flask.

Python's strings take one, two or four bytes a character, whichever their widest one needs: a long
body with one emoji would take four times its size twice over. Long bodies are decoded so that only
short strings are widened; the interpreter is held for no longer than a moment at a time.
"""

import codecs
import json
import re
from collections.abc import Iterator

from webapp.errors import TooLarge

Body = bytes | bytearray
PIECE_BYTES = 1024 * 1024  # bytes of a body, from which on all this is looked at
MAX_WIDE_STRING = 1024 * 1024  # bytes of a string around its first character beyond ASCII
MAX_WIDE_BYTES = 4 * 1024 * 1024  # bytes of a long body that are not ASCII, or escapes of such
MAX_VALUES = 500_000  # in the JSON of a body; each takes up to a hundred bytes

ESCAPE, QUOTE = b"\\u", b'"'
ASCII = bytes(range(128))
WIDE_BYTES = re.compile(rb"\\u|[\x80-\xff]")
WIDE = re.compile(r"[^\x00-\x7f]+")
STRING = r'(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))'
COMMENT = re.compile(STRING + r"|#[^\n]*+", re.DOTALL)
LAST_COMMA = re.compile(STRING + r"|,(?=\s*+[}\]])", re.DOTALL)
REST_OF_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def strip_comments(text: str) -> str:
    """JSON without ``# ...`` behind its lines and commas before closing brackets.

    The vendor's guide prints its bodies so, and people send them as they are printed. Strings stay
    as they are. "" for a text of more than a MiB, or without any such remark.
    """
    if len(text) > PIECE_BYTES or "#" not in text:
        return ""
    stripped = COMMENT.sub(lambda found: found["string"] or "", text)
    return LAST_COMMA.sub(lambda found: found["string"] or "", stripped)


def check_values(data: Body) -> None:
    """Refuse JSON of so many values that their objects would fill the memory."""
    values = sum(piece.count(sign) for piece in split_pieces(data) for sign in (b",", b"[", b"{"))
    if values > MAX_VALUES:
        raise TooLarge(f"The JSON has about {values:,} values; at most {MAX_VALUES:,} are read.")


def decode_json(data: Body) -> str:
    """JSON's bytes as text; what is not ASCII in a long body is escaped.

    Raises ``UnicodeDecodeError``, and ``TooLarge`` for a long body that is not in UTF-8 or has long
    strings beyond ASCII, which no picture has.
    """
    encoding = json.detect_encoding(data)
    if len(data) <= PIECE_BYTES:
        return data.decode(encoding, "surrogatepass")
    if encoding not in ("utf-8", "utf-8-sig"):
        raise TooLarge(f"JSON of more than {PIECE_BYTES:,} bytes is read in UTF-8 only.")
    if sum(count_wide(piece) for piece in split_pieces(data)) > MAX_WIDE_BYTES:
        raise TooLarge(f"The JSON has more than {MAX_WIDE_BYTES:,} bytes beyond ASCII, or escapes.")
    check_wide_strings(data)
    if data.isascii():
        return data.decode("ascii")
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    return "".join(
        [
            *(escape_wide(decoder.decode(piece)) for piece in split_pieces(data)),
            decoder.decode(b"", True),
        ]
    )


def count_wide(piece: Body) -> int:
    """How many bytes are not ASCII, and how many escapes there are."""
    return piece.count(ESCAPE) + (0 if piece.isascii() else len(piece.translate(None, ASCII)))


def escape_wide(text: str) -> str:
    """JSON's text with ``\\u`` for all that is not ASCII."""
    return text if text.isascii() else WIDE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def check_wide_strings(data: Body) -> None:
    """Refuse long strings with a character that may not be Latin."""
    at = 0
    for begin in range(0, len(data), PIECE_BYTES):
        end = begin + PIECE_BYTES + 1  # an escape may lie across the border
        piece = data[begin:end]
        if piece.isascii() and ESCAPE not in piece:
            continue
        at = max(at, begin)
        while match := WIDE_BYTES.search(data, at, end):
            at = string_end(data, match.start())


def string_end(data: Body, at: int) -> int:
    """Where the string around ``at`` ends. Raises ``TooLarge`` where it is long."""
    rest = REST_OF_STRING.match(data, at, at + MAX_WIDE_STRING)
    is_long = rest is None and at + MAX_WIDE_STRING < len(data)
    if is_long or string_begin(data, at) < 0:
        raise TooLarge(
            f"A string of more than {MAX_WIDE_STRING:,} bytes holds characters beyond "
            "ASCII, or escapes of them; pictures are sent as plain base64."
        )
    return rest.end() if rest else len(data)


def string_begin(data: Body, at: int) -> int:
    """Where the string around ``at`` begins; -1 if that is far before it."""
    least = max(0, at - MAX_WIDE_STRING)
    quote = data.rfind(QUOTE, least, at)
    while quote > 0 and is_escaped(data, quote):
        quote = data.rfind(QUOTE, least, quote)
    return quote if quote >= 0 or least else 0


def is_escaped(data: Body, at: int) -> bool:
    """Whether an odd number of backslashes stands before a byte."""
    slashes = at
    while slashes and data[slashes - 1 : slashes] == b"\\":
        slashes -= 1
    return (at - slashes) % 2 == 1


def split_pieces(data: Body) -> Iterator[Body]:
    """A long body in pieces, between which other threads come to their turn."""
    return (data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES))
