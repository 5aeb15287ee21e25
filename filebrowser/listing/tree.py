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

from filebrowser.access.gate import Place, open_parent_to_read, open_place
from filebrowser.errors import NotAFolder, NotHere
from filebrowser.listing.file_kinds import FileKind, kind_by_mode
from filebrowser.listing.sort_order import (
    ListingKey,
    Sort,
    SortedNames,
    read_names,
    stat_name,
    update_names,
)
from filebrowser.names import encode_name

MAX_PAGE_ENTRIES = 2000  # entries of one page
MAX_CACHED_NAMES = 600_000  # names in memory, of all orders together: some 150 MB at the very most
YOUNG_NS = 50_000_000  # a folder that changed so shortly ago may change again at the same time
STALE_SECONDS = 4.0  # orders by size and time: a file that grows does not touch its folder
STALE_FACTOR = 10  # and as many times as long as reading such an order took
READ_LOCKS = 16


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One name in a folder. ``size`` is in bytes, None for what is no ordinary file."""

    name: str
    kind: FileKind
    size: int | None
    modified: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class ListingQuery:
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
    entries: tuple[DirectoryEntry, ...]


@dataclass(frozen=True, slots=True)
class _CachedNames:
    """Cached names of a folder, with the folder's state when they were read."""

    stamp: tuple[int, ...]
    order: SortedNames
    expires_at: float  # monotonic seconds
    is_current: bool  # no change can have been made since at the same tick of the clock


def read_entry(place: Place) -> DirectoryEntry:
    """Stat ``place`` and return its entry. Raises :class:`NotHere` and the gate's errors."""
    name = place.names[-1] if place.names else place.root.name
    try:
        if not place.names:
            return entry_of(name, os.stat(place.root.path))
        with open_parent_to_read(place) as (folder, last):
            return entry_of(name, os.stat(last, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        raise NotHere(f"There is nothing at {place.text!r}.") from None


def entry_of(name: str, facts: os.stat_result) -> DirectoryEntry:
    """An entry of what was found under a name."""
    size = facts.st_size if stat.S_ISREG(facts.st_mode) else None
    kind = kind_by_mode(name, facts.st_mode)
    return DirectoryEntry(encode_name(name), kind, size, round(facts.st_mtime, 3))


class Listings:
    """Pages of folder listings from cached sorted names. Thread-safe; one per process."""

    def __init__(self, max_cached: int = MAX_CACHED_NAMES) -> None:
        self._max_cached = max_cached
        self._cache: OrderedDict[ListingKey, _CachedNames] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._read_locks = tuple(threading.Lock() for _ in range(READ_LOCKS))

    def page(self, place: Place, query: ListingQuery) -> Listing:
        """The part of the folder at ``place`` that is wished for; what vanishes is left out.

        Raises :class:`NotAFolder` and the gate's errors.
        """
        folder, wanted = open_folder(place), ListingKey(place, query.sort, query.hidden)
        try:
            order = self._sorted_names(folder, wanted)
            entries = _page_entries(folder, order, query)
            if entries is None:
                self._drop(wanted)
                order = self._sorted_names(folder, wanted)
                entries = _page_entries(folder, order, query, sure=True)
        finally:
            os.close(folder)
        return Listing(f"/{place.text}", order.count, tuple(entries or ()))

    def _sorted_names(self, folder: int, wanted: ListingKey) -> SortedNames:
        # One reader a folder: the others wait for what it finds.
        with self._read_locks[hash(wanted) % READ_LOCKS]:
            stamp, now = _folder_stamp(folder), time.monotonic()
            cached = self._find_cached(wanted, stamp, now)
            if cached is not None and cached.is_current and cached.stamp == stamp:
                return cached.order
            began = time.time_ns()
            sure = began - max(stamp[2:]) >= YOUNG_NS
            order = update_names(folder, wanted, cached.order) if cached is not None else None
            if cached is not None and order is not None:
                updated = _CachedNames(stamp, order, cached.expires_at, sure)
            else:
                order = read_names(folder, wanted)
                updated = _CachedNames(stamp, order, _expires_at(wanted, now), sure)
            self._store(wanted, updated)
            return updated.order

    def _find_cached(
        self, wanted: ListingKey, stamp: tuple[int, ...], now: float
    ) -> _CachedNames | None:
        """What is kept of this very folder and is not too old."""
        with self._cache_lock:
            cached = self._cache.get(wanted)
            if cached is None or now >= cached.expires_at or cached.stamp[:2] != stamp[:2]:
                return None
            self._cache.move_to_end(wanted)
            return cached

    def _store(self, wanted: ListingKey, cached: _CachedNames) -> None:
        with self._cache_lock:
            self._cache[wanted] = cached
            while sum(each.order.count for each in self._cache.values()) > self._max_cached:
                self._cache.popitem(last=False)

    def _drop(self, wanted: ListingKey) -> None:
        with self._cache_lock:
            self._cache.pop(wanted, None)


def _expires_at(wanted: ListingKey, began: float) -> float:
    """Until when an order counts whose reading began then and has just ended."""
    if not wanted.by_content:
        return float("inf")
    now = time.monotonic()
    return now + max(STALE_SECONDS, STALE_FACTOR * (now - began))


def open_folder(place: Place) -> int:
    """A descriptor of the folder at ``place``. Raises :class:`NotAFolder` for a file."""
    fd = open_place(place)
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotAFolder(f"{place.text!r} is a file; a folder can be listed.")
    return fd


def _folder_stamp(folder: int) -> tuple[int, ...]:
    facts = os.fstat(folder)
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns


def _page_entries(
    folder: int, order: SortedNames, query: ListingQuery, sure: bool = False
) -> list[DirectoryEntry] | None:
    """The page; None where a name stands for a folder and did not before, unless ``sure``."""
    step = -1 if query.descending else 1
    start, end = query.offset, query.offset + min(query.limit, MAX_PAGE_ENTRIES)
    before = len(order.folders)
    parts = (
        (True, order.folders[::step][start:end]),
        (False, order.others[::step][max(0, start - before) : max(0, end - before)]),
    )
    entries = []
    for is_folder, names in parts:
        for name in names:
            facts = stat_name(folder, name)
            if facts is None:
                continue
            if stat.S_ISDIR(facts.st_mode) != is_folder and not sure:
                return None
            entries.append(entry_of(name, facts))
    return entries
