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

from filebrowser.database import (
    CHECKED_BYTES,
    Damaged,
    alone,
    identity,
    is_damage,
    set_aside,
)
from filebrowser.errors import BadPath
from filebrowser.gate import Place, Root, check_name
from filebrowser.index import rows as books
from filebrowser.index.finding import STEPS, Finder, Found, Question
from filebrowser.index.looking import ask, compare, compare_names, note, writing
from filebrowser.index.rows import Made
from filebrowser.index.schema import connect, prepare
from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.pictures.told import Teller, Told, silent
from filebrowser.visit import Visit

RESCAN_SECONDS = 15 * 60.0  # the whole again, should a change have gone unnoticed
ASKED_AT_ONCE = 100  # pictures between two looks at what is more urgent
LONGEST_PAUSE = 1.0  # seconds
UNHURRIED = 0.05  # seconds of work after which a pause is due
MANY = 100  # names in one folder that are looked at one by one; more, and it is compared whole
MERGED = 200  # pages of the full-text index put together in one go

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Look:
    """What is to be looked at in a folder: some names or all of it; ``deep``: and all below."""

    deep: bool = False
    whole: bool = False
    names: set[str] = field(default_factory=set)

    def add(self, name: str | None, deep: bool) -> None:
        """This name too; None is all."""
        self.names |= {name} if name is not None else set()
        self.whole = self.whole or name is None or len(self.names) > MANY
        self.deep = self.deep or deep


class Index:
    """What lies in ``roots``, in the file ``path``; ``teller`` reads how pictures were made.

    ``memory`` counts the bytes of pictures that are read, and is waited for.

    Nothing is read before :meth:`start`. Call it after any fork. ``hurried``: without
    pauses. Everything is compared again after ``rescan_seconds``.
    """

    def __init__(
        self,
        path: Path,
        roots: Sequence[Root],
        teller: Teller = silent,
        memory: MemoryBudget | None = None,
        *,
        rescan_seconds: float = RESCAN_SECONDS,
        hurried: bool = False,
    ) -> None:
        self._path = path
        self._roots = {str(root.path): root for root in roots}
        self._teller = teller
        self._memory = memory
        self._rescan_seconds = rescan_seconds
        self._hurried = hurried
        self._trees: dict[str, int] = {}  # empty before the start
        self._rows: sqlite3.Connection
        self._finder = Finder(path)
        self._waiting: OrderedDict[tuple[str, tuple[str, ...]], _Look] = OrderedDict()
        self._changed = threading.Condition()
        self._stopped = False
        self._file = (0, 0)  # device and inode
        self._damage: sqlite3.Error | None = None  # found by a search
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run, name="file-index", daemon=True)

    def start(self) -> None:
        """Open the file and begin to compare everything with the disk."""
        self._open()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the file."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._finder.close()
        if self._thread.ident is not None:
            self._thread.join()
            self._rows.close()

    def look_at(self, places: Iterable[Place]) -> None:
        """Something came, changed or went at these places: it is compared again, and all below."""
        for place in places:
            self._add_name(str(place.root.path), place.names)
            self._add(str(place.root.path), place.names, deep=True)

    def look_at_paths(self, paths: Iterable[Path]) -> None:
        """The same for files that a watcher saw change."""
        for path in paths:
            for place in self._roots:
                if path.is_relative_to(place):
                    self._add_name(place, path.relative_to(place).parts)

    def wait(self, seconds: float) -> bool:
        """Whether everything that is to be done was done within so many seconds."""
        return self._idle.wait(seconds)

    def find(self, visit: Visit, question: Question) -> Found:
        """See :meth:`Finder.find`. What is found and not there any more is looked at again."""
        if not self._trees:
            return Found(0, ())
        try:
            found = self._finder.find(visit, question)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                with self._changed:
                    self._damage = error
                    self._changed.notify_all()
            raise
        if found.missing:
            self.look_at(found.missing)
        return found

    # -- the thread ---------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the file, and plan to compare everything."""
        prepare(self._path)
        self._rows = connect(self._path)
        with writing(self._rows):
            hidden = {place: root.hidden for place, root in self._roots.items()}
            self._trees = books.keep_roots(self._rows, hidden)
        self._look_everywhere()

    def _remade(self, error: sqlite3.Error) -> bool:
        """Put the damaged file aside and begin with an empty one; False where that fails now."""
        try:
            with alone(self._path):
                if identity(self._path) == self._file:
                    set_aside(self._path, error)
            self._rows.close()
            self._open()
        except (sqlite3.Error, OSError) as fault:
            log.error("The index of files cannot be made anew: %s", fault)
            return False
        finally:
            self._finder.close()
        return True

    def _check(self) -> None:
        """Read a file through that was too large for it at the start. Raises :class:`Damaged`."""
        self._file = identity(self._path)
        if self._path.stat().st_size <= CHECKED_BYTES:
            return
        self._rows.set_progress_handler(lambda: self._stopped, STEPS)
        try:
            verdict = self._rows.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            self._rows.set_progress_handler(None, 0)
        if verdict != "ok":
            raise Damaged(verdict)

    def _add_name(self, root: str, names: tuple[str, ...]) -> None:
        """One name in its folder is to be looked at."""
        self._add(root, names[:-1], deep=False, only=names[-1] if names else None)

    def _add(
        self, root: str, names: tuple[str, ...], *, deep: bool, only: str | None = None
    ) -> None:
        if root not in self._trees or not all(map(_is_indexed, (*names, *filter(None, (only,))))):
            return
        with self._changed:
            self._waiting.setdefault((root, names), _Look()).add(only, deep)
            self._idle.clear()
            self._changed.notify_all()

    def _look_everywhere(self) -> None:
        for root in self._roots:
            self._add(root, (), deep=True)

    def _run(self) -> None:
        rescan_at = time.monotonic() + self._rescan_seconds
        checked = False
        while not self._stopped:
            try:
                if not checked:
                    self._check()
                    checked = True
                if self._damage is not None:
                    damage, self._damage = self._damage, None
                    raise damage
                if not self._turn():
                    self._rest(rescan_at - time.monotonic())
                if time.monotonic() >= rescan_at:
                    self._look_everywhere()
                    rescan_at = time.monotonic() + self._rescan_seconds
            except (sqlite3.Error, OSError) as error:  # a full disk, a share that is away
                if isinstance(error, sqlite3.Error) and is_damage(error) and self._remade(error):
                    checked = False
                    continue
                log.warning("The index of files stands still for a moment: %s", error)
                self._pause(LONGEST_PAUSE)
            except Exception:  # one entry must not end the index of all others
                log.exception("The index of files cannot take something in, and goes on")
                self._pause(LONGEST_PAUSE)

    def _turn(self) -> bool:
        """Compare a folder, or ask some pictures; False if there is nothing to do."""
        with self._changed:
            # The latest first: what a person just did comes before the rest of a long look.
            item = self._waiting.popitem() if self._waiting else None
        if item is not None:
            (root, names), look = item
            self._compare(Place(self._roots[root], names), self._trees[root], look)
            return True
        return self._ask_some()

    def _compare(self, place: Place, tree: int, look: _Look) -> None:
        began = time.monotonic()
        steps = (
            compare(self._rows, tree, place)
            if look.whole
            else compare_names(self._rows, tree, place, look.names)
        )
        for inner, new in steps:
            if inner is not place and (new or look.deep):
                self._add(str(place.root.path), inner.names, deep=True)
            began = self._breathe(began)
            if self._stopped:
                return

    def _ask_some(self) -> bool:
        pictures = books.unread(self._rows, ASKED_AT_ONCE)
        roots = {number: self._roots[path] for path, number in self._trees.items()}
        told: list[tuple[int, Made]] = []
        began = time.monotonic()
        for number, tree, folder, name, changed, _ in pictures:
            names = (*(folder.split("/") if folder else ()), name)
            place = Place(roots[tree], names)
            made = ask(place, changed, self._teller, self._memory)
            if made is None:
                self._add_name(str(place.root.path), names)
            told.append((number, made or Made(Told())))
            began = self._breathe(began)
            if self._stopped or self._waiting:
                break
        if told:
            note(self._rows, told)
        return bool(told)

    def _rest(self, seconds: float) -> None:
        """Put the full-text index in order, then wait for something to do."""
        self._tidy()
        with self._changed:
            if not self._waiting and not self._stopped:
                self._idle.set()
                self._changed.wait(max(0.0, seconds))

    def _tidy(self) -> None:
        while not self._stopped and not self._waiting:
            began, before = time.monotonic(), self._rows.total_changes
            with writing(self._rows):
                for table in ("words", "unwanted"):
                    self._rows.execute(
                        f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (MERGED,)
                    )
            if self._rows.total_changes - before < 4:  # two for each table that had nothing to do
                return
            self._breathe(began)

    def _breathe(self, began: float) -> float:
        """After some work, a pause as long; when the next work begins."""
        worked = time.monotonic() - began
        if worked < UNHURRIED or self._hurried:
            return began
        self._pause(min(worked, LONGEST_PAUSE))
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
