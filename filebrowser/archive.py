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

from filebrowser.access.file_access import FileAccess, Right, resolve_path
from filebrowser.access.gate import Place, open_place
from filebrowser.errors import BadPath, FileError
from filebrowser.file_response import PIECE, Shrunk
from filebrowser.listing.tree_walk import walk
from filebrowser.names import WINDOWS_DEVICE_NAMES
from filebrowser.operations.renames import numbered_name
from filebrowser.zip_times import write_times

MAX_ENTRIES = 200_000
NEVER_IN_NAMES = frozenset('\\/:*?"<>|')
"""What some system that unpacks takes for more than a letter."""

WIDE_FROM = 1 << 30  # bytes: larger files have sizes of 64 bits, as they might for zipfile itself
HEADER, ENTRY, END = 30, 46, 22  # bytes before each file, in the list of files, at the end
DESCRIPTOR, WIDE_DESCRIPTOR = 16, 24  # behind each file
WIDE_SIZES = 20  # bytes of the field for them in a header
WIDE_END = 56 + 20  # records before the end of a large zip
FOLDER_ATTRIBUTES, FILE_ATTRIBUTES = 0o40755 << 16 | 0x10, 0o644 << 16


@dataclass(frozen=True, slots=True)
class Member:
    """One file or folder of an archive."""

    name: str  # with slashes, safe on every system
    place: Place
    size: int  # bytes
    is_folder: bool
    modified: int  # nanoseconds since 1970

    @property
    def is_zip64(self) -> bool:
        """Whether its sizes take 64 bits."""
        return self.size > WIDE_FROM

    def zip_info(self) -> ZipInfo:
        """Its entry."""
        moment, extra = write_times(self.modified)
        entry = ZipInfo(self.name + "/" * self.is_folder, moment)
        entry.extra, entry.external_attr = (
            extra,
            FOLDER_ATTRIBUTES if self.is_folder else FILE_ATTRIBUTES,
        )
        entry.file_size, entry.CRC = self.size, 0
        return entry


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip about to be sent."""

    name: str
    size: int  # bytes of the whole zip
    pieces: Iterator[bytes]


def make_archive(access: FileAccess, paths: Sequence[str]) -> Archive:
    """A zip of ``paths``, links and special files left out.

    Raises the gate's errors, and :class:`TooMuch` for more than 200,000 files and folders.
    """
    places = [resolve_path(access, path, Right.VIEW, Right.DOWNLOAD) for path in paths]
    if not places:
        raise BadPath("Which paths? Ask with ?path=/data/...")
    members = _collect_members(places)
    name = (places[0].names or (places[0].root.name,))[-1] if len(places) == 1 else "files"
    return Archive(f"{safe_name(name)}.zip", _zip_length(members), _stream_zip(members))


def _collect_members(places: Sequence[Place]) -> list[Member]:
    taken: set[str] = set()
    members: list[Member] = []
    for place in places:
        members.extend(_members_of(place, taken))
    return members


def _members_of(place: Place, taken: set[str]) -> Iterator[Member]:
    """What one path brings; its names are told apart from those that are ``taken``."""
    fd = open_place(place)
    try:
        facts = os.fstat(fd)
        folder = stat.S_ISDIR(facts.st_mode)
    finally:
        os.close(fd)
    top = _unique_name(safe_name((place.names or (place.root.name,))[-1]), taken, folder)
    yield Member(top, place, 0 if folder else facts.st_size, folder, facts.st_mtime_ns)
    if not folder:
        return
    names_by_place = {place.names: top}
    for each in walk(place, MAX_ENTRIES):
        above = names_by_place.get(each.place.names[:-1])
        if above is None or not (each.is_folder or each.is_file):
            continue
        name = _unique_name(f"{above}/{safe_name(each.place.names[-1])}", taken, each.is_folder)
        if each.is_folder:
            names_by_place[each.place.names] = name
        size = 0 if each.is_folder else each.facts.st_size
        yield Member(name, each.place, size, each.is_folder, each.facts.st_mtime_ns)


def _unique_name(name: str, taken: set[str], folder: bool) -> str:
    """A name that no other member has, whatever its case and composition."""
    final, number = name, 0
    while (key := unicodedata.normalize("NFC", final).casefold()) in taken:
        number += 1
        above, slash, last = name.rpartition("/")
        final = f"{above}{slash}{numbered_name(last, number, folder)}"
    taken.add(key)
    return final


def safe_name(name: str) -> str:
    """A name that means the same on every system that unpacks it."""
    letters = "".join(
        "_" if c in NEVER_IN_NAMES or unicodedata.category(c) in ("Cc", "Cs") else c for c in name
    )
    bare = letters.rstrip(". ") or "_"
    return f"_{bare}" if bare.partition(".")[0].upper() in WINDOWS_DEVICE_NAMES else bare


def _zip_length(members: Sequence[Member]) -> int:
    """Bytes of the zip that :func:`_stream_zip` makes."""
    at = listed = 0
    for member in members:
        header = len(member.zip_info().FileHeader(member.is_zip64))
        large = member.size > ZIP64_LIMIT
        beyond = (16 if large else 0) + (8 if at > ZIP64_LIMIT else 0)
        listed += header - HEADER - WIDE_SIZES * member.is_zip64 + ENTRY + (beyond and beyond + 4)
        descriptor = WIDE_DESCRIPTOR if member.is_zip64 else DESCRIPTOR
        at += header + (0 if member.is_folder else member.size + descriptor)
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


def _stream_zip(members: Sequence[Member]) -> Iterator[bytes]:
    pieces = _Pieces()
    with ZipFile(pieces, "w") as zip_file:
        for member in members:
            if member.is_folder:
                zip_file.mkdir(member.zip_info())
            else:
                with (
                    zip_file.open(member.zip_info(), "w", force_zip64=member.is_zip64) as packed,
                    closing(_read_content(member)) as content,
                ):
                    for piece in content:
                        packed.write(piece)
                        yield from pieces.take()
            yield from pieces.take()
    yield from pieces.take()


def _read_content(member: Member) -> Generator[bytes, None, None]:
    """As many bytes as were promised. Raises :class:`Shrunk` where there are fewer now."""
    try:
        fd = open_place(member.place)
    except FileError as error:
        raise Shrunk(f"/{member.place.text} vanished while it was packed.") from error
    try:
        done = 0
        while done < member.size:
            piece = os.pread(fd, min(PIECE, member.size - done), done)
            if not piece:
                raise Shrunk(f"/{member.place.text} became shorter while it was packed.")
            done += len(piece)
            yield piece
    finally:
        os.close(fd)
