"""PROPFIND: streams a folder's entries as XML.

One look at the disk an entry, and no more of the answer in memory than a block, however many there
are. wsgidav would keep all of them, and open each by its path.
"""

import os
import stat
from collections.abc import Callable, Generator, Iterator, Mapping, Set
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any
from urllib.parse import quote, unquote

from wsgidav.dav_error import DAVError
from wsgidav.util import etree, parse_xml_body

from filebrowser.access.gate import Place, hidden_name_matcher, open_place
from filebrowser.dav.entries import CONTEXT_KEY, DavContext, DavEntry, may_change, statvfs_of
from filebrowser.dav.errors import translate_errors
from filebrowser.dav.files import empty_facts
from filebrowser.dav.folders import DavFolder, DavRoots
from filebrowser.dav.properties import DiskSpace, PropfindEntry, PropfindQuery, read_propfind
from filebrowser.operations.copy_tree import exists
from filebrowser.resources import is_bad_name

BLOCK = 64 * 1024  # characters of one piece
MAX_ENTRIES = 1_000_000  # entries of a folder
SAFE_SIGNS = "!*'(),$-_|."  # signs that Nautilus does not want encoded
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">\n'
TAIL = "</D:multistatus>\n"


class StreamedResponse:
    """The pieces of an answer. ``close`` gives back the folder, whether all were taken or not."""

    def __init__(self, first: list[bytes], rest: Iterator[bytes], held: ExitStack) -> None:
        self._first, self._rest, self._held = first, rest, held

    @property
    def length(self) -> int | None:
        """Bytes, where all of them are here already."""
        return len(self._first[0]) if len(self._first) == 1 else None

    def __iter__(self) -> Iterator[bytes]:
        return chain(self._first, self._rest)

    def close(self) -> None:
        """Close the folder."""
        self._held.close()


def stream_propfind(entry: Any, environ: dict[str, Any]) -> StreamedResponse:
    """The answer for an entry and, with ``Depth: 1``, for what it holds.

    Raises :class:`DAVError` for a question that cannot be read, and 507 for a folder of more than
    a million entries, before the first piece.
    """
    query = read_propfind(parse_xml_body(environ, allow_empty=True))
    own_entry = _to_entry(entry)
    with ExitStack() as stack:
        members: Iterator[PropfindEntry] = iter(())
        if environ["HTTP_DEPTH"] == "1" and isinstance(entry, DavFolder):
            folder = _open_folder(entry.place)
            stack.callback(os.close, folder)
            _check_size(folder)
            members = FolderMembers.of_folder(entry, own_entry, environ).iter_entries(folder)
        elif environ["HTTP_DEPTH"] == "1" and isinstance(entry, DavRoots):
            members = (
                _to_entry(each)
                for name in entry.get_member_names()
                if (each := entry.get_member(name))
            )
        pieces = _stream_pieces(query, own_entry, members)
        stack.callback(pieces.close)
        first = [*islice(pieces, 2)]  # a second one tells whether there are more
        return StreamedResponse(first, pieces, stack.pop_all())


def _stream_pieces(
    query: PropfindQuery, own: PropfindEntry, members: Iterator[PropfindEntry]
) -> Generator[bytes, None, None]:
    texts, length = [HEAD, query.format_response(own)], 0
    for one in members:
        text = query.format_response(one)
        texts.append(text)
        length += len(text)
        if length >= BLOCK:
            yield "".join(texts).encode()
            texts, length = [], 0
    texts.append(TAIL)
    yield "".join(texts).encode()


def _open_folder(place: Place) -> int:
    with translate_errors():
        return open_place(place, os.O_RDONLY | os.O_DIRECTORY)


def _check_size(folder: int) -> None:
    with os.scandir(folder) as names:
        count = sum(1 for _ in names)
    if count > MAX_ENTRIES:
        raise DAVError(507, f"The folder holds {count} entries; at most {MAX_ENTRIES} are listed.")


def _to_entry(entry: Any) -> PropfindEntry:
    """An entry as wsgidav knows it."""
    disk, locks = DiskSpace(), ""
    if isinstance(entry, DavFolder):
        disk = disk_space_of(entry.place)
    if entry.is_locked():
        locks = _lock_xml(entry)
    return PropfindEntry(
        name=entry.get_display_name(),
        href=entry.get_href(),
        is_folder=entry.is_collection,
        facts=entry.facts if isinstance(entry, DavEntry) else None,
        is_lockable=not entry.prevent_locking(),
        disk=disk,
        locks=locks,
    )


def _lock_xml(entry: Any) -> str:
    """The locks of an entry; each element declares its own namespaces."""
    elements = entry.get_property_value("{DAV:}lockdiscovery")
    return "".join(etree.tostring(each, encoding="unicode") for each in elements)


def disk_space_of(place: Place) -> DiskSpace:
    """The figures of the disk that holds a folder."""
    with statvfs_of(place) as figures:
        used = (figures.f_blocks - figures.f_bavail) * figures.f_frsize
        return DiskSpace(used, figures.f_bavail * figures.f_frsize)


@dataclass(frozen=True, slots=True)
class FolderMembers:
    """What a folder holds, and what is the same for all of it. ``own`` is the folder itself."""

    place: Place
    own: PropfindEntry
    environ: Mapping[str, Any]
    provider: Any
    locked_names: Set[str]  # names
    is_lockable: Callable[[str], bool]

    @classmethod
    def of_folder(
        cls, folder: DavFolder, own: PropfindEntry, environ: dict[str, Any]
    ) -> "FolderMembers":
        """Those of one folder."""
        before = f"{quote(folder.path.rstrip('/'))}/"
        urls = (url for url in folder.locks.locked_urls() if url.startswith(before))
        locked = {unquote(url.removeprefix(before)) for url in urls}
        lockable = _lockable_check(folder.place, may_change(folder.access))
        return cls(folder.place, own, environ, folder.provider, locked, lockable)

    def iter_entries(self, folder: int) -> Iterator[PropfindEntry]:
        """Each of the open folder in no order, then what waits for its bytes.

        Links, pipes, what is hidden and what vanishes meanwhile are left out.
        """
        is_hidden = hidden_name_matcher(self.place)
        with os.scandir(folder) as names:
            for each in names:
                if is_hidden(each.name) or is_bad_name(each.name):
                    continue
                try:
                    facts = each.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode):
                    yield self._to_entry(each.name, facts)
        context: DavContext = self.environ[CONTEXT_KEY]
        for announced in context.placeholders.in_folder(self.place):
            if not exists(announced.place):
                facts = empty_facts(announced.shown_time)
                yield self._to_entry(announced.place.names[-1], facts)

    def _to_entry(self, name: str, facts: os.stat_result) -> PropfindEntry:
        is_folder = stat.S_ISDIR(facts.st_mode)
        return PropfindEntry(
            name=name,
            href=f"{self.own.href}{quote(name, safe=SAFE_SIGNS)}{'/' * is_folder}",
            is_folder=is_folder,
            facts=facts,
            is_lockable=self.is_lockable(name),
            disk=self._disk_space_of(name, facts) if is_folder else DiskSpace(),
            locks=self._locks(name) if name in self.locked_names else "",
        )

    def _disk_space_of(self, name: str, facts: os.stat_result) -> DiskSpace:
        if self.own.facts is not None and facts.st_dev == self.own.facts.st_dev:
            return self.own.disk
        try:
            return disk_space_of(self._child(name))
        except DAVError:  # another disk, which cannot be asked: its folder is listed all the same
            return DiskSpace()

    def _locks(self, name: str) -> str:
        entry = self.provider.get_resource_inst(f"/{self._child(name).text}", self.environ)
        return "" if entry is None else _lock_xml(entry)

    def _child(self, name: str) -> Place:
        return Place(self.place.root, (*self.place.names, name))


def _lockable_check(folder: Place, may: bool) -> Callable[[str], bool]:
    """Whether a name in a folder may be locked: one answer for all where no rule names one."""
    root, names = folder.root, folder.names
    if may and any(each.count("/") >= len(names) for each in root.hidden | root.sealed):
        return lambda name: Place(root, (*names, name)).is_creatable
    alike = may and Place(root, (*names, "x")).is_creatable
    return lambda name: alike
