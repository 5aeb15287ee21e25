"""Directory listings: entries, and sorted pages of them, with a cache of sorted names.

The names of a folder are kept, in their order, for as long as the folder itself says that nothing
came or went (its times); so the second page of 100,000 names costs as little as any other. When
something did, the names are read anew and the few that differ change their places.
"""

import os
import stat
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from filebrowser.errors import NotAFolder, NotHere
from filebrowser.gate import Place, holder_of, open_place
from filebrowser.kinds import Kind, kind_by_mode
from filebrowser.names import show_name
from filebrowser.orders import Order, Sort, Wanted, brought_up, facts_of, read

MOST_LISTED = 2000  # entries of one page
MOST_KEPT = 600_000  # names in memory, of all orders together: some 150 MB at the very most
YOUNG_NS = 50_000_000  # a folder that changed so shortly ago may change again at the same time
STALE_SECONDS = 4.0  # orders by size and time: a file that grows does not touch its folder
STALE_TIMES = 10  # and as many times as long as reading such an order took
LOCKS = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder. ``size`` is in bytes, None for what is no ordinary file."""

    name: str
    kind: Kind
    size: int | None
    modified: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Wish:
    """Sort order and range of a page of a listing."""

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
class _Kept:
    """Cached names of a folder, with the folder's state when they were read."""

    stamp: tuple[int, ...]
    order: Order
    until: float  # monotonic seconds
    sure: bool  # no change can have been made since at the same tick of the clock


def look(place: Place) -> Entry:
    """Stat ``place`` and return its entry. Raises :class:`NotHere` and the gate's errors."""
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
    return Entry(show_name(name), kind, size, round(facts.st_mtime, 3))


class Listings:
    """Pages of folder listings from cached sorted names. Thread-safe; one per process."""

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self._most_kept = most_kept
        self._kept: OrderedDict[Wanted, _Kept] = OrderedDict()
        self._changing = threading.Lock()
        self._reading = tuple(threading.Lock() for _ in range(LOCKS))

    def page(self, place: Place, wish: Wish) -> Listing:
        """The part of the folder at ``place`` that is wished for; what vanishes is left out.

        Raises :class:`NotAFolder` and the gate's errors.
        """
        folder, wanted = open_folder(place), Wanted(place, wish.sort, wish.hidden)
        try:
            order = self._order(folder, wanted)
            entries = _entries(folder, order, wish)
            if entries is None:
                self._forget(wanted)
                order = self._order(folder, wanted)
                entries = _entries(folder, order, wish, sure=True)
        finally:
            os.close(folder)
        return Listing(f"/{place.text}", order.count, tuple(entries or ()))

    def _order(self, folder: int, wanted: Wanted) -> Order:
        # One reader a folder: the others wait for what it finds.
        with self._reading[hash(wanted) % LOCKS]:
            stamp, now = _stamp(folder), time.monotonic()
            kept = self._known(wanted, stamp, now)
            if kept is not None and kept.sure and kept.stamp == stamp:
                return kept.order
            began = time.time_ns()
            sure = began - max(stamp[2:]) >= YOUNG_NS
            order = brought_up(folder, wanted, kept.order) if kept is not None else None
            if kept is not None and order is not None:
                made = _Kept(stamp, order, kept.until, sure)
            else:
                order = read(folder, wanted)
                made = _Kept(stamp, order, _until(wanted, now), sure)
            self._keep(wanted, made)
            return made.order

    def _known(self, wanted: Wanted, stamp: tuple[int, ...], now: float) -> _Kept | None:
        """What is kept of this very folder and is not too old."""
        with self._changing:
            kept = self._kept.get(wanted)
            if kept is None or now >= kept.until or kept.stamp[:2] != stamp[:2]:
                return None
            self._kept.move_to_end(wanted)
            return kept

    def _keep(self, wanted: Wanted, made: _Kept) -> None:
        with self._changing:
            self._kept[wanted] = made
            while sum(each.order.count for each in self._kept.values()) > self._most_kept:
                self._kept.popitem(last=False)

    def _forget(self, wanted: Wanted) -> None:
        with self._changing:
            self._kept.pop(wanted, None)


def _until(wanted: Wanted, began: float) -> float:
    """Until when an order counts whose reading began then and has just ended."""
    if not wanted.by_content:
        return float("inf")
    now = time.monotonic()
    return now + max(STALE_SECONDS, STALE_TIMES * (now - began))


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


def _entries(folder: int, order: Order, wish: Wish, sure: bool = False) -> list[Entry] | None:
    """The page; None where a name stands for a folder and did not before, unless ``sure``."""
    step = -1 if wish.descending else 1
    start, end = wish.offset, wish.offset + min(wish.limit, MOST_LISTED)
    before = len(order.folders)
    parts = (
        (True, order.folders[::step][start:end]),
        (False, order.others[::step][max(0, start - before) : max(0, end - before)]),
    )
    found = []
    for is_folder, names in parts:
        for name in names:
            facts = facts_of(folder, name)
            if facts is None:
                continue
            if stat.S_ISDIR(facts.st_mode) != is_folder and not sure:
                return None
            found.append(entry_of(name, facts))
    return found
