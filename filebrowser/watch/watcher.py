"""Watches folders and calls back with created, changed, moved and deleted files, debounced.

watchdog hints that something happened; :mod:`filebrowser.watch.debounce` looks at the disk and
decides. Whole within two seconds of a file's last byte, and never a half-copied file while its
writer is at work. Local folders are watched by inotify, network mounts by polling.
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

from filebrowser.watch.debounce import Debouncer, FileChange, WriterState
from filebrowser.watch.file_events import FileEventKind
from filebrowser.watch.folder_walk import linked_folders
from filebrowser.watch.mounts import folders_without_inotify, read_mounts, supports_inotify

__all__ = ["MODES", "FileChange", "Watcher"]

MODES = ("auto", "inotify", "poll", "off")
Listener = Callable[[Sequence[FileChange]], object]

POLL_SECONDS = 0.6
TICK_SECONDS = 0.1  # between two looks at a pending file
RESCAN_SECONDS = 30.0  # a whole look at the disk, in case an event was lost
RESCAN_PAUSE_FACTOR = 60.0  # times as long as the look took, at the least, to the next
LINK_SECONDS = 0.3  # after a folder or a link came or left, to a look for links
LINK_PAUSE_FACTOR = 10.0  # times as long as such a look took, at the least, to the next
MAX_LINKED = 64  # linked folders that are watched; what lies in more of them is found by rescans
WATCHED_EVENTS = [
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
class WatchOptions:
    """Options of a watcher: whether to follow symbolic links, rescan and poll intervals.

    ``poll`` is for folders whose changes the system does not tell. Seconds.
    """

    follow_links: bool = True
    rescan_seconds: float = RESCAN_SECONDS
    poll_seconds: float = POLL_SECONDS


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
        options: WatchOptions = WatchOptions(),
        on_folder: Callable[[FileChange], None] | None = None,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"{mode!r} is no way to watch; there are {', '.join(MODES)}")
        self.roots = tuple(dict.fromkeys(path.absolute() for path in roots))
        self.mode = mode
        self._on_change = on_change
        self._options = options
        self._on_folder = on_folder
        self._watches: dict[Path, _PlaceWatch] = {}
        self._observers: dict[str, BaseObserver] = {}  # by mode
        self._links_due_at = float("inf")  # monotonic: when links are looked for again
        self._links_not_before = 0.0  # before which they are not
        self._hints: dict[Path, tuple[float, WriterState]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._notifier = ThreadPoolExecutor(1, thread_name_prefix="file-changes")

    @property
    def modes(self) -> Mapping[Path, str]:
        """How each existing place is watched: inotify or poll. Empty when off."""
        return {place: eye.mode for place, eye in self._watches.items()}

    def start(self) -> None:
        """Begin; what lies in the folders now is taken as known."""
        if self.mode == "off" or self._thread is not None:
            return
        settler = Debouncer(self.roots, self._options.follow_links)
        _run_or_log(settler.take_snapshot)
        self._watch_existing()
        _run_or_log(lambda: settler.rescan(time.monotonic()))  # what came between the two lines
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
        self._watches.clear()
        for observer in self._observers.values():
            observer.stop()
        for observer in self._observers.values():
            observer.join()
        self._observers.clear()
        self._notifier.shutdown()

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

    def _run(self, settler: Debouncer) -> None:
        rescan_at = time.monotonic() + self._options.rescan_seconds
        while True:
            with self._changed:
                if not self._hints and not self._stopped:
                    idle = max(0.0, min(rescan_at, self._links_due_at) - time.monotonic())
                    self._changed.wait(min(TICK_SECONDS, idle) if settler.is_busy else idle)
                if self._stopped:
                    return
                hints, self._hints = self._hints, {}
            for path, (when, phase) in hints.items():
                settler.hint(path, when, phase)
                self._schedule_link_scan(path)
            if time.monotonic() >= self._links_due_at:
                self._scan_links()
            if time.monotonic() >= rescan_at:
                began = time.monotonic()
                _run_or_log(self._watch_existing)
                _run_or_log(lambda: settler.rescan(time.monotonic()))
                now = time.monotonic()
                rescan_at = now + max(
                    self._options.rescan_seconds, RESCAN_PAUSE_FACTOR * (now - began)
                )
            _run_or_log(lambda: self._notify(settler.pop_settled(time.monotonic())))

    def _notify(self, changes: Sequence[FileChange]) -> None:
        if changes:
            self._notifier.submit(self._on_change, changes).add_done_callback(_log_failure)

    def _schedule_link_scan(self, path: Path) -> None:
        """Look for links soon, where one may have come or left at ``path``, or below it."""
        if not self._options.follow_links:
            return
        if path in self._watches or path.is_symlink() or path.is_dir():
            soon = max(time.monotonic() + LINK_SECONDS, self._links_not_before)
            self._links_due_at = min(self._links_due_at, soon)

    def _scan_links(self) -> None:
        began, self._links_due_at = time.monotonic(), float("inf")
        _run_or_log(self._watch_existing)
        now = time.monotonic()
        self._links_not_before = now + LINK_PAUSE_FACTOR * (now - began)

    def _watch_existing(self) -> None:
        """Watch the places that exist; again those that were removed and made anew."""
        mounts = read_mounts()
        places = self._modes_by_place(mounts)
        for place in self._watches.keys() - places.keys():
            self._unwatch_place(place)
        for place, mode in places.items():
            place_watch = self._watches.get(place)
            inode = _inode(place)
            if place_watch is not None and place_watch.inode != inode:
                self._unwatch_place(place)
                place_watch = None
            if place_watch is None and inode is not None:
                started = self._watch_place(place, inode, mode)
                self._watches.update({place: started} if started else {})
                if place not in self.roots:
                    self._hint(place, WriterState.UNKNOWN)  # what came before it was watched

    def _modes_by_place(self, mounts: Mapping[Path, str]) -> Mapping[Path, str]:
        """What to watch, and how: the roots, what links in them lead to, and network mounts."""
        linked = self._linked_folders()
        if self.mode != "auto":
            return dict.fromkeys((*self.roots, *linked), self.mode)
        modes = {place: _mode_of(place, mounts) for place in (*self.roots, *linked)}
        local_roots = [root for root in self.roots if modes[root] == "inotify"]
        polled = [
            place
            for root in local_roots
            for place in folders_without_inotify(root, mounts, self._options.follow_links)
        ]
        return modes | dict.fromkeys(polled, "poll")

    def _linked_folders(self) -> tuple[Path, ...]:
        """Links to folders below the roots: an observer enters none by itself."""
        if not self._options.follow_links:
            return ()
        links = chain.from_iterable(linked_folders(root) for root in self.roots)
        return tuple(islice((place for place in links if place not in self.roots), MAX_LINKED))

    def _watch_place(self, place: Path, inode: int, mode: str) -> "_PlaceWatch | None":
        """An eye on a place; None where the system refuses one: the log says why."""
        for way in ("inotify", "poll") if mode == "inotify" else ("poll",):
            real = Path(os.path.realpath(place))
            handler = _Handler(self._hint, way == "inotify", self._on_folder, place, real)
            try:
                watch = self._observer_for(way).schedule(
                    handler, str(real), recursive=True, event_filter=WATCHED_EVENTS
                )
                return _PlaceWatch(way, inode, handler, watch)
            except OSError as error:
                log.warning("%s cannot be watched by %s: %s", place, way, error)
        return None

    def _unwatch_place(self, place: Path) -> None:
        place_watch = self._watches.pop(place)
        observer = self._observers[place_watch.mode]
        observer.remove_handler_for_watch(place_watch.handler, place_watch.watch)
        others = (each for each in self._watches.values() if each.mode == place_watch.mode)
        if all(other.watch != place_watch.watch for other in others):
            observer.unschedule(place_watch.watch)

    def _observer_for(self, mode: str) -> BaseObserver:
        """What watches in that way, running. Raises OSError where the system grants none."""
        if mode not in self._observers:
            new_observer = (
                Observer() if mode == "inotify" else _make_poller(self._options.poll_seconds)
            )
            new_observer.start()
            self._observers[mode] = new_observer
        return self._observers[mode]

    def _hint(self, path: Path, phase: WriterState) -> None:
        with self._changed:
            if phase is WriterState.UNKNOWN and path in self._hints:
                phase = self._hints[path][1]
            self._hints[path] = (time.monotonic(), phase)
            self._changed.notify()


@dataclass(frozen=True, slots=True)
class _PlaceWatch:
    """One watchdog observer on one folder; a folder with another inode needs a new one."""

    mode: str
    inode: int
    handler: "_Handler"
    watch: ObservedWatch


def _make_poller(seconds: float) -> BaseObserver:
    return PollingObserverVFS(_stat_entering, os.scandir, polling_interval=seconds)


def _stat_entering(path: str) -> os.stat_result:
    """What polling looks at: the file that a link leads to, and a link that leads to a folder."""
    status = os.lstat(path)
    if not stat.S_ISLNK(status.st_mode):
        return status
    target = os.stat(path)
    return status if stat.S_ISDIR(target.st_mode) else target


def _mode_of(root: Path, mounts: Mapping[Path, str]) -> str:
    return "inotify" if supports_inotify(root, mounts) else "poll"


class _Handler(events.FileSystemEventHandler):
    """Turns watchdog's events into hints, and tells of folders.

    Events are of paths below ``real``, where ``place`` leads; hints are of those below ``place``.
    """

    def __init__(
        self,
        hint: Callable[[Path, WriterState], None],
        reports_close: bool,
        on_folder: Callable[[FileChange], None] | None,
        place: Path,
        real: Path,
    ) -> None:
        self.hint = hint
        self.on_folder = on_folder
        self.place = place
        self.real = real
        self.modified_phase = WriterState.WRITING if reports_close else WriterState.UNKNOWN

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        path = self._visible_path(event.src_path)
        if isinstance(event, events.FileMovedEvent | events.DirMovedEvent):
            self.hint(path, WriterState.DONE)
            self.hint(self._visible_path(event.dest_path), WriterState.DONE)
        elif isinstance(event, events.FileClosedEvent):
            self.hint(path, WriterState.DONE)
        elif isinstance(event, events.FileModifiedEvent):
            self.hint(path, self.modified_phase)
        else:
            self.hint(path, WriterState.UNKNOWN)
        if self.on_folder is not None and (change := self._folder_change(event)) is not None:
            self.on_folder(change)

    def _folder_change(self, event: events.FileSystemEvent) -> FileChange | None:
        """What an event says of a folder itself; None for events of files."""
        path = self._visible_path(event.src_path)
        if isinstance(event, events.DirMovedEvent):
            return FileChange(self._visible_path(event.dest_path), FileEventKind.MOVED, path)
        if isinstance(event, events.DirCreatedEvent):
            return FileChange(path, FileEventKind.CREATED)
        gone = isinstance(event, events.DirDeletedEvent)
        return FileChange(path, FileEventKind.DELETED) if gone else None

    def _visible_path(self, real_path: bytes | str) -> Path:
        path = Path(str(real_path))
        return self.place / path.relative_to(self.real) if path.is_relative_to(self.real) else path


def _run_or_log(look: Callable[[], None]) -> None:
    """Run a scan; log errors instead of raising, as the next turn scans again."""
    try:
        look()
    except OSError as error:
        log.info("Changes cannot be seen now, trying again: %s", error)
    except Exception:  # one entry must not end the watch over all others
        log.exception("Changes cannot be seen now, trying again")


def _log_failure(future: "Future[object]") -> None:
    if error := future.exception():
        log.error("A listener to file changes failed", exc_info=error)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
