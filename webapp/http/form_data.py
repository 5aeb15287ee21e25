"""Bodies in multipart/form-data, which clients send pictures in. No Flask."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from io import BytesIO, RawIOBase
from typing import IO, cast

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from webapp.errors import Fault, InvalidFields, TooLarge

MULTIPART = "multipart/form-data"
MAX_TEXT_BYTES = 8 * 1024 * 1024  # of a field that is no file
MAX_PARTS = 200
NAME = re.compile(r"([^\[\]]{1,100})(?:\[([^\[\]]{0,100})\])?")
"""A field's name: plain, of a list (``a[]``, ``a[0]``), or of an object's entry (``a[key]``)."""


@dataclass(slots=True)
class FormData:
    """What a form holds: texts, lists and objects by name, and the files of each name."""

    fields: dict[str, object] = field(default_factory=dict)
    files: dict[str, list[bytes]] = field(default_factory=dict)


def is_multipart(content_type: str) -> bool:
    """Whether a body of this content type is a form that may hold files."""
    return parse_options_header(content_type)[0].lower() == MULTIPART


def read_form(body: bytes | bytearray, content_type: str, as_json: Collection[str]) -> FormData:
    """The form in a body. The texts of the fields ``as_json`` may be JSON.

    Raises ``InvalidFields`` for what is no form, ``TooLarge`` for too many or too long fields.
    """
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise InvalidFields([malformed_form("its content type names no boundary")])
    parser = MultiPartParser(
        stream_factory=in_memory,
        max_form_memory_size=MAX_TEXT_BYTES,
        max_form_parts=MAX_PARTS,
    )
    try:
        stream = cast(IO[bytes], BodyReader(body))
        texts, files = parser.parse(stream, boundary.encode("latin-1"), len(body))
    except RequestEntityTooLarge:
        raise TooLarge(
            f"A form has at most {MAX_PARTS} parts, of {MAX_TEXT_BYTES:,} bytes where not a file."
        ) from None
    except (ValueError, UnicodeError) as error:
        raise InvalidFields([malformed_form(str(error)[:200] or "it ends too early")]) from None
    form = FormData()
    for name, text in texts.items(multi=True):
        add_field(form, name or "", text, as_json)
    for name, file in files.items(multi=True):
        data = cast(BytesIO, file.stream).getvalue()
        form.files.setdefault(split_name(name or "")[0], []).append(data)
    return form


class BodyReader(RawIOBase):
    """Reads a body from memory, without another copy of the whole."""

    def __init__(self, body: bytes | bytearray) -> None:
        self.body, self.at = memoryview(body), 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        """Fill ``buffer`` with what comes next; how many bytes."""
        piece = self.body[self.at : self.at + len(buffer)]
        buffer[: len(piece)] = piece
        self.at += len(piece)
        return len(piece)


def in_memory(
    total_content_length: int | None = None,
    content_type: str | None = None,
    filename: str | None = None,
    content_length: int | None = None,
) -> IO[bytes]:
    """Where a part's file is kept: the body's memory is counted, a folder's would not be."""
    return BytesIO()


def add_field(form: FormData, name: str, text: str, as_json: Collection[str]) -> None:
    """Add a text under its name. Raises ``InvalidFields`` where one name is of two kinds."""
    base, key = split_name(name)
    value = parse_json(base, text) if base in as_json and text[:1] in ("{", "[") else text
    if key is None:
        form.fields[base] = value
        return
    listed = not key or key.isdecimal()
    held = form.fields.setdefault(base, [] if listed else {})
    if listed and isinstance(held, list):
        held.append(value)
    elif not listed and isinstance(held, dict):
        held[key] = value
    else:
        raise InvalidFields([Fault(("body", base), "given in two ways", "value_error")])


def split_name(name: str) -> tuple[str, str | None]:
    """The name before brackets and what stands in them. Raises ``InvalidFields``."""
    found = NAME.fullmatch(name)
    if found is None:
        message = "a name, name[] or name[key] is expected; send deeper values as JSON"
        raise InvalidFields([Fault(("body", name[:100]), message, "value_error")])
    return found[1], found[2]


def parse_json(name: str, text: str) -> object:
    """The value in a field's text. Raises ``InvalidFields``."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidFields([Fault(("body", name), "it is not JSON", "value_error")]) from None


def malformed_form(why: str) -> Fault:
    """The fault of a body that is no form."""
    return Fault(("body",), f"the form cannot be read: {why}", "value_error")
