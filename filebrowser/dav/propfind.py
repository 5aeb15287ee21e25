"""PROPFIND: a folder's entries as XML, made while they are sent.

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

from filebrowser.copying import exists
from filebrowser.dav.entries import DESK, Desk, Entry, disk_of, may_change
from filebrowser.dav.errors import translated
from filebrowser.dav.files import empty_facts
from filebrowser.dav.folders import Folder, Trees
from filebrowser.dav.properties import Disk, Listed, Question, read_question
from filebrowser.gate import Place, hidden_in, open_place
from filebrowser.resources import named_badly

BLOCK = 64 * 1024  # characters of one piece
MOST = 1_000_000  # entries of a folder
SAFE = "!*'(),$-_|."  # signs that Nautilus does not want encoded
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">\n'
TAIL = "</D:multistatus>\n"


class Streamed:
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


def find_properties(found: Any, environ: dict[str, Any]) -> Streamed:
    """The answer for an entry and, with ``Depth: 1``, for what it holds.

    Raises :class:`DAVError` for a question that cannot be read, and 507 for a folder of more than
    a million entries, before the first piece.
    """
    question = read_question(parse_xml_body(environ, allow_empty=True))
    own = _listed(found)
    with ExitStack() as stack:
        members: Iterator[Listed] = iter(())
        if environ["HTTP_DEPTH"] == "1" and isinstance(found, Folder):
            folder = _open_folder(found.place)
            stack.callback(os.close, folder)
            _check_size(folder)
            members = Members.of(found, own, environ).inside(folder)
        elif environ["HTTP_DEPTH"] == "1" and isinstance(found, Trees):
            members = (
                _listed(each)
                for name in found.get_member_names()
                if (each := found.get_member(name))
            )
        pieces = _pieces(question, own, members)
        stack.callback(pieces.close)
        first = [*islice(pieces, 2)]  # a second one tells whether there are more
        return Streamed(first, pieces, stack.pop_all())


def _pieces(
    question: Question, own: Listed, members: Iterator[Listed]
) -> Generator[bytes, None, None]:
    texts, length = [HEAD, question.answer(own)], 0
    for one in members:
        text = question.answer(one)
        texts.append(text)
        length += len(text)
        if length >= BLOCK:
            yield "".join(texts).encode()
            texts, length = [], 0
    texts.append(TAIL)
    yield "".join(texts).encode()


def _open_folder(place: Place) -> int:
    with translated():
        return open_place(place, os.O_RDONLY | os.O_DIRECTORY)


def _check_size(folder: int) -> None:
    with os.scandir(folder) as names:
        count = sum(1 for _ in names)
    if count > MOST:
        raise DAVError(507, f"The folder holds {count} entries; at most {MOST} are listed.")


def _listed(found: Any) -> Listed:
    """An entry as wsgidav knows it."""
    disk, locks = Disk(), ""
    if isinstance(found, Folder):
        disk = disk_below(found.place)
    if found.is_locked():
        locks = _lock_xml(found)
    return Listed(
        name=found.get_display_name(),
        href=found.get_href(),
        folder=found.is_collection,
        facts=found.facts if isinstance(found, Entry) else None,
        lockable=not found.prevent_locking(),
        disk=disk,
        locks=locks,
    )


def _lock_xml(found: Any) -> str:
    """The locks of an entry; each element declares its own namespaces."""
    told = found.get_property_value("{DAV:}lockdiscovery")
    return "".join(etree.tostring(each, encoding="unicode") for each in told)


def disk_below(place: Place) -> Disk:
    """The figures of the disk that holds a folder."""
    with disk_of(place) as figures:
        used = (figures.f_blocks - figures.f_bavail) * figures.f_frsize
        return Disk(used, figures.f_bavail * figures.f_frsize)


@dataclass(frozen=True, slots=True)
class Members:
    """What a folder holds, and what is the same for all of it. ``own`` is the folder itself."""

    place: Place
    own: Listed
    environ: Mapping[str, Any]
    provider: Any
    locked: Set[str]  # names
    lockable: Callable[[str], bool]

    @classmethod
    def of(cls, found: Folder, own: Listed, environ: dict[str, Any]) -> "Members":
        """Those of one folder."""
        before = f"{quote(found.path.rstrip('/'))}/"
        urls = (url for url in found.locks.urls() if url.startswith(before))
        locked = {unquote(url.removeprefix(before)) for url in urls}
        lockable = _lockable(found.place, may_change(found.visit))
        return cls(found.place, own, environ, found.provider, locked, lockable)

    def inside(self, folder: int) -> Iterator[Listed]:
        """Each of the open folder in no order, then what waits for its bytes.

        Links, pipes, what is hidden and what vanishes meanwhile are left out.
        """
        away = hidden_in(self.place)
        with os.scandir(folder) as names:
            for each in names:
                if away(each.name) or named_badly(each.name):
                    continue
                try:
                    facts = each.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode):
                    yield self._listed(each.name, facts)
        desk: Desk = self.environ[DESK]
        for announced in desk.placeholders.below(self.place):
            if not exists(announced.place):
                facts = empty_facts(announced.shown)
                yield self._listed(announced.place.names[-1], facts)

    def _listed(self, name: str, facts: os.stat_result) -> Listed:
        is_folder = stat.S_ISDIR(facts.st_mode)
        return Listed(
            name=name,
            href=f"{self.own.href}{quote(name, safe=SAFE)}{'/' * is_folder}",
            folder=is_folder,
            facts=facts,
            lockable=self.lockable(name),
            disk=self._disk(name, facts) if is_folder else Disk(),
            locks=self._locks(name) if name in self.locked else "",
        )

    def _disk(self, name: str, facts: os.stat_result) -> Disk:
        if self.own.facts is not None and facts.st_dev == self.own.facts.st_dev:
            return self.own.disk
        try:
            return disk_below(self._child(name))
        except DAVError:  # another disk, which cannot be asked: its folder is listed all the same
            return Disk()

    def _locks(self, name: str) -> str:
        found = self.provider.get_resource_inst(f"/{self._child(name).text}", self.environ)
        return "" if found is None else _lock_xml(found)

    def _child(self, name: str) -> Place:
        return Place(self.place.root, (*self.place.names, name))


def _lockable(folder: Place, may: bool) -> Callable[[str], bool]:
    """Whether a name in a folder may be locked: one answer for all where no rule names one."""
    root, names = folder.root, folder.names
    if may and any(each.count("/") >= len(names) for each in root.hidden | root.sealed):
        return lambda name: Place(root, (*names, name)).may_be_made
    alike = may and Place(root, (*names, "x")).may_be_made
    return lambda name: alike
