"""Tells listeners which files below some folders came, changed, moved or left, once settled.

watchdog hints that something happened; :mod:`filebrowser.settling` looks at the disk and decides.
Whole within two seconds of a file's last byte, and never a half-copied file while its writer is at
work. Local folders are watched by inotify, network mounts by polling.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from filebrowser.mounts import mounted, reports_changes, unreporting_below
from filebrowser.settling import Change, FileChange, Phase, Settler

__all__ = ["MODES", "Change", "FileChange", "Watcher"]

MODES = ("auto", "inotify", "poll", "off")
Listener = Callable[[Sequence[FileChange]], object]

POLL_SECONDS = 0.6
TICK_SECONDS = 0.1  # between two looks at a pending file
RESCAN_SECONDS = 30.0  # a whole look at the disk, in case an event was lost
RESCAN_REST = 60.0  # times as long as the look took, at the least, to the next
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
    """How a watcher looks: whether through symbolic links, and how often at everything.

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
        for eye in self._eyes.values():
            eye.close()
        self._eyes.clear()
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
                    idle = max(0.0, rescan_at - time.monotonic())
                    self._changed.wait(TICK_SECONDS if settler.busy else idle)
                if self._stopped:
                    return
                hints, self._hints = self._hints, {}
            for path, (when, phase) in hints.items():
                settler.hint(path, when, phase)
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

    def _look_everywhere(self) -> None:
        """Watch the places that exist; again those that were removed and made anew."""
        mounts = mounted()
        for place, mode in self._places(mounts).items():
            eye = self._eyes.get(place)
            inode = _inode(place)
            if eye is not None and eye.inode != inode:
                self._eyes.pop(place).close()
                eye = None
            if eye is None and inode is not None:
                opened = self._open_eye(place, inode, mode)
                self._eyes.update({place: opened} if opened else {})

    def _places(self, mounts: Mapping[Path, str]) -> Mapping[Path, str]:
        """What to watch, and how: the roots, and network mounts inside the local ones."""
        if self.mode != "auto":
            return dict.fromkeys(self.roots, self.mode)
        modes = {root: _mode_of(root, mounts) for root in self.roots}
        local = [root for root, mode in modes.items() if mode == "inotify"]
        inside = [
            place for root in local for place in unreporting_below(root, mounts, self._habits.links)
        ]
        return modes | dict.fromkeys(inside, "poll")

    def _open_eye(self, place: Path, inode: int, mode: str) -> "_Eye | None":
        if mode == "inotify":
            handler = _Handler(self._hint, True, self._on_folder)
            eye = _opened("inotify", (place, inode), Observer, handler, self._habits.links)
            if eye is not None:
                return eye
        handler = _Handler(self._hint, False, self._on_folder)
        poller = partial(PollingObserver, timeout=self._habits.poll)
        return _opened("poll", (place, inode), poller, handler, self._habits.links)

    def _hint(self, path: Path, phase: Phase) -> None:
        with self._changed:
            if phase is Phase.UNKNOWN and path in self._hints:
                phase = self._hints[path][1]
            self._hints[path] = (time.monotonic(), phase)
            self._changed.notify()


@dataclass(frozen=True, slots=True)
class _Eye:
    """One observer on one root. A root of another inode is another root."""

    mode: str
    inode: int
    observer: BaseObserver

    def close(self) -> None:
        self.observer.stop()
        if self.observer.is_alive():
            self.observer.join()


def _opened(
    mode: str,
    what: tuple[Path, int],
    build: Callable[[], BaseObserver],
    handler: "_Handler",
    links: bool,
) -> _Eye | None:
    """An eye on a root and its inode; None where the system refuses one: the log says why."""
    eye = None
    root, inode = what
    try:
        eye = _Eye(mode, inode, build())
        eye.observer.schedule(
            handler, str(root), recursive=True, event_filter=HEARD, follow_symlink=links
        )
        eye.observer.start()
    except OSError as error:
        log.warning("%s cannot be watched by %s: %s", root, mode, error)
        if eye is not None:
            eye.close()
        return None
    return eye


def _mode_of(root: Path, mounts: Mapping[Path, str]) -> str:
    return "inotify" if reports_changes(root, mounts) else "poll"


class _Handler(events.FileSystemEventHandler):
    """Turns watchdog's events into hints, and tells of folders."""

    def __init__(
        self,
        hint: Callable[[Path, Phase], None],
        telling_close: bool,
        on_folder: Callable[[FileChange], None] | None,
    ) -> None:
        self.hint = hint
        self.on_folder = on_folder
        self.written = Phase.WRITING if telling_close else Phase.UNKNOWN

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        path = Path(str(event.src_path))
        if isinstance(event, events.FileMovedEvent | events.DirMovedEvent):
            self.hint(path, Phase.DONE)
            self.hint(Path(str(event.dest_path)), Phase.DONE)
        elif isinstance(event, events.FileClosedEvent):
            self.hint(path, Phase.DONE)
        elif isinstance(event, events.FileModifiedEvent):
            self.hint(path, self.written)
        else:
            self.hint(path, Phase.UNKNOWN)
        if self.on_folder is not None and (change := _of_folder(event)) is not None:
            self.on_folder(change)


def _of_folder(event: events.FileSystemEvent) -> FileChange | None:
    """What an event says of a folder itself; None for events of files."""
    path = Path(str(event.src_path))
    if isinstance(event, events.DirMovedEvent):
        return FileChange(Path(str(event.dest_path)), Change.MOVED, path)
    if isinstance(event, events.DirCreatedEvent):
        return FileChange(path, Change.CREATED)
    return FileChange(path, Change.DELETED) if isinstance(event, events.DirDeletedEvent) else None


def _retrying(look: Callable[[], None]) -> None:
    """Look at the disk; an unreachable network share is looked at again at the next turn."""
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
