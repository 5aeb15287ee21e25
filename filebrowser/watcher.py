"""Watches folders and calls back with created, changed, moved and deleted files, debounced.

watchdog hints that something happened; :mod:`filebrowser.settling` looks at the disk and decides.
Whole within two seconds of a file's last byte, and never a half-copied file while its writer is at
work. Local folders are watched by inotify, network mounts by polling.
"""

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Self

from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.polling import PollingObserverVFS

from filebrowser.folder_walk import linked_folders
from filebrowser.mounts import mounted, reports_changes, unreporting_below
from filebrowser.settling import Change, FileChange, Phase, Settler

__all__ = ["MODES", "Change", "FileChange", "Watcher"]

MODES = ("auto", "inotify", "poll", "off")
Listener = Callable[[Sequence[FileChange]], object]

POLL_SECONDS = 0.6
TICK_SECONDS = 0.1  # between two looks at a pending file
RESCAN_SECONDS = 30.0  # a whole look at the disk, in case an event was lost
RESCAN_REST = 60.0  # times as long as the look took, at the least, to the next
LINK_SECONDS = 0.3  # after a folder or a link came or left, to a look for links
LINK_REST = 10.0  # times as long as such a look took, at the least, to the next
MOST_LINKED = 64  # linked folders that are watched; what lies in more of them is found by rescans
HEARD = [
    events.FileCreatedEvent,
    events.FileModifiedEvent,
    events.FileClosedEvent,
    events.FileMovedEvent,
    events.FileDeletedEvent,
    events.DirCreatedEvent,
    events.DirMovedEvent,
    events.DirDeletedEvent,
]
"""Reading a file is no event of these, so that loading a model costs nothing here."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Habits:
    """Options of a watcher: whether to follow symbolic links, rescan and poll intervals.

    ``poll`` is for folders whose changes the system does not tell. Seconds.
    """

    links: bool = True
    rescan: float = RESCAN_SECONDS
    poll: float = POLL_SECONDS


class Watcher:
    """Watches ``roots`` and calls ``on_change`` with the changes that settled together.

    ``mode``: ``inotify``, ``poll``, ``off``, or ``auto``, which chooses by the file system, also
    for mounts inside a root. Where inotify refuses (its limits are small in some containers),
    polling takes over. ``on_change`` runs in a thread of its own; what it raises is logged. Start
    it after any fork. ``on_folder`` hears of folders at once, in a thread of the observer's: it
    must be quick and must not raise.
    """

    def __init__(
        self,
        roots: Iterable[Path],
        mode: str,
        on_change: Listener,
        habits: Habits = Habits(),
        on_folder: Callable[[FileChange], None] | None = None,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"{mode!r} is no way to watch; there are {', '.join(MODES)}")
        self.roots = tuple(dict.fromkeys(path.absolute() for path in roots))
        self.mode = mode
        self._on_change = on_change
        self._habits = habits
        self._on_folder = on_folder
        self._eyes: dict[Path, _Eye] = {}
        self._observers: dict[str, BaseObserver] = {}  # by mode
        self._look_at = float("inf")  # monotonic: when links are looked for again
        self._rested_at = 0.0  # before which they are not
        self._hints: dict[Path, tuple[float, Phase]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._teller = ThreadPoolExecutor(1, thread_name_prefix="file-changes")

    @property
    def modes(self) -> Mapping[Path, str]:
        """How each existing place is watched: inotify or poll. Empty when off."""
        return {place: eye.mode for place, eye in self._eyes.items()}

    def start(self) -> None:
        """Begin; what lies in the folders now is taken as known."""
        if self.mode == "off" or self._thread is not None:
            return
        settler = Settler(self.roots, self._habits.links)
        _retrying(settler.learn)
        self._look_everywhere()
        _retrying(lambda: settler.rescan(time.monotonic()))  # what came between the two lines
        self._thread = threading.Thread(
            target=self._run, args=(settler,), name="file-watcher", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until every thread of ours has ended."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._eyes.clear()
        for observer in self._observers.values():
            observer.stop()
        for observer in self._observers.values():
            observer.join()
        self._observers.clear()
        self._teller.shutdown()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self, settler: Settler) -> None:
        rescan_at = time.monotonic() + self._habits.rescan
        while True:
            with self._changed:
                if not self._hints and not self._stopped:
                    idle = max(0.0, min(rescan_at, self._look_at) - time.monotonic())
                    self._changed.wait(min(TICK_SECONDS, idle) if settler.busy else idle)
                if self._stopped:
                    return
                hints, self._hints = self._hints, {}
            for path, (when, phase) in hints.items():
                settler.hint(path, when, phase)
                self._expect_links(path)
            if time.monotonic() >= self._look_at:
                self._look_for_links()
            if time.monotonic() >= rescan_at:
                began = time.monotonic()
                _retrying(self._look_everywhere)
                _retrying(lambda: settler.rescan(time.monotonic()))
                now = time.monotonic()
                rescan_at = now + max(self._habits.rescan, RESCAN_REST * (now - began))
            _retrying(lambda: self._tell(settler.settled(time.monotonic())))

    def _tell(self, changes: Sequence[FileChange]) -> None:
        if changes:
            self._teller.submit(self._on_change, changes).add_done_callback(_log_failure)

    def _expect_links(self, path: Path) -> None:
        """Look for links soon, where one may have come or left at ``path``, or below it."""
        if not self._habits.links:
            return
        if path in self._eyes or path.is_symlink() or path.is_dir():
            soon = max(time.monotonic() + LINK_SECONDS, self._rested_at)
            self._look_at = min(self._look_at, soon)

    def _look_for_links(self) -> None:
        began, self._look_at = time.monotonic(), float("inf")
        _retrying(self._look_everywhere)
        now = time.monotonic()
        self._rested_at = now + LINK_REST * (now - began)

    def _look_everywhere(self) -> None:
        """Watch the places that exist; again those that were removed and made anew."""
        mounts = mounted()
        places = self._places(mounts)
        for place in self._eyes.keys() - places.keys():
            self._close_eye(place)
        for place, mode in places.items():
            eye = self._eyes.get(place)
            inode = _inode(place)
            if eye is not None and eye.inode != inode:
                self._close_eye(place)
                eye = None
            if eye is None and inode is not None:
                opened = self._open_eye(place, inode, mode)
                self._eyes.update({place: opened} if opened else {})
                if place not in self.roots:
                    self._hint(place, Phase.UNKNOWN)  # what came before it was watched

    def _places(self, mounts: Mapping[Path, str]) -> Mapping[Path, str]:
        """What to watch, and how: the roots, what links in them lead to, and network mounts."""
        linked = self._linked_folders()
        if self.mode != "auto":
            return dict.fromkeys((*self.roots, *linked), self.mode)
        modes = {place: _mode_of(place, mounts) for place in (*self.roots, *linked)}
        local = [root for root in self.roots if modes[root] == "inotify"]
        inside = [
            place for root in local for place in unreporting_below(root, mounts, self._habits.links)
        ]
        return modes | dict.fromkeys(inside, "poll")

    def _linked_folders(self) -> tuple[Path, ...]:
        """Links to folders below the roots: an observer enters none by itself."""
        if not self._habits.links:
            return ()
        found = chain.from_iterable(linked_folders(root) for root in self.roots)
        return tuple(islice((place for place in found if place not in self.roots), MOST_LINKED))

    def _open_eye(self, place: Path, inode: int, mode: str) -> "_Eye | None":
        """An eye on a place; None where the system refuses one: the log says why."""
        for way in ("inotify", "poll") if mode == "inotify" else ("poll",):
            real = Path(os.path.realpath(place))
            handler = _Handler(self._hint, way == "inotify", self._on_folder, place, real)
            try:
                watch = self._observer(way).schedule(
                    handler, str(real), recursive=True, event_filter=HEARD
                )
                return _Eye(way, inode, handler, watch)
            except OSError as error:
                log.warning("%s cannot be watched by %s: %s", place, way, error)
        return None

    def _close_eye(self, place: Path) -> None:
        eye = self._eyes.pop(place)
        observer = self._observers[eye.mode]
        observer.remove_handler_for_watch(eye.handler, eye.watch)
        others = (each for each in self._eyes.values() if each.mode == eye.mode)
        if all(other.watch != eye.watch for other in others):
            observer.unschedule(eye.watch)

    def _observer(self, mode: str) -> BaseObserver:
        """What watches in that way, running. Raises OSError where the system grants none."""
        if mode not in self._observers:
            made = Observer() if mode == "inotify" else _poller(self._habits.poll)
            made.start()
            self._observers[mode] = made
        return self._observers[mode]

    def _hint(self, path: Path, phase: Phase) -> None:
        with self._changed:
            if phase is Phase.UNKNOWN and path in self._hints:
                phase = self._hints[path][1]
            self._hints[path] = (time.monotonic(), phase)
            self._changed.notify()


@dataclass(frozen=True, slots=True)
class _Eye:
    """One watchdog observer on one folder; a folder with another inode needs a new one."""

    mode: str
    inode: int
    handler: "_Handler"
    watch: ObservedWatch


def _poller(seconds: float) -> BaseObserver:
    return PollingObserverVFS(_stat_within, os.scandir, polling_interval=seconds)


def _stat_within(path: str) -> os.stat_result:
    """What polling looks at: the file that a link leads to, and a link that leads to a folder."""
    found = os.lstat(path)
    if not stat.S_ISLNK(found.st_mode):
        return found
    target = os.stat(path)
    return found if stat.S_ISDIR(target.st_mode) else target


def _mode_of(root: Path, mounts: Mapping[Path, str]) -> str:
    return "inotify" if reports_changes(root, mounts) else "poll"


class _Handler(events.FileSystemEventHandler):
    """Turns watchdog's events into hints, and tells of folders.

    Events are of paths below ``real``, where ``place`` leads; hints are of those below ``place``.
    """

    def __init__(
        self,
        hint: Callable[[Path, Phase], None],
        telling_close: bool,
        on_folder: Callable[[FileChange], None] | None,
        place: Path,
        real: Path,
    ) -> None:
        self.hint = hint
        self.on_folder = on_folder
        self.place = place
        self.real = real
        self.written = Phase.WRITING if telling_close else Phase.UNKNOWN

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        path = self._named(event.src_path)
        if isinstance(event, events.FileMovedEvent | events.DirMovedEvent):
            self.hint(path, Phase.DONE)
            self.hint(self._named(event.dest_path), Phase.DONE)
        elif isinstance(event, events.FileClosedEvent):
            self.hint(path, Phase.DONE)
        elif isinstance(event, events.FileModifiedEvent):
            self.hint(path, self.written)
        else:
            self.hint(path, Phase.UNKNOWN)
        if self.on_folder is not None and (change := self._of_folder(event)) is not None:
            self.on_folder(change)

    def _of_folder(self, event: events.FileSystemEvent) -> FileChange | None:
        """What an event says of a folder itself; None for events of files."""
        path = self._named(event.src_path)
        if isinstance(event, events.DirMovedEvent):
            return FileChange(self._named(event.dest_path), Change.MOVED, path)
        if isinstance(event, events.DirCreatedEvent):
            return FileChange(path, Change.CREATED)
        gone = isinstance(event, events.DirDeletedEvent)
        return FileChange(path, Change.DELETED) if gone else None

    def _named(self, found: bytes | str) -> Path:
        path = Path(str(found))
        return self.place / path.relative_to(self.real) if path.is_relative_to(self.real) else path


def _retrying(look: Callable[[], None]) -> None:
    """Run a scan; log errors instead of raising, as the next turn scans again."""
    try:
        look()
    except OSError as error:
        log.info("Changes cannot be seen now, trying again: %s", error)
    except Exception:  # one entry must not end the watch over all others
        log.exception("Changes cannot be seen now, trying again")


def _log_failure(told: "Future[object]") -> None:
    if error := told.exception():
        log.error("A listener to file changes failed", exc_info=error)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
