"""Sorted names of a folder: read in full, or updated from an earlier list where few names changed.

What a folder holds is always read from the disk itself; only the order is carried on. To put
100,000 names in order costs three times what reading them does (measured).
"""

import os
import stat
from bisect import insort
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from filebrowser.access.gate import Place, hidden_name_matcher
from filebrowser.listing.file_kinds import kind_of
from filebrowser.listing.natural_sort import natural_key, sort_naturally

MAX_INSERTIONS = 200  # names that are put into a kept order one by one


class Sort(StrEnum):
    """What a page is ordered by; names decide between equals, and folders always come first."""

    NAME = "name"
    SIZE = "size"
    MODIFIED = "modified"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class ListingKey:
    """Key of a sorted list: folder, sort field, whether dotted names are included."""

    place: Place
    sort: Sort
    show_dotted: bool

    @property
    def by_content(self) -> bool:
        """Whether the order has to do with what the names stand for."""
        return self.sort in (Sort.SIZE, Sort.MODIFIED)

    @property
    def is_shown(self) -> Callable[[str], bool]:
        """A predicate: whether a name in the folder is listed."""
        is_hidden, dotted = hidden_name_matcher(self.place), self.show_dotted
        return lambda name: (dotted or name[0] != ".") and not is_hidden(name)


@dataclass(frozen=True, slots=True)
class SortedNames:
    """Sorted names, and the inode of every name in the folder, hidden ones included.

    An inode is 0 where the order has nothing to do with what a name stands for.
    """

    folders: Sequence[str]
    others: Sequence[str]
    inodes: Mapping[str, int]

    @property
    def count(self) -> int:
        """Names that are shown."""
        return len(self.folders) + len(self.others)


def read_names(folder: int, wanted: ListingKey) -> SortedNames:
    """The order of an open folder."""
    is_shown, by_content = wanted.is_shown, wanted.by_content
    inodes: dict[str, int] = {}
    folders: list[str] = []
    others: list[str] = []
    with os.scandir(folder) as entries:
        for each in entries:
            name = each.name
            inodes[name] = each.inode() if by_content else 0
            if is_shown(name):
                (folders if each.is_dir(follow_symlinks=False) else others).append(name)
    sorted_folders, sorted_others = (
        _sort(folder, names, wanted.sort) for names in (folders, others)
    )
    return SortedNames(sorted_folders, sorted_others, inodes)


def update_names(folder: int, wanted: ListingKey, known: SortedNames) -> SortedNames | None:
    """Update an earlier list of the same folder; None where too many names changed.

    The names are read anew; those that came, went or stand for another inode change their place.
    In an order by time or size others stay where they are, though they may have grown.
    """
    changes = _changed_names(folder, wanted.by_content, known.inodes)
    if changes is None:
        return None
    fresh, left = changes
    names = [
        [name for name in old if name not in left] if left else list(old)
        for old in (known.folders, known.others)
    ]
    is_shown, key = wanted.is_shown, _sort_key(folder, wanted.sort)
    for name in filter(is_shown, fresh):
        facts = stat_name(folder, name)
        if facts is not None:
            insort(names[0 if stat.S_ISDIR(facts.st_mode) else 1], name, key=key)
    inodes = {**known.inodes, **fresh}
    for name in left - fresh.keys():
        del inodes[name]
    return SortedNames(names[0], names[1], inodes)


def _changed_names(
    folder: int, by_content: bool, known: Mapping[str, int]
) -> tuple[Mapping[str, int], Set[str]] | None:
    """The names that came, or stand for something else, and those that left their place.

    None where there are more than ``MAX_INSERTIONS``.
    """
    if by_content:
        with os.scandir(folder) as entries:
            listing: Collection[str] = (now := {each.name: each.inode() for each in entries})
        fresh = {name: inode for name, inode in now.items() if known.get(name) != inode}
    else:
        listing = os.listdir(folder)  # 100,000 in a third of the time
        fresh = {name: 0 for name in listing if name not in known}
    left = fresh.keys() & known.keys()
    gone = len(known) - (len(listing) - len(fresh)) - len(left)
    if len(fresh) + gone > MAX_INSERTIONS:
        return None
    if gone:
        left = left | (known.keys() - set(listing))
    return fresh, left


def stat_name(folder: int, name: str) -> os.stat_result | None:
    """What is under a name; None where it is gone."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _sort(folder: int, names: list[str], sort: Sort) -> list[str]:
    names = sort_naturally(names)
    if sort is Sort.KIND:
        names.sort(key=kind_of)
    elif sort is not Sort.NAME:
        facts = {name: _sort_value(folder, name, sort) for name in names}
        names.sort(key=facts.__getitem__)
    return names


def _sort_key(folder: int, sort: Sort) -> Callable[[str], Any]:
    """What :func:`_sort` sorts by, for one name."""
    if sort is Sort.NAME:
        return natural_key
    if sort is Sort.KIND:
        return lambda name: (kind_of(name), natural_key(name))
    return lambda name: (_sort_value(folder, name, sort), natural_key(name))


def _sort_value(folder: int, name: str, sort: Sort) -> int:
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:  # gone since the folder was read
        return 0
    if sort is Sort.MODIFIED:
        return facts.st_mtime_ns
    return facts.st_size if stat.S_ISREG(facts.st_mode) else 0
