"""The beginning of a text file, with its encoding detected."""

import codecs
import os
from dataclasses import dataclass

from filebrowser.errors import NotText

MAX_BYTES = 2**20  # bytes that are read
SNIFF_BYTES = 8192  # bytes among which no text has a zero
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ENCODINGS = ("utf-8", "gb18030", "latin-1")
"""Without a mark at the beginning. The last takes everything."""


@dataclass(frozen=True, slots=True)
class TextPreview:
    """``complete``: all of the file is here."""

    content: str
    encoding: str
    complete: bool


def read_text(file: int) -> TextPreview:
    """The first mebibyte of an open file as text. Raises :class:`NotText` for binary files."""
    data = os.pread(file, MAX_BYTES, 0)
    complete = os.fstat(file).st_size <= len(data)
    marked = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), None)
    if marked is None and b"\0" in data[:SNIFF_BYTES]:
        raise NotText("This is no text: there are zeros in it.")
    for encoding in (marked,) if marked else ENCODINGS:
        try:
            # Not final: the last character may be cut in two.
            text = codecs.getincrementaldecoder(encoding)().decode(data, final=complete)
        except UnicodeDecodeError:
            continue
        return TextPreview(text, "utf-8" if encoding == "utf-8-sig" else encoding, complete)
    raise NotText(f"This is no text, though it begins like one in {marked}.")
