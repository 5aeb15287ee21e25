"""File events: what changed, and at which place."""

from dataclasses import dataclass
from enum import StrEnum

from filebrowser.access.gate import Place


class FileEventKind(StrEnum):
    """Kinds of file events."""

    CREATED = "created"
    CHANGED = "changed"
    MOVED = "moved"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class FileEvent:
    """One file event. ``previous`` is the old place of something that was moved."""

    kind: FileEventKind
    place: Place
    previous: Place | None = None
