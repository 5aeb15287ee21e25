"""Names of files in either of Unicode's forms.

"ü" is one character or two (NFC, NFD), by the system that a name came from, and the same to who
types it. Files keep the form that they have on the disk.
"""

import unicodedata
from collections.abc import Mapping
from typing import TypeVar

Found = TypeVar("Found")


def to_nfc(name: str) -> str:
    """The name with each letter and its marks as one character, where there is such a one."""
    return unicodedata.normalize("NFC", name)


def find_by_name(table: Mapping[str, Found], name: str) -> Found | None:
    """What ``table``, made by :func:`by_either_form`, holds by ``name``; the form typed wins."""
    found = table.get(name)
    return table.get(to_nfc(name)) if found is None else found


def by_either_form(table: Mapping[str, Found]) -> dict[str, Found]:
    """``table``, and each of its names in NFC where no other entry has that."""
    return {to_nfc(name): found for name, found in reversed([*table.items()])} | dict(table)
