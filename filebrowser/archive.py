"""Files and folders as one zip that is made while it is sent, its length known before.

Nothing is compressed: models and pictures do not get smaller, and so every size is known. A file
that grows meanwhile is sent as long as it was; one that shrinks or vanishes ends the answer short,
which its reader notices by the length.
"""

import os
import stat
import unicodedata
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from zipfile import ZIP64_LIMIT, ZIP_FILECOUNT_LIMIT, ZipFile, ZipInfo

from filebrowser.errors import BadPath, FileError
from filebrowser.gate import Place, open_place
from filebrowser.names import RESERVED
from filebrowser.renames import free_name
from filebrowser.serving import PIECE, Shrunk
from filebrowser.visit import Right, Visit, reach
from filebrowser.walking import walk
from filebrowser.zip_times import write_times

MOST_ENTRIES = 200_000
NEVER_IN_NAMES = frozenset('\\/:*?"<>|')
"""What some system that unpacks takes for more than a letter."""

WIDE_FROM = 1 << 30  # bytes: larger files have sizes of 64 bits, as they might for zipfile itself
HEADER, ENTRY, END = 30, 46, 22  # bytes before each file, in the list of files, at the end
DESCRIPTOR, WIDE_DESCRIPTOR = 16, 24  # behind each file
WIDE_SIZES = 20  # bytes of the field for them in a header
WIDE_END = 56 + 20  # records before the end of a large zip
FOLDER, FILE = 0o40755 << 16 | 0x10, 0o644 << 16


@dataclass(frozen=True, slots=True)
class Member:
    """One file or folder of an archive."""

    name: str  # with slashes, safe on every system
    place: Place
    size: int  # bytes
    folder: bool
    modified: int  # nanoseconds since 1970

    @property
    def wide(self) -> bool:
        """Whether its sizes take 64 bits."""
        return self.size > WIDE_FROM

    def info(self) -> ZipInfo:
        """Its entry."""
        moment, extra = write_times(self.modified)
        made = ZipInfo(self.name + "/" * self.folder, moment)
        made.extra, made.external_attr = extra, FOLDER if self.folder else FILE
        made.file_size, made.CRC = self.size, 0
        return made


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
    name = (places[0].names or (places[0].root.name,))[-1] if len(places) == 1 else "files"
    return Archive(f"{safe(name)}.zip", _length(members), _pack(members))


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
    yield Member(top, place, 0 if folder else facts.st_size, folder, facts.st_mtime_ns)
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
        yield Member(name, each.place, size, each.folder, each.facts.st_mtime_ns)


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
    bare = letters.rstrip(". ") or "_"
    return f"_{bare}" if bare.partition(".")[0].upper() in RESERVED else bare


def _length(members: Sequence[Member]) -> int:
    """Bytes of the zip that :func:`_pack` makes."""
    at = listed = 0
    for member in members:
        header = len(member.info().FileHeader(member.wide))
        large = member.size > ZIP64_LIMIT
        beyond = (16 if large else 0) + (8 if at > ZIP64_LIMIT else 0)
        listed += header - HEADER - WIDE_SIZES * member.wide + ENTRY + (beyond and beyond + 4)
        descriptor = WIDE_DESCRIPTOR if member.wide else DESCRIPTOR
        at += header + (0 if member.folder else member.size + descriptor)
    many = len(members) > ZIP_FILECOUNT_LIMIT or max(at, listed) > ZIP64_LIMIT
    return at + listed + END + WIDE_END * many


class _Pieces:
    """What zipfile writes to; it takes it for a pipe, in which nothing is written twice."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        """Keep it until it is taken."""
        self._waiting.append(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> list[bytes]:
        """What was written since the last time."""
        taken, self._waiting = self._waiting, []
        return taken


def _pack(members: Sequence[Member]) -> Iterator[bytes]:
    pieces = _Pieces()
    with ZipFile(pieces, "w") as made:
        for member in members:
            if member.folder:
                made.mkdir(member.info())
            else:
                with (
                    made.open(member.info(), "w", force_zip64=member.wide) as packed,
                    closing(_content(member)) as content,
                ):
                    for piece in content:
                        packed.write(piece)
                        yield from pieces.take()
            yield from pieces.take()
    yield from pieces.take()


def _content(member: Member) -> Generator[bytes, None, None]:
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
