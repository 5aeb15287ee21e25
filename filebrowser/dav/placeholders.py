"""Names of weight files announced by an empty PUT, until their bytes arrive.

Windows and Finder begin each copy with an empty file. An empty model is none: it is kept in memory
alone, shown to WebDAV's clients as an empty file, and judged when the PUT with its bytes ends.
"""

import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace

from filebrowser.access.gate import Place, PlaceKey
from filebrowser.dav.locks import MAX_LOCK_SECONDS
from filebrowser.errors import NoRoom

MAX_PER_OWNER = 500
MAX_PLACEHOLDERS = 5000


@dataclass(frozen=True, slots=True)
class AnnouncedFile:
    """One name. ``until`` is in the clock's seconds; ``modified`` the file's time, if it was told.

    ``modified``, and ``made`` when it was announced, are in nanoseconds since 1970.
    """

    place: Place
    owner: str
    expires_at: float
    announced_at: int
    modified: int | None = None

    @property
    def shown_time(self) -> int:
        """The time that clients see."""
        return self.announced_at if self.modified is None else self.modified


class Placeholders:
    """All names that wait for their bytes, an hour each. Thread-safe; a restart forgets them.

    Several processes may share ``names``, with a ``clock`` of them all.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        names: MutableMapping[PlaceKey, AnnouncedFile] | None = None,
    ) -> None:
        self._clock = clock
        self._names: MutableMapping[PlaceKey, AnnouncedFile] = {} if names is None else names
        self._lock = threading.Lock()

    def add(self, place: Place, owner: str, modified: int | None = None) -> AnnouncedFile:
        """Keep a name. Raises :class:`NoRoom` where there are 500 of one owner, or 5000 in all."""
        with self._lock:
            self._sweep()
            others = [each for key, each in self._names.items() if key != place.key]
            files_of_owner = sum(each.owner == owner for each in others)
            if files_of_owner >= MAX_PER_OWNER or len(others) >= MAX_PLACEHOLDERS:
                raise NoRoom("Too many names wait for their bytes; send some, or wait an hour.")
            until = self._clock() + MAX_LOCK_SECONDS
            placeholder = AnnouncedFile(place, owner, until, time.time_ns(), modified)
            self._names[place.key] = placeholder
            return placeholder

    def find(self, place: Place) -> AnnouncedFile | None:
        """What waits at a place."""
        with self._lock:
            self._sweep()
            return self._names.get(place.key)

    def in_folder(self, folder: Place) -> list[AnnouncedFile]:
        """What waits directly in a folder."""
        with self._lock:
            self._sweep()
            path, names = folder.key
            return [
                each
                for (root, parts), each in self._names.items()
                if root == path and parts[:-1] == names
            ]

    def set_time(self, place: Place, modified: int) -> None:
        """Keep the time that the file is to have, in nanoseconds since 1970."""
        with self._lock:
            placeholder = self._names.get(place.key)
            if placeholder is not None:
                self._names[place.key] = replace(placeholder, modified=modified)

    def remove(self, place: Place) -> None:
        """Forget a name, and those below it."""
        path, names = place.key
        with self._lock:
            for root, parts in list(self._names):
                if root == path and parts[: len(names)] == names:
                    self._names.pop((root, parts), None)

    def _sweep(self) -> None:
        now = self._clock()
        for key in [key for key, each in self._names.items() if each.expires_at < now]:
            self._names.pop(key, None)
