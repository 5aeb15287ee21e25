"""The search index: a background thread keeps it in step with the disk; any thread may search it.

At its start every folder is compared, then the watcher and the verbs say where to look again. Work
is done in short turns with a pause as long as each, so that a first look at 100,000 pictures takes
at most half a core; what was done is kept at once, and an end at any moment loses nothing.
"""

import logging
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, Root, check_name
from filebrowser.database import (
    MAX_CHECKED_BYTES,
    FileDatabaseDamaged,
    file_identity,
    is_damage,
    lock_file,
    set_aside,
)
from filebrowser.errors import BadPath
from filebrowser.index import rows as index_rows
from filebrowser.index.reconcile import (
    read_picture,
    reconcile_folder,
    reconcile_names,
    save_pictures,
    transaction,
)
from filebrowser.index.rows import ScannedPicture
from filebrowser.index.schema import connect, prepare_database
from filebrowser.index.search import PROGRESS_STEPS, IndexSearch
from filebrowser.index.search_query import NameUses, SearchPage, SearchQuery
from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.pictures.picture_facts import FactsReader, PictureFacts, read_nothing

RESCAN_SECONDS = 15 * 60.0  # the whole again, should a change have gone unnoticed
RETRY_SECONDS = 30.0  # to another look at a folder that could not be read or written down
PICTURE_BATCH = 100  # pictures between two looks at what is more urgent
MAX_PAUSE = 1.0  # seconds
WORK_SECONDS = 0.05  # seconds of work after which a pause is due
MAX_SINGLE_NAMES = (
    100  # names in one folder that are looked at one by one; more, and it is compared whole
)
MERGE_PAGES = 200  # pages of the full-text index put together in one go

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _PendingFolder:
    """What is to be looked at in a folder: some names or all of it; ``deep``: and all below."""

    deep: bool = False
    all_names: bool = False
    names: set[str] = field(default_factory=set)

    def add(self, name: str | None, deep: bool) -> None:
        """This name too; None is all."""
        self.names |= {name} if name is not None else set()
        self.all_names = self.all_names or name is None or len(self.names) > MAX_SINGLE_NAMES
        self.deep = self.deep or deep

    def join(self, other: "_PendingFolder") -> None:
        """What another one says too."""
        self.names |= other.names
        self.all_names = self.all_names or other.all_names
        self.deep = self.deep or other.deep


FolderKey = tuple[str, tuple[str, ...]]
"""A root's path, and the names below it."""


class FileIndex:
    """What lies in ``roots``, in the file ``path``; ``read_facts`` reads how pictures were made.

    ``memory`` counts the bytes of pictures that are read, and is waited for.

    Nothing is read before :meth:`start`. Call it after any fork. ``without_pauses``: as
    fast as it can. Everything is compared again after ``rescan_seconds``.
    """

    def __init__(
        self,
        path: Path,
        roots: Sequence[Root],
        read_facts: FactsReader = read_nothing,
        memory: MemoryBudget | None = None,
        *,
        rescan_seconds: float = RESCAN_SECONDS,
        without_pauses: bool = False,
    ) -> None:
        self._path = path
        self._roots = {str(root.path): root for root in roots}
        self._read_facts = read_facts
        self._memory = memory
        self._rescan_seconds = rescan_seconds
        self._without_pauses = without_pauses
        self._root_ids: dict[str, int] = {}  # empty before the start
        self._connection: sqlite3.Connection
        self._search = IndexSearch(path)
        self._waiting: OrderedDict[FolderKey, _PendingFolder] = OrderedDict()
        self._failed: dict[FolderKey, _PendingFolder] = {}
        self._retry_at = float("inf")  # monotonic
        self._changed = threading.Condition()
        self._stopped = False
        self._file_identity = (0, 0)  # device and inode
        self._damage: sqlite3.Error | None = None  # found by a search
        self._idle = threading.Event()
        self._is_watched: threading.Event | None = None
        self._thread = threading.Thread(target=self._run, name="file-index", daemon=True)

    def start(self, is_watched: threading.Event | None = None) -> None:
        """Open the file and begin to compare everything with the disk.

        Not before ``is_watched``, where one is given: what comes after a folder was compared and
        before it is watched would be found by the next rescan only.
        """
        self._is_watched = is_watched
        self._open()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the file."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._search.close()
        if self._thread.ident is not None:
            self._thread.join()
            self._connection.close()

    def schedule(self, places: Iterable[Place]) -> None:
        """Something came, changed or went at these places: it is compared again, and all below."""
        for place in places:
            root, names = index_rows.find_root(place, self._roots)
            self._schedule_name(root, names)
            self._schedule_folder(root, names, deep=True)

    def schedule_paths(self, paths: Iterable[Path]) -> None:
        """The same for files that a watcher saw change."""
        for path in paths:
            for place in self._roots:
                if path.is_relative_to(place):
                    self._schedule_name(place, path.relative_to(place).parts)

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether everything that is to be done was done within so many seconds."""
        return self._idle.wait(seconds)

    def find(self, access: FileAccess, query: SearchQuery) -> SearchPage:
        """See :meth:`IndexSearch.find`. What is found and not there any more is looked at again."""
        if not self._root_ids:
            return SearchPage(0, ())
        try:
            page = self._search.find(access, query)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                with self._changed:
                    self._damage = error
                    self._changed.notify_all()
            raise
        if page.missing:
            self.schedule(page.missing)
        return page

    def count_names(self) -> NameUses | None:
        """See :meth:`IndexSearch.count_names`; None before the start."""
        return self._search.count_names() if self._root_ids else None

    # -- the thread ---------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the file, and plan to compare everything."""
        prepare_database(self._path)
        self._connection = connect(self._path)
        with transaction(self._connection):
            hidden = {place: root.hidden for place, root in self._roots.items()}
            self._root_ids = index_rows.sync_roots(self._connection, hidden)
        self._schedule_roots()

    def _recreate(self, error: sqlite3.Error) -> bool:
        """Put the damaged file aside and begin with an empty one; False where that fails now."""
        try:
            with lock_file(self._path):
                if file_identity(self._path) == self._file_identity:
                    set_aside(self._path, error)
            self._connection.close()
            self._open()
        except (sqlite3.Error, OSError) as fault:
            log.error("The index of files cannot be made anew: %s", fault)
            return False
        finally:
            self._search.close()
        return True

    def _check_integrity(self) -> None:
        """Read a file through that was too large for it at the start. Raises
        :class:`FileDatabaseDamaged`.
        """
        self._file_identity = file_identity(self._path)
        if self._path.stat().st_size <= MAX_CHECKED_BYTES:
            return
        self._connection.set_progress_handler(lambda: self._stopped, PROGRESS_STEPS)
        try:
            verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            self._connection.set_progress_handler(None, 0)
        if verdict != "ok":
            raise FileDatabaseDamaged(verdict)

    def _schedule_name(self, root: str, names: tuple[str, ...]) -> None:
        """One name in its folder is to be looked at."""
        self._schedule_folder(root, names[:-1], deep=False, only=names[-1] if names else None)

    def _schedule_folder(
        self, root: str, names: tuple[str, ...], *, deep: bool, only: str | None = None
    ) -> None:
        if root not in self._root_ids or not all(
            map(_is_indexed, (*names, *filter(None, (only,))))
        ):
            return
        with self._changed:
            self._waiting.setdefault((root, names), _PendingFolder()).add(only, deep)
            self._idle.clear()
            self._changed.notify_all()

    def _schedule_roots(self) -> None:
        """Plan to compare all: from the roots down, and what no known folder leads to."""
        paths = {number: path for path, number in self._root_ids.items()}
        for number, path in index_rows.unlisted_folders(self._connection):
            self._schedule_folder(paths.get(number, ""), tuple(path.split("/")), deep=False)
        for root in self._roots:
            self._schedule_folder(root, (), deep=True)

    def _run(self) -> None:
        if self._is_watched is not None:
            self._is_watched.wait()
        rescan_at = time.monotonic() + self._rescan_seconds
        checked = False
        while not self._stopped:
            try:
                if not checked:
                    self._check_integrity()
                    checked = True
                if self._damage is not None:
                    damage, self._damage = self._damage, None
                    raise damage
                if not self._work_once():
                    self._wait_for_work(min(rescan_at, self._retry_at) - time.monotonic())
                if time.monotonic() >= self._retry_at:
                    self._schedule_failed()
                if time.monotonic() >= rescan_at:
                    self._schedule_roots()
                    rescan_at = time.monotonic() + self._rescan_seconds
            except (sqlite3.Error, OSError) as error:  # a full disk, a share that is away
                if isinstance(error, sqlite3.Error) and is_damage(error) and self._recreate(error):
                    checked = False
                    continue
                log.warning("The index of files stands still for a moment: %s", error)
                self._pause(MAX_PAUSE)
            except Exception:  # one entry must not end the index of all others
                log.exception("The index of files cannot take something in, and goes on")
                self._pause(MAX_PAUSE)

    def _work_once(self) -> bool:
        """Compare a folder, or ask some pictures; False if there is nothing to do."""
        with self._changed:
            # The latest first: what a person just did comes before the rest of a long look.
            item = self._waiting.popitem() if self._waiting else None
        if item is not None:
            (root, names), pending = item
            try:
                self._reconcile(Place(self._roots[root], names), self._root_ids[root], pending)
            except (sqlite3.Error, OSError):
                self._failed.setdefault((root, names), _PendingFolder()).join(pending)
                self._retry_at = time.monotonic() + RETRY_SECONDS
                raise
            return True
        return self._read_pictures()

    def _schedule_failed(self) -> None:
        """Plan another look at what could not be read or written down."""
        with self._changed:
            for key, pending in self._failed.items():
                self._waiting.setdefault(key, _PendingFolder()).join(pending)
            self._idle.clear()
        self._failed.clear()
        self._retry_at = float("inf")

    def _reconcile(self, place: Place, tree: int, pending: _PendingFolder) -> None:
        began = time.monotonic()
        steps = (
            reconcile_folder(self._connection, tree, place)
            if pending.all_names
            else reconcile_names(self._connection, tree, place, pending.names)
        )
        for inner, new in steps:
            if inner is not place and (new or pending.deep):
                self._schedule_folder(str(place.root.path), inner.names, deep=True)
            began = self._throttle(began)
            if self._stopped:
                return
        self._schedule_own_name(place, tree)

    def _schedule_own_name(self, place: Place, tree: int) -> None:
        """Look at a folder's name in the one above, which nobody tells of with the files in it."""
        path = "/".join(place.names)
        is_known = index_rows.find_folder(self._connection, tree, path) is not None
        if path and is_known != index_rows.is_listed(self._connection, tree, path):
            self._schedule_name(str(place.root.path), place.names)

    def _read_pictures(self) -> bool:
        pictures = index_rows.unread_pictures(self._connection, PICTURE_BATCH)
        roots = {number: self._roots[path] for path, number in self._root_ids.items()}
        read: list[tuple[int, ScannedPicture]] = []
        began = time.monotonic()
        for number, tree, folder, name, changed, _ in pictures:
            names = (*(folder.split("/") if folder else ()), name)
            place = Place(roots[tree], names)
            picture = self._read_picture(place, changed)
            if picture is None:
                self._schedule_name(str(place.root.path), names)
            read.append((number, picture or ScannedPicture(PictureFacts())))
            began = self._throttle(began)
            if self._stopped or self._waiting:
                break
        if read:
            save_pictures(self._connection, read)
        return bool(read)

    def _read_picture(self, place: Place, changed: int) -> ScannedPicture | None:
        """As :func:`read_picture`; one that breaks its reader tells nothing, and keeps no other
        from being read.
        """
        try:
            return read_picture(place, changed, self._read_facts, self._memory)
        except Exception:
            log.exception("The facts of a picture cannot be read: /%s", place.text)
            return ScannedPicture(PictureFacts())

    def _wait_for_work(self, seconds: float) -> None:
        """Put the full-text index in order, then wait for something to do."""
        self._merge_fts()
        with self._changed:
            if not self._waiting and not self._stopped:
                self._idle.set()
                self._changed.wait(max(0.0, seconds))

    def _merge_fts(self) -> None:
        while not self._stopped and not self._waiting:
            began, before = time.monotonic(), self._connection.total_changes
            with transaction(self._connection):
                for table in ("words", "unwanted"):
                    self._connection.execute(
                        f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (MERGE_PAGES,)
                    )
            if (
                self._connection.total_changes - before < 4
            ):  # two for each table that had nothing to do
                return
            self._throttle(began)

    def _throttle(self, began: float) -> float:
        """After some work, a pause as long; when the next work begins."""
        worked = time.monotonic() - began
        if worked < WORK_SECONDS or self._without_pauses:
            return began
        self._pause(min(worked, MAX_PAUSE))
        return time.monotonic()

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, seconds)


def _is_indexed(name: str) -> bool:
    """Whether a name is one that can be asked for, and not a hidden one."""
    try:
        check_name(name)
    except BadPath:
        return False
    return not name.startswith(".")
