"""Tag lists: ``<data-dir>/tags/*.csv`` of name, category, count and aliases between commas.

All terms stand in one text, the most used first. So a search is a few scans of that text, at the
speed of C, that end as soon as they have found enough.
"""

import csv
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

FOLDER = "tags"  # in the data directory
SUFFIX = ".csv"
MAX_LIST_BYTES = 64 << 20  # bytes of a list; a larger one is not read
MAX_TAGS = 500_000  # of all lists
MAX_TERM_LENGTH = 200  # characters of a term, and of what is looked for
BREAK = "\n"


@dataclass(frozen=True, slots=True)
class Tag:
    """A word or phrase to offer."""

    name: str  # as the list writes it, "blue_sky"
    category: str = ""  # as the list says: a number, or a word
    count: int = 0  # how often it is used
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A tag that was found, and the alias by which, "" for its own name."""

    tag: Tag
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags for prefix and substring search. ``places``: offsets of terms in ``text``."""

    text: str = BREAK
    offsets: tuple[int, ...] = ()
    terms: tuple[tuple[Tag, str], ...] = ()  # a tag, and the alias or ""

    @property
    def count(self) -> int:
        """How many tags there are."""
        return sum(not alias for _, alias in self.terms)

    def find(self, words: str, most: int) -> tuple[Match, ...]:
        """Up to ``most`` tags: those that begin with ``words``, have a word that does, hold it.

        Within each of these the most used come first; case, blanks and underscores are the same.
        """
        sought = fold_words(words)[:MAX_TERM_LENGTH]
        matches: dict[str, Match] = {}
        if not sought:
            return ()
        for before in (BREAK, " ", ""):
            for tag, alias in self._terms_with(before + sought):
                matches.setdefault(tag.name, Match(tag, alias))
                if len(matches) >= most:
                    return tuple(matches.values())
        return tuple(matches.values())

    def _terms_with(self, sought: str) -> Iterator[tuple[Tag, str]]:
        at = self.text.find(sought)
        while at >= 0:
            # A hit that begins with the break begins with its term.
            number = bisect_right(self.offsets, at + sought.startswith(BREAK)) - 1
            yield self.terms[number]
            following = number + 1
            if following >= len(self.offsets):
                return
            at = self.text.find(sought, self.offsets[following] - 1)


def fold_words(words: str) -> str:
    """Normalise words for comparison: case, underscores and blanks."""
    return " ".join(words.casefold().replace("_", " ").split())


def build_tags(tags: Iterable[Tag]) -> Tags:
    """Tags in order of their use; of two with one name the more used."""
    by_use = sorted(tags, key=lambda tag: -tag.count)
    by_name: dict[str, Tag] = {}
    for tag in by_use:
        by_name.setdefault(fold_words(tag.name), tag)
    terms = [
        (text, tag, alias)
        for tag in by_name.values()
        for alias in ("", *tag.aliases)
        if (text := fold_words(alias or tag.name))
    ]
    lengths = (len(text) + len(BREAK) for text, _, _ in terms)
    offsets = tuple(accumulate(lengths, initial=len(BREAK)))[: len(terms)]
    text_of_all = BREAK + "".join(text + BREAK for text, _, _ in terms)
    return Tags(text_of_all, offsets, tuple((tag, alias) for _, tag, alias in terms))


def list_stamps(folder: Path) -> Mapping[Path, tuple[int, int]]:
    """The lists that are there, each with what changes when it does."""
    if not folder.is_dir():
        return {}
    stamps = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            stat = path.stat()
        except OSError:
            continue  # it has just gone
        if path.is_file() and stat.st_size <= MAX_LIST_BYTES:
            stamps[path] = (stat.st_mtime_ns, stat.st_size)
    return stamps


def read_lists(paths: Iterable[Path]) -> Iterator[Tag]:
    """Up to ``MAX_TAGS`` tags. Lines that are none are passed over: a heading, a torn end."""
    left = MAX_TAGS
    for path in paths:
        try:
            with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                for row in csv.reader(line.replace("\0", "") for line in file):
                    tag = parse_row(row)
                    if tag is None:
                        continue
                    if left <= 0:
                        return
                    left -= 1
                    yield tag
        except (OSError, csv.Error):
            continue  # what came before the fault is offered


def parse_row(row: list[str]) -> Tag | None:
    """A line of a list; None for one without a name, or whose count is none."""
    name, category, count, aliases = (*(cell.strip() for cell in row[:4]), "", "", "", "")[:4]
    if not name or len(name) > MAX_TERM_LENGTH or not (count or "0").isdecimal() or len(count) > 12:
        return None
    others = (alias.strip() for alias in aliases.split(","))
    valid_aliases = tuple(alias for alias in others if 0 < len(alias) <= MAX_TERM_LENGTH)
    return Tag(name, category[:MAX_TERM_LENGTH], int(count or 0), valid_aliases)
