"""Debouncing of file changes: decides from hints and from the disk when a file is complete.

Hints may be late, doubled or lost; the disk is the truth. A hint makes a path pending; a pending
path is looked at again until it stays as it is for long enough, and only then is it told.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from filebrowser.watch.file_events import FileEventKind
from filebrowser.watch.folder_walk import ABSENT_ERRNOS, walk_folders

Signature = tuple[int, int, int, int]  # size, mtime_ns, inode, ctime_ns
STABLE_NUMBERS = 3  # numbers of it that a file keeps when it is renamed; the last is of the rename


@dataclass(frozen=True, slots=True)
class FileChange:
    """One settled change of one file; ``previous`` is where a moved file was."""

    path: Path
    kind: FileEventKind
    previous: Path | None = None


class WriterState(StrEnum):
    """State of the process that writes a pending file; it sets how long to wait."""

    DONE = "done"  # its writer closed it, or a rename put it there
    WRITING = "writing"  # somebody writes and has not closed it
    UNKNOWN = "unknown"  # nothing told: a poll saw it, or a link


QUIET_SECONDS = {WriterState.DONE: 0.05, WriterState.UNKNOWN: 0.5, WriterState.WRITING: 1.2}
"""Seconds without change after which a file counts as settled. ``WRITING`` only ends a wait that
no close will end: a writer that keeps its file open, or changed it through a memory map."""


@dataclass(slots=True)
class _Pending:
    since: float  # when the last change was seen or hinted, monotonic seconds
    phase: WriterState
    signature: Signature | None = None
    looked_below: bool = False  # a path that is gone may have been a folder: asked once


class Debouncer:
    """Known files below some roots, and pending changes, reported once stable.

    Hidden files and folders are passed over; symbolic links are followed where ``links`` is true,
    else they are not there. Not thread-safe: one thread at a time.
    """

    def __init__(self, roots: Iterable[Path], follow_links: bool = True) -> None:
        self.roots = tuple(roots)
        self.follow_links = follow_links
        self._known: dict[Path, Signature] = {}
        self._pending: dict[Path, _Pending] = {}

    def take_snapshot(self) -> None:
        """Take the files on the disk as known. Raises OSError where they cannot be read."""
        self._known = dict(self._walk_roots())

    @property
    def is_busy(self) -> bool:
        """Whether anything is waiting to settle."""
        return bool(self._pending)

    def hint(self, path: Path, now: float, phase: WriterState = WriterState.UNKNOWN) -> None:
        """Something happened at ``path``, a file or a folder; hidden ones are ignored."""
        if self._is_hidden(path):
            return
        pending = self._pending.get(path)
        if pending is None:
            self._pending[path] = _Pending(now, phase)
            return
        pending.since = now
        if phase is not WriterState.UNKNOWN:
            pending.phase = phase

    def rescan(self, now: float) -> None:
        """Hint at every difference between the disk and what is known; heals lost events."""
        on_disk = dict(self._walk_roots())
        self._compare(self._known.keys() - on_disk.keys(), on_disk, now)

    def pop_settled(self, now: float) -> tuple[FileChange, ...]:
        """The changes that have settled by ``now``; each is told once."""
        self._expand_folders(now)
        gone: dict[Path, Signature] = {}
        came: dict[Path, Signature] = {}
        for path in [path for path in self._pending if self._is_settled(path, now)]:
            signature = self._pending.pop(path).signature
            if signature is None and path in self._known:
                gone[path] = self._known.pop(path)
            elif signature is not None and self._known.get(path) != signature:
                came[path] = signature
        return tuple(self._to_changes(gone, came))

    def _to_changes(
        self, gone: dict[Path, Signature], come: dict[Path, Signature]
    ) -> Iterator[FileChange]:
        left = {signature[:STABLE_NUMBERS]: path for path, signature in gone.items()}
        for path, signature in come.items():
            previous = None if path in self._known else left.pop(signature[:STABLE_NUMBERS], None)
            kind = FileEventKind.CHANGED if path in self._known else FileEventKind.CREATED
            self._known[path] = signature
            yield FileChange(path, FileEventKind.MOVED if previous else kind, previous)
        yield from (FileChange(path, FileEventKind.DELETED) for path in left.values())

    def _expand_folders(self, now: float) -> None:
        """Replace a pending folder, there or gone, by the files that differ below it."""
        for path, pending in list(self._pending.items()):
            status = self._status(path)
            if status is not None and stat.S_ISDIR(status.st_mode):
                del self._pending[path]
                self._compare_below(path, dict(self._walk(path)), now)
            elif status is None and path not in self._known and not pending.looked_below:
                pending.looked_below = True
                self._compare_below(path, {}, now)

    def _compare_below(self, folder: Path, on_disk: dict[Path, Signature], now: float) -> None:
        prefix = f"{folder}/"
        known = {path for path in self._known if str(path).startswith(prefix)}
        self._compare(known - on_disk.keys(), on_disk, now)

    def _compare(self, gone: set[Path], on_disk: dict[Path, Signature], now: float) -> None:
        differing = {path for path in on_disk if self._known.get(path) != on_disk[path]}
        for path in gone | differing:
            if path not in self._pending:
                self.hint(path, now)

    def _is_settled(self, path: Path, now: float) -> bool:
        pending = self._pending[path]
        signature = _signature(self._status(path))
        if signature != pending.signature:
            pending.signature = signature
            if signature is not None and pending.phase is not WriterState.DONE:
                pending.since = now
        quiet = QUIET_SECONDS[WriterState.DONE if signature is None else pending.phase]
        return now - pending.since >= quiet

    def _is_hidden(self, path: Path) -> bool:
        for root in self.roots:
            if path.is_relative_to(root):
                return any(part.startswith(".") for part in path.relative_to(root).parts)
        return True

    def _walk_roots(self) -> Iterator[tuple[Path, Signature]]:
        for root in self.roots:
            yield from self._walk(root)

    def _walk(self, folder: Path) -> Iterator[tuple[Path, Signature]]:
        for _, entries in walk_folders(folder, self.follow_links):
            for entry in entries:
                signature = _signature(self._status(Path(entry.path)))
                if signature is not None:
                    yield Path(entry.path), signature

    def _status(self, path: Path) -> os.stat_result | None:
        try:
            return path.stat(follow_symlinks=self.follow_links)
        except OSError as error:
            if error.errno not in ABSENT_ERRNOS:
                raise  # a network share that is away: what was known there may come back
            return None


def _signature(status: os.stat_result | None) -> Signature | None:
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    return (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)
