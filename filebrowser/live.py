"""File events for listeners: published by operations at once, and by the watcher soon after.

The latest happenings are kept, so that a listener who was away for a moment misses nothing; one
who was away for longer is told to list again. Everybody hears of what their own trees show.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filebrowser.errors import FileError, NotHere
from filebrowser.gate import Place, Root, holder_of, locate
from filebrowser.happenings import Happening, What
from filebrowser.settling import FileChange
from filebrowser.tree import Entry, look
from filebrowser.visit import Visit

MOST_KEPT = 2000  # happenings
TWICE_SECONDS = 3.0  # within which the watcher's word for what a verb told is no news


@dataclass(frozen=True, slots=True)
class Told:
    """A numbered event, with the entry that is there now (None if deleted)."""

    seq: int
    happening: Happening
    entry: Entry | None
    at: float  # monotonic seconds


class Hub:
    """Numbers events and keeps the latest ones for listeners. Thread-safe."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self.epoch = secrets.token_hex(4)  # numbers of another process are no numbers of ours
        self._kept: deque[Told] = deque(maxlen=most)
        self._seq = 0
        self._last: dict[tuple[Path, tuple[str, ...]], tuple[float, Entry | None]] = {}
        self._news = threading.Condition()

    def tell(self, happening: Happening) -> None:
        """Publish an event, unless the same state was published a moment ago."""
        entry = None if happening.what is What.DELETED else _entry(happening.place)
        with self._news:
            if self._is_old(happening, entry):
                return
            self._seq += 1
            self._kept.append(Told(self._seq, happening, entry, time.monotonic()))
            self._news.notify_all()

    @property
    def latest(self) -> int:
        """The number of the latest happening."""
        return self._seq

    def since(self, seq: int, seconds: float) -> Sequence[Told] | None:
        """What came after number ``seq``, waiting for it; None where some of it is forgotten."""
        with self._news:
            if seq == self._seq:
                self._news.wait(seconds)
            if not 0 <= seq <= self._seq or self._seq - seq > len(self._kept):
                return None
            return [told for told in self._kept if told.seq > seq]

    def wake(self) -> None:
        """Let everybody who waits look again."""
        with self._news:
            self._news.notify_all()

    def _is_old(self, happening: Happening, entry: Entry | None) -> bool:
        """Whether this was told already: by a verb, and now by the watcher."""
        now, key = time.monotonic(), _key(happening.place)
        at, known = self._last.get(key, (-TWICE_SECONDS, None))
        if now - at < TWICE_SECONDS and known == entry:
            return True
        self._last[key] = (now, entry)
        if happening.previous is not None:
            self._last[_key(happening.previous)] = (now, None)
        if len(self._last) > 2 * MOST_KEPT:
            young = {k: v for k, v in self._last.items() if now - v[0] < TWICE_SECONDS}
            self._last = young if len(young) <= MOST_KEPT else {}
        return False


def _key(place: Place) -> tuple[Path, tuple[str, ...]]:
    return place.root.path, place.names


def paths_of(visit: Visit, place: Place) -> tuple[str, ...]:
    """The paths under which a visit sees what lies at ``place``; none where it does not."""
    absolute = Path(place.root.path, *place.names)
    seen = []
    for root in visit.roots:
        if absolute.is_relative_to(root.path):
            names = absolute.relative_to(root.path).parts
            try:
                seen.append(f"/{locate(Place(root, names).text, [root]).text}")
            except FileError:
                continue
    return tuple(seen)


def from_disk(change: FileChange, roots: Sequence[Root]) -> Happening | None:
    """What the watcher saw, as a happening; None for what no tree shows."""
    place = _place(change.path, roots)
    previous = _place(change.previous, roots) if change.previous else None
    what = What(change.kind)
    if place is None:
        return Happening(What.DELETED, previous) if previous else None
    if what is What.MOVED and previous is None:
        what = What.CREATED
    return Happening(what, place, previous)


def _place(path: Path, roots: Sequence[Root]) -> Place | None:
    """The place of an absolute path, unless it is hidden, ill named, or leads through a link."""
    for root in roots:
        if path.is_relative_to(root.path) and path != root.path:
            names = path.relative_to(root.path).parts
            try:
                place = locate(Place(root, names).text, [root])
                with holder_of(place):
                    return place
            except NotHere:
                return Place(root, names) if not _hidden(root, names) else None
            except FileError:
                continue
    return None


def _hidden(root: Root, names: tuple[str, ...]) -> bool:
    try:
        locate(Place(root, names).text, [root])
    except FileError:
        return True
    return False


def _entry(place: Place) -> Entry | None:
    try:
        return look(place)
    except (FileError, OSError):
        return None
