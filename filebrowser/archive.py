"""Files and folders as one zip that is made while it is sent, its length known before.

Nothing is compressed: models and pictures do not get smaller, and so every size is known. A file
that grows meanwhile is sent as long as it was; one that shrinks or vanishes ends the answer short,
which its reader notices by the length.
"""

import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zipstream import ZIP_STORED, ZipStream

from filebrowser.errors import BadPath, FileError
from filebrowser.gate import Place, open_place
from filebrowser.renames import free_name
from filebrowser.serving import PIECE, Shrunk
from filebrowser.visit import Right, Visit, reach
from filebrowser.walking import walk

MOST_ENTRIES = 200_000
NEVER_IN_NAMES = frozenset('\\/:*?"<>|')
"""What some system that unpacks takes for more than a letter."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file or folder of an archive."""

    name: str  # with slashes, safe on every system
    place: Place
    size: int  # bytes
    folder: bool


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip about to be sent."""

    name: str
    size: int  # bytes of the whole zip
    pieces: Iterator[bytes]


def archive(visit: Visit, paths: Sequence[str]) -> Archive:
    """A zip of ``paths``, links and special files left out.

    Raises the gate's errors, and :class:`TooMuch` for more than 200,000 files and folders.
    """
    places = [reach(visit, path, Right.VIEW, Right.DOWNLOAD) for path in paths]
    if not places:
        raise BadPath("Which paths? Ask with ?path=/data/...")
    members = _members(places)
    made = ZipStream(compress_type=ZIP_STORED, sized=True)
    for member in members:
        _add(made, member)
    name = (places[0].names or (places[0].root.name,))[-1] if len(places) == 1 else "files"
    return Archive(f"{safe(name)}.zip", len(made), iter(made))


def _members(places: Sequence[Place]) -> list[Member]:
    taken: set[str] = set()
    found: list[Member] = []
    for place in places:
        found.extend(_of(place, taken))
    return found


def _of(place: Place, taken: set[str]) -> Iterator[Member]:
    """What one path brings; its names are told apart from those that are ``taken``."""
    opened = open_place(place)
    try:
        facts = os.fstat(opened)
        folder = stat.S_ISDIR(facts.st_mode)
    finally:
        os.close(opened)
    top = _free(safe((place.names or (place.root.name,))[-1]), taken, folder)
    yield Member(top, place, 0 if folder else facts.st_size, folder)
    if not folder:
        return
    named = {place.names: top}
    for each in walk(place, MOST_ENTRIES):
        above = named.get(each.place.names[:-1])
        if above is None or not (each.folder or each.file):
            continue
        name = _free(f"{above}/{safe(each.place.names[-1])}", taken, each.folder)
        if each.folder:
            named[each.place.names] = name
        size = 0 if each.folder else each.facts.st_size
        yield Member(name, each.place, size, each.folder)


def _free(name: str, taken: set[str], folder: bool) -> str:
    """A name that no other member has, whatever its case and composition."""
    final, number = name, 0
    while (key := unicodedata.normalize("NFC", final).casefold()) in taken:
        number += 1
        above, slash, last = name.rpartition("/")
        final = f"{above}{slash}{free_name(last, number, folder)}"
    taken.add(key)
    return final


def safe(name: str) -> str:
    """A name that means the same on every system that unpacks it."""
    letters = "".join(
        "_" if c in NEVER_IN_NAMES or unicodedata.category(c) in ("Cc", "Cs") else c for c in name
    )
    return letters.rstrip(". ") or "_"


def _add(made: ZipStream, member: Member) -> None:
    if member.folder:
        made.mkdir(member.name)
    else:
        made.add(_content(member), member.name, size=member.size)


def _content(member: Member) -> Iterator[bytes]:
    """As many bytes as were promised. Raises :class:`Shrunk` where there are fewer now."""
    try:
        found = open_place(member.place)
    except FileError as error:
        raise Shrunk(f"/{member.place.text} vanished while it was packed.") from error
    try:
        done = 0
        while done < member.size:
            piece = os.pread(found, min(PIECE, member.size - done), done)
            if not piece:
                raise Shrunk(f"/{member.place.text} became shorter while it was packed.")
            done += len(piece)
            yield piece
    finally:
        os.close(found)
