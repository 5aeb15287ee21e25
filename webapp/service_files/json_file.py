"""A service file as JSON: bounded, without duplicate keys, comments or control characters."""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any, NoReturn

from webapp.service_files.errors import BadServiceFile, quote

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_ITEMS = 1000
"""Values of one list, and keys of one object."""

STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.S)
BRACKETS = re.compile(r"[\[{\]}]")
COMMENT = re.compile(r"//|/\*|#")
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file. Raises :class:`BadServiceFile`, which says where it is at fault."""
    text = decode(read_bytes(path))
    check_depth(text)
    try:
        document = json.loads(text, object_pairs_hook=_to_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise BadServiceFile(_syntax_message(error)) from None
    except (ValueError, RecursionError) as error:  # a number of too many digits
        raise BadServiceFile(f"It is not JSON that can be read: {error}.") from None
    if not isinstance(document, dict):
        raise BadServiceFile("It holds no JSON object: a service file begins with {.")
    check_values(document)
    return document


def read_bytes(path: Path) -> bytes:
    """The content of a regular file of at most a MiB."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadServiceFile(f"It cannot be read: {why}. Name a service file.") from None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise BadServiceFile("It is not a file. Name a service file.")
        with open(handle, "rb", closefd=False) as file:
            content = b"" if facts.st_size > MAX_BYTES else file.read(MAX_BYTES + 1)
    finally:
        os.close(handle)
    if facts.st_size > MAX_BYTES or len(content) > MAX_BYTES:
        raise BadServiceFile(
            f"It has {facts.st_size:,} bytes; a service file has at most {MAX_BYTES:,}."
        )
    return content


def decode(content: bytes) -> str:
    """UTF-8, with or without a byte order mark."""
    if content.startswith(WIDE_MARKS):
        raise BadServiceFile("It is UTF-16. Save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadServiceFile(
            f"It is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}. "
            "Save it as UTF-8."
        ) from None


def check_depth(text: str) -> None:
    """See that lists and objects are not nested too deep for the reader."""
    depth = 0
    for bracket in BRACKETS.findall(STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise BadServiceFile(f"Its lists and objects are nested more than {MAX_DEPTH} deep.")


def check_values(value: object, key: str = "") -> None:
    """See that texts can be written anywhere, and that nothing has too many parts."""
    if isinstance(value, str):
        _check_text(value, key)
    elif isinstance(value, list | dict) and len(value) > MAX_ITEMS:
        raise BadServiceFile(f"{key or 'It'} has {len(value)} parts, more than {MAX_ITEMS}.")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            check_values(part, f"{key}[{number}]")
    elif isinstance(value, dict):
        for name, part in value.items():
            _check_text(name, f"a key of {key}" if key else "a key")
            check_values(part, f"{key}.{name}".lstrip("."))


def _check_text(text: str, key: str) -> None:
    for each in text:
        if (each < " " and each not in "\t\n\r") or each == "\x7f" or "\ud800" <= each <= "\udfff":
            raise BadServiceFile(
                f"{quote(key)}: a text with the character U+{ord(each):04X}; take it out."
            )


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for name, value in pairs:
        if name in names:
            raise BadServiceFile(
                f"The key {quote(name)} stands twice in one object: which counts is not said. "
                "Take one out."
            )
        names[name] = value
    return names


def _refuse_constant(name: str) -> NoReturn:
    raise BadServiceFile(f"{name} is not JSON. Write a number.")


def _syntax_message(error: json.JSONDecodeError) -> str:
    place = f"line {error.lineno}, column {error.colno}"
    if COMMENT.match(error.doc, error.pos):
        return f"JSON has no comments: {place}. Take it out."
    return f"It is not JSON: {place}: {error.msg}."
