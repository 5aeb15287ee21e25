"""The beginning of a text, in whatever encoding it is."""

import codecs
import os
from dataclasses import dataclass

from filebrowser.errors import NotText

LONGEST = 2**20  # bytes that are read
SNIFFED = 8192  # bytes among which no text has a zero
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
TRIED = ("utf-8", "gb18030", "latin-1")
"""Without a mark at the beginning. The last takes everything."""


@dataclass(frozen=True, slots=True)
class Text:
    """``complete``: all of the file is here."""

    content: str
    encoding: str
    complete: bool


def read_text(file: int) -> Text:
    """The first mebibyte of an open file as text. Raises :class:`NotText` for binary files."""
    data = os.pread(file, LONGEST, 0)
    complete = os.fstat(file).st_size <= len(data)
    marked = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if marked is None and b"\0" in data[:SNIFFED]:
        raise NotText("This is no text: there are zeros in it.")
    for encoding in (marked,) if marked else TRIED:
        try:
            # Not final: the last character may be cut in two.
            text = codecs.getincrementaldecoder(encoding)().decode(data, final=complete)
        except UnicodeDecodeError:
            continue
        return Text(text, "utf-8" if encoding == "utf-8-sig" else encoding, complete)
    raise NotText(f"This is no text, though it begins like one in {marked}.")
