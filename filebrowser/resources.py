"""Files and folders as ``filebrowser``'s clients know them: its fields, its kinds, its checksums.

Source: reference on filebrowser 2.63, sections 2.2 and 2.4. Folders of links, pipes and devices
name these too; the gate opens none of them.
"""

import hashlib
import mimetypes
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from filebrowser.errors import BadPath, NotAFile, NotHere, TooMuch
from filebrowser.gate import DEEPEST, Place, check_name, hidden_in, open_place
from filebrowser.names import show_name

MOST = 100_000  # entries of one answer
LONGEST_TEXT = 1024 * 1024  # bytes that are shown with the entry
PIECE = 1024 * 1024
SNIFFED = 512  # bytes by which a file without a known ending is text or not
CHECKSUMS = ("md5", "sha1", "sha256", "sha512")
GO_DIRECTORY, GO_SYMLINK, GO_SPECIAL = 1 << 31, 1 << 27, 1 << 26
KINDS: Mapping[str, str] = MappingProxyType(
    {"video": "video", "audio": "audio", "image": "image", "text": "text"}
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One entry. ``path`` is as callers write it, with a slash before it."""

    path: str
    name: str
    size: int  # bytes
    modified: int  # nanoseconds since 1970
    mode: int  # of stat(2)

    @property
    def folder(self) -> bool:
        """Whether it holds others."""
        return stat.S_ISDIR(self.mode)

    @property
    def link(self) -> bool:
        """Whether it is a symbolic link, which nothing here follows."""
        return stat.S_ISLNK(self.mode)

    @property
    def ordinary(self) -> bool:
        """Whether the gate opens it: it is a file or a folder."""
        return self.folder or stat.S_ISREG(self.mode)

    @property
    def go_mode(self) -> int:
        """The mode as Go counts its bits."""
        special = not (self.folder or self.link or stat.S_ISREG(self.mode))
        kind = self.folder * GO_DIRECTORY | self.link * GO_SYMLINK | special * GO_SPECIAL
        return stat.S_IMODE(self.mode) & 0o777 | kind

    @property
    def when(self) -> str:
        """The time of the last change in RFC 3339."""
        seconds, rest = divmod(self.modified, 1_000_000_000)
        return f"{datetime.fromtimestamp(clamped(seconds), UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"

    @property
    def kind(self) -> str:
        """Filebrowser's ``type`` by the name alone; "" for folders and what is not told by it."""
        if self.folder:
            return ""
        if self.link:
            return "invalid_link"
        told = mimetypes.guess_type(self.name)[0] or ""
        return "pdf" if told == "application/pdf" else KINDS.get(told.partition("/")[0], "")


def clamped(seconds: int) -> int:
    """A time that a date can have: 1970 to 9999."""
    return min(max(seconds, 0), 253_402_300_799)


def resource(place: Place, found: int) -> Resource:
    """The open file or folder at ``place``."""
    return _resource(place.text, (place.names or (place.root.name,))[-1], os.fstat(found))


def _resource(path: str, name: str, facts: os.stat_result) -> Resource:
    return Resource(f"/{path}", show_name(name), facts.st_size, facts.st_mtime_ns, facts.st_mode)


def inside(place: Place, found: int) -> Iterator[Resource]:
    """What the open folder at ``place`` holds, in no order. Raises :class:`TooMuch`."""
    away = hidden_in(place)
    with os.scandir(found) as names:
        for count, entry in enumerate(names):
            if count >= MOST:
                raise TooMuch(f"{place.text!r} holds more than {MOST} entries; page it instead.")
            if named_badly(entry.name) or away(entry.name):
                continue
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # gone since the folder was read
                continue
            yield _resource(f"{place.text}/{entry.name}", entry.name, facts)


def named_badly(name: str) -> bool:
    """Whether the gate would refuse this name."""
    try:
        check_name(name)
    except BadPath:
        return True
    return False


def below(place: Place) -> Iterator[Resource]:
    """Everything under the folder at ``place``, folders before what they hold.

    Raises :class:`TooMuch`; what vanishes meanwhile or turns into a link is left out.
    """
    waiting, count = [place], 0
    while waiting:
        here = waiting.pop()
        for one in _inside(here):
            count += 1
            if count > MOST:
                raise TooMuch(f"{place.text!r} holds more than {MOST} entries in all.")
            yield one
            if one.folder and len(here.names) < DEEPEST - 1:
                waiting.append(Place(here.root, (*here.names, one.name)))


def _inside(place: Place) -> list[Resource]:
    try:
        found = open_place(place, os.O_RDONLY | os.O_DIRECTORY)
    except (NotHere, NotAFile):
        return []
    try:
        return sorted(inside(place, found), key=lambda one: one.name)
    finally:
        os.close(found)


def text_of(one: Resource, found: int) -> str | None:
    """The content of an open file that is text and not long; None of any other."""
    if one.size > LONGEST_TEXT or one.kind not in ("", "text"):
        return None
    data = os.pread(found, LONGEST_TEXT, 0)
    if b"\0" in data[:SNIFFED]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def checksum(found: int, name: str) -> str:
    """The digest of a whole open file in hexadecimal; ``name`` is one of :data:`CHECKSUMS`."""
    digest, offset = hashlib.new(name, usedforsecurity=False), 0
    while piece := os.pread(found, PIECE, offset):
        digest.update(piece)
        offset += len(piece)
    return digest.hexdigest()
