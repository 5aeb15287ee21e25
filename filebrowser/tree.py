"""What a folder holds: entries, and pages of them in an order.

The names of a folder are kept, in their order, for as long as the folder itself says that nothing
came or went (its times); so the second page of 100,000 names costs as little as any other.
"""

import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import filterfalse

from filebrowser.errors import BadPath, NotAFolder, NotHere
from filebrowser.gate import Place, check_name, hidden_in, holder_of, open_place
from filebrowser.kinds import Kind, kind_by_mode, kind_of
from filebrowser.natural import in_order

MOST_LISTED = 2000  # entries of one page
MOST_KEPT = 600_000  # names in memory, of all orders together: some 100 MB at the very most
YOUNG_NS = 50_000_000  # a folder that changed so shortly ago may change again at the same time
STALE_SECONDS = 4.0  # orders by size and time: a file that grows does not touch its folder
LOCKS = 16


class Sort(StrEnum):
    """What a page is ordered by; names decide between equals, and folders always come first."""

    NAME = "name"
    SIZE = "size"
    MODIFIED = "modified"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder. ``size`` is in bytes, None for what is no ordinary file."""

    name: str
    kind: Kind
    size: int | None
    modified: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Wish:
    """Which part of a folder is asked for."""

    sort: Sort = Sort.NAME
    descending: bool = False
    offset: int = 0
    limit: int = 200
    hidden: bool = False  # names that begin with a dot too


@dataclass(frozen=True, slots=True)
class Listing:
    """A page: ``total`` entries are there in all."""

    path: str
    total: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class _Order:
    """The names of one folder in one order, and the state of the folder that they belong to."""

    stamp: tuple[int, ...]
    folders: Sequence[str]
    others: Sequence[str]
    until: float  # monotonic seconds

    @property
    def count(self) -> int:
        return len(self.folders) + len(self.others)


_Key = tuple[Place, Sort, bool]


def look(place: Place) -> Entry:
    """The entry at ``place``. Raises :class:`NotHere` and the gate's errors."""
    name = place.names[-1] if place.names else place.root.name
    try:
        if not place.names:
            return entry_of(name, os.stat(place.root.path))
        with holder_of(place) as (folder, last):
            return entry_of(name, os.stat(last, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        raise NotHere(f"There is nothing at {place.text!r}.") from None


def entry_of(name: str, facts: os.stat_result) -> Entry:
    """An entry of what was found under a name."""
    size = facts.st_size if stat.S_ISREG(facts.st_mode) else None
    kind = kind_by_mode(name, facts.st_mode)
    try:
        check_name(name)
    except BadPath:
        kind, name = Kind.SPECIAL, name.encode("utf-8", "replace").decode()
    return Entry(name, kind, size, round(facts.st_mtime, 3))


class Listings:
    """Makes pages; safe for threads. One for the whole process."""

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self._most_kept = most_kept
        self._kept: OrderedDict[_Key, _Order] = OrderedDict()
        self._changing = threading.Lock()
        self._reading = tuple(threading.Lock() for _ in range(LOCKS))

    def page(self, place: Place, wish: Wish) -> Listing:
        """The part of the folder at ``place`` that is wished for; what vanishes is left out.

        Raises :class:`NotAFolder` and the gate's errors.
        """
        folder = open_folder(place)
        try:
            order = self._order(folder, (place, wish.sort, wish.hidden))
            entries = tuple(_entries(folder, _window(order, wish)))
        finally:
            os.close(folder)
        return Listing(f"/{place.text}", order.count, entries)

    def _order(self, folder: int, key: _Key) -> _Order:
        # One reader a folder: the others wait for what it finds.
        with self._reading[hash(key) % LOCKS]:
            stamp, now = _stamp(folder), time.monotonic()
            with self._changing:
                kept = self._kept.get(key)
                if kept is not None and kept.stamp == stamp and now < kept.until:
                    self._kept.move_to_end(key)
                    return kept
            began = time.time_ns()
            lasting = float("inf") if key[1] in (Sort.NAME, Sort.KIND) else now + STALE_SECONDS
            made = _Order(stamp, *_read(folder, *key), lasting)
            self._keep(key, made, began)
            return made

    def _keep(self, key: _Key, made: _Order, began: int) -> None:
        with self._changing:
            self._kept.pop(key, None)
            if began - max(made.stamp[2:]) >= YOUNG_NS:
                self._kept[key] = made
            while sum(each.count for each in self._kept.values()) > self._most_kept:
                self._kept.popitem(last=False)


def open_folder(place: Place) -> int:
    """A descriptor of the folder at ``place``. Raises :class:`NotAFolder` for a file."""
    found = open_place(place)
    if not stat.S_ISDIR(os.fstat(found).st_mode):
        os.close(found)
        raise NotAFolder(f"{place.text!r} is a file; a folder can be listed.")
    return found


def _stamp(folder: int) -> tuple[int, ...]:
    facts = os.fstat(folder)
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns


def _read(folder: int, place: Place, sort: Sort, dotted: bool) -> tuple[list[str], list[str]]:
    """The names of a folder in their order: folders, then all else."""
    away = hidden_in(place)
    folders: list[str] = []
    others: list[str] = []
    with os.scandir(folder) as found:
        for each in found:
            name = each.name
            if name[0] != "." or dotted:
                (folders if each.is_dir(follow_symlinks=False) else others).append(name)
    shown = (list(filterfalse(away, names)) for names in (folders, others))
    first, last = (_sorted(folder, names, sort) for names in shown)
    return first, last


def _sorted(folder: int, names: list[str], sort: Sort) -> list[str]:
    names = in_order(names)
    if sort is Sort.KIND:
        names.sort(key=kind_of)
    elif sort is not Sort.NAME:
        facts = {name: _fact(folder, name, sort) for name in names}
        names.sort(key=facts.__getitem__)
    return names


def _fact(folder: int, name: str, sort: Sort) -> int:
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:  # gone since the folder was read
        return 0
    if sort is Sort.MODIFIED:
        return facts.st_mtime_ns
    return facts.st_size if stat.S_ISREG(facts.st_mode) else 0


def _window(order: _Order, wish: Wish) -> Sequence[str]:
    step = -1 if wish.descending else 1
    start, end = wish.offset, wish.offset + min(wish.limit, MOST_LISTED)
    before = len(order.folders)
    return [
        *order.folders[::step][start:end],
        *order.others[::step][max(0, start - before) : max(0, end - before)],
    ]


def _entries(folder: int, names: Sequence[str]) -> list[Entry]:
    found = []
    for name in names:
        try:
            found.append(entry_of(name, os.stat(name, dir_fd=folder, follow_symlinks=False)))
        except FileNotFoundError:
            continue
    return found
