"""What became of a file or folder, and at which place."""

from dataclasses import dataclass
from enum import StrEnum

from filebrowser.gate import Place


class What(StrEnum):
    """The kinds of changes that are told."""

    CREATED = "created"
    CHANGED = "changed"
    MOVED = "moved"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Happening:
    """One change. ``previous`` is where a moved thing was."""

    what: What
    place: Place
    previous: Place | None = None
