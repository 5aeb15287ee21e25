"""Files and folders in the JSON of the ``filebrowser`` API: fields, kinds, checksums.

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

from filebrowser.access.gate import MAX_DEPTH, Place, check_name, hidden_name_matcher, open_place
from filebrowser.errors import BadPath, NotAFile, NotHere, TooMuch
from filebrowser.names import encode_name

MAX_ENTRIES = 100_000  # entries of one answer
MAX_TEXT_BYTES = 1024 * 1024  # bytes that are shown with the entry
PIECE = 1024 * 1024
SNIFF_BYTES = 512  # bytes by which a file without a known ending is text or not
CHECKSUMS = ("md5", "sha1", "sha256", "sha512")
GO_DIRECTORY, GO_SYMLINK, GO_SPECIAL = 1 << 31, 1 << 27, 1 << 26
TYPES_BY_MEDIA: Mapping[str, str] = MappingProxyType(
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
    def is_folder(self) -> bool:
        """Whether it holds others."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link, which nothing here follows."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_ordinary(self) -> bool:
        """Whether the gate opens it: it is a file or a folder."""
        return self.is_folder or stat.S_ISREG(self.mode)

    @property
    def go_mode(self) -> int:
        """The mode as Go counts its bits."""
        special = not (self.is_folder or self.is_link or stat.S_ISREG(self.mode))
        kind = self.is_folder * GO_DIRECTORY | self.is_link * GO_SYMLINK | special * GO_SPECIAL
        return stat.S_IMODE(self.mode) & 0o777 | kind

    @property
    def modified_rfc3339(self) -> str:
        """The time of the last change in RFC 3339."""
        seconds, rest = divmod(self.modified, 1_000_000_000)
        return f"{datetime.fromtimestamp(clamp_time(seconds), UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"

    @property
    def filebrowser_type(self) -> str:
        """Filebrowser's ``type`` by the name alone; "" for folders and what is not told by it."""
        if self.is_folder:
            return ""
        if self.is_link:
            return "invalid_link"
        media_type = mimetypes.guess_type(self.name)[0] or ""
        return (
            "pdf"
            if media_type == "application/pdf"
            else TYPES_BY_MEDIA.get(media_type.partition("/")[0], "")
        )


def clamp_time(seconds: int) -> int:
    """A time that a date can have: 1970 to 9999."""
    return min(max(seconds, 0), 253_402_300_799)


def resource_of(place: Place, fd: int) -> Resource:
    """The open file or folder at ``place``."""
    return _make_resource(place.text, (place.names or (place.root.name,))[-1], os.fstat(fd))


def _make_resource(path: str, name: str, facts: os.stat_result) -> Resource:
    return Resource(f"/{path}", encode_name(name), facts.st_size, facts.st_mtime_ns, facts.st_mode)


def list_resources(place: Place, fd: int) -> Iterator[Resource]:
    """What the open folder at ``place`` holds, in no order. Raises :class:`TooMuch`."""
    is_hidden = hidden_name_matcher(place)
    with os.scandir(fd) as names:
        for count, entry in enumerate(names):
            if count >= MAX_ENTRIES:
                raise TooMuch(
                    f"{place.text!r} holds more than {MAX_ENTRIES} entries; page it instead."
                )
            if is_bad_name(entry.name) or is_hidden(entry.name):
                continue
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # gone since the folder was read
                continue
            yield _make_resource(f"{place.text}/{entry.name}", entry.name, facts)


def is_bad_name(name: str) -> bool:
    """Whether the gate would refuse this name."""
    try:
        check_name(name)
    except BadPath:
        return True
    return False


def walk_resources(place: Place) -> Iterator[Resource]:
    """Everything under the folder at ``place``, folders before what they hold.

    Raises :class:`TooMuch`; what vanishes meanwhile or turns into a link is left out.
    """
    waiting, count = [place], 0
    while waiting:
        here = waiting.pop()
        for one in _sorted_resources(here):
            count += 1
            if count > MAX_ENTRIES:
                raise TooMuch(f"{place.text!r} holds more than {MAX_ENTRIES} entries in all.")
            yield one
            if one.is_folder and len(here.names) < MAX_DEPTH - 1:
                waiting.append(Place(here.root, (*here.names, one.name)))


def _sorted_resources(place: Place) -> list[Resource]:
    try:
        fd = open_place(place, os.O_RDONLY | os.O_DIRECTORY)
    except (NotHere, NotAFile):
        return []
    try:
        return sorted(list_resources(place, fd), key=lambda one: one.name)
    finally:
        os.close(fd)


def text_of(one: Resource, fd: int) -> str | None:
    """The content of an open file that is text and not long; None of any other."""
    if one.size > MAX_TEXT_BYTES or one.filebrowser_type not in ("", "text"):
        return None
    data = os.pread(fd, MAX_TEXT_BYTES, 0)
    if b"\0" in data[:SNIFF_BYTES]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def checksum(fd: int, name: str) -> str:
    """The digest of a whole open file in hexadecimal; ``name`` is one of :data:`CHECKSUMS`."""
    digest, offset = hashlib.new(name, usedforsecurity=False), 0
    while piece := os.pread(fd, PIECE, offset):
        digest.update(piece)
        offset += len(piece)
    return digest.hexdigest()
