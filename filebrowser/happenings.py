"""File events: what changed, and at which place."""

from dataclasses import dataclass
from enum import StrEnum

from filebrowser.gate import Place


class What(StrEnum):
    """Kinds of file events."""

    CREATED = "created"
    CHANGED = "changed"
    MOVED = "moved"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Happening:
    """One file event. ``previous`` is the old place of something that was moved."""

    what: What
    place: Place
    previous: Place | None = None
