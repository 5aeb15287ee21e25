"""File events for listeners: published by operations at once, and by the watcher soon after.

The latest happenings are kept, so that a listener who was away for a moment misses nothing; one
who was away for longer is told to list again. Everybody hears of what their own trees show.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, Root, open_parent_to_read, parse_path
from filebrowser.errors import FileError, NotHere
from filebrowser.listing.tree import DirectoryEntry, read_entry
from filebrowser.watch.debounce import FileChange
from filebrowser.watch.file_events import FileEvent, FileEventKind

MAX_EVENTS = 2000  # happenings
CATCH_UP_SECONDS = 1.0  # for which a number that another process has given is waited for
DUPLICATE_SECONDS = 3.0  # within which the watcher's word for what a verb told is no news


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """A numbered event, with the entry that is there now (None if deleted)."""

    seq: int
    event: FileEvent
    entry: DirectoryEntry | None
    at: float  # monotonic seconds


class FileEventHub:
    """Numbers events and keeps the latest ones for listeners. Thread-safe.

    With ``relay`` the hubs of several processes tell the same: it passes an event on to all of
    them, this one too (:meth:`receive`), or returns False where it cannot now.
    """

    def __init__(
        self, most: int = MAX_EVENTS, relay: Callable[[FileEvent], bool] | None = None
    ) -> None:
        self.epoch = secrets.token_hex(4)  # numbers of another process are no numbers of ours
        self._relay = relay
        self._events: deque[NumberedEvent] = deque(maxlen=most)
        self._seq = 0
        self._forgotten = 0  # the latest number of which nothing is kept
        self._last: dict[Path, tuple[float, DirectoryEntry | None]] = {}
        self._changed = threading.Condition()
        self._own_epoch = self.epoch

    def publish(self, event: FileEvent) -> None:
        """Publish an event, unless the same state was published a moment ago."""
        entry = None if event.kind is FileEventKind.DELETED else _read_entry(event.place)
        if self._relay is not None:
            with self._changed:
                if self._is_known(event, entry):
                    return
            if self._relay(event):
                return
        with self._changed:
            if self._is_duplicate(event, entry):
                return
            if self.epoch != self._own_epoch:  # numbers of all are given without us now
                self._begin(self._own_epoch, self._seq)
            self._append(NumberedEvent(self._seq + 1, event, entry, time.monotonic()))

    def receive(self, epoch: str, seq: int, event: FileEvent) -> None:
        """An event that a process has passed on to all, with its number."""
        entry = None if event.kind is FileEventKind.DELETED else _read_entry(event.place)
        with self._changed:
            if epoch != self.epoch:
                self._begin(epoch, seq - 1)
            if self._is_duplicate(event, entry):
                self._seq = seq
            else:
                self._append(NumberedEvent(seq, event, entry, time.monotonic()))

    def restart(self, epoch: str, seq: int) -> None:
        """Begin after a number of all; who knows an earlier one is told to list again."""
        with self._changed:
            if (epoch, seq) != (self.epoch, self._seq):
                self._begin(epoch, seq)
                self._changed.notify_all()

    @property
    def latest(self) -> int:
        """The number of the latest happening."""
        return self._seq

    def since(self, seq: int, seconds: float) -> Sequence[NumberedEvent] | None:
        """What came after number ``seq``, waiting for it; None where some of it is forgotten."""
        with self._changed:
            if self._relay is not None and seq > self._seq:
                self._changed.wait_for(lambda: seq <= self._seq, min(seconds, CATCH_UP_SECONDS))
            if seq == self._seq:
                self._changed.wait(seconds)
            if not self._forgotten <= seq <= self._seq:
                return None
            return [event for event in self._events if event.seq > seq]

    def _begin(self, epoch: str, seq: int) -> None:
        self.epoch, self._seq, self._forgotten = epoch, seq, seq
        self._events.clear()

    def _append(self, event: NumberedEvent) -> None:
        if len(self._events) == self._events.maxlen:
            self._forgotten = self._events[0].seq
        self._seq = event.seq
        self._events.append(event)
        self._changed.notify_all()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        with self._changed:
            self._changed.notify_all()

    def _is_duplicate(self, event: FileEvent, entry: DirectoryEntry | None) -> bool:
        """Whether this was told already: by a verb, and now by the watcher. Else it is noted."""
        if self._is_known(event, entry):
            return True
        now = time.monotonic()
        self._last[_path_of(event.place)] = (now, entry)
        if event.previous is not None:
            self._last[_path_of(event.previous)] = (now, None)
        if len(self._last) > 2 * MAX_EVENTS:
            young = {k: v for k, v in self._last.items() if now - v[0] < DUPLICATE_SECONDS}
            self._last = young if len(young) <= MAX_EVENTS else {}
        return False

    def _is_known(self, event: FileEvent, entry: DirectoryEntry | None) -> bool:
        at, known = self._last.get(_path_of(event.place), (-DUPLICATE_SECONDS, None))
        return time.monotonic() - at < DUPLICATE_SECONDS and known == entry


def visible_paths(access: FileAccess, place: Place) -> tuple[str, ...]:
    """The paths under which a caller sees ``place``; none where it is not visible."""
    absolute = Path(place.root.path, *place.names)
    paths = []
    for root in access.roots:
        if absolute.is_relative_to(root.path):
            names = absolute.relative_to(root.path).parts
            try:
                paths.append(f"/{parse_path(Place(root, names).text, [root]).text}")
            except FileError:
                continue
    return tuple(paths)


def event_from_change(change: FileChange, roots: Sequence[Root]) -> FileEvent | None:
    """What the watcher saw, as a happening; None for what no tree shows."""
    place = _place_of(change.path, roots)
    previous = _place_of(change.previous, roots) if change.previous else None
    kind = change.kind
    if place is None:
        return FileEvent(FileEventKind.DELETED, previous) if previous else None
    if kind is FileEventKind.MOVED and previous is None:
        kind = FileEventKind.CREATED
    return FileEvent(kind, place, previous)


def _place_of(path: Path, roots: Sequence[Root]) -> Place | None:
    """The place of an absolute path, unless it is hidden, ill named, or leads through a link."""
    for root in roots:
        if path.is_relative_to(root.path) and path != root.path:
            names = path.relative_to(root.path).parts
            try:
                place = parse_path(Place(root, names).text, [root])
                with open_parent_to_read(place):
                    return place
            except NotHere:
                if not _is_hidden(root, names):  # else another tree may show it
                    return Place(root, names)
            except FileError:
                continue
    return None


def _is_hidden(root: Root, names: tuple[str, ...]) -> bool:
    try:
        parse_path(Place(root, names).text, [root])
    except FileError:
        return True
    return False


def _path_of(place: Place) -> Path:
    """What tells a place from others, whichever of several trees it was reached by."""
    return Path(place.root.path, *place.names)


def _read_entry(place: Place) -> DirectoryEntry | None:
    try:
        return read_entry(place)
    except (FileError, OSError):
        return None
