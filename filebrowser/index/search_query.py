"""Nouns of a search in the index: what is asked, and what is found."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from filebrowser.access.gate import Place
from filebrowser.index.query import Term
from filebrowser.listing.sort_order import Sort
from filebrowser.listing.tree import DirectoryEntry

FileStamp = tuple[int, int]
"""A file's last change in nanoseconds since 1970, and its bytes: these stay when it is renamed,
moved, thrown away and restored."""

Position = tuple[int, int]
"""Where a hit stands among the latest: its last change, and its number in the index."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to find, in which order, and which part of it. ``below``: in this folder alone.

    ``only``, ``without``: files of these stamps, and of none of those. ``after``: what comes behind
    this hit, the latest first; ``total`` counts all the same.
    """

    terms: Sequence[Term]
    below: Place | None = None
    sort: Sort = Sort.MODIFIED
    descending: bool = True
    offset: int = 0
    limit: int = 100
    only: Collection[FileStamp] | None = None
    without: Collection[FileStamp] | None = None
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One thing found. What it does not tell is None or empty."""

    path: str  # "/root/name/name"
    entry: DirectoryEntry
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    model: str | None = None
    sampler: str | None = None
    prompt: str = ""
    position: Position = (0, 0)

    @property
    def stamp(self) -> FileStamp:
        """By which it is known under any name."""
        return self.position[0], self.entry.size or 0


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page. ``total`` are there in all, as the index knows."""

    total: int
    hits: tuple[SearchHit, ...]
    missing: tuple[Place, ...] = ()  # the index has them, the disk has not


@dataclass(frozen=True, slots=True)
class NameUses:
    """Names that pictures tell of, with the number of pictures; ``pictures`` were read in all."""

    models: Mapping[str, int]
    loras: Mapping[str, int]
    pictures: int
