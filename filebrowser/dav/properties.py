"""The properties of files and folders: which there are, and how XML says each of them."""

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from wsgidav.dav_error import DAVError

from filebrowser.kinds import BYTES, TYPES, Kind
from filebrowser.resources import clamped
from filebrowser.serving import etag_of

MOST = 100  # properties of one question
LONGEST = 8192  # characters of all their names: each is repeated for each entry
DAV = "{DAV:}"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of the disk below a folder; None for files, which tell none."""

    used: int | None = None
    available: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of an answer, as the disk had it.

    ``href`` is encoded; ``facts`` is None for the top, where the trees lie; ``locks`` is XML.
    """

    name: str
    href: str
    folder: bool
    facts: os.stat_result | None
    lockable: bool
    disk: Disk
    locks: str = ""


Reader = Callable[[Listed], str | None]
"""The content of a property's element as XML; None where an entry does not have it."""


def _created(one: Listed) -> str | None:
    if one.facts is None:
        return None
    at = time.gmtime(clamped(int(one.facts.st_ctime)))
    return f"{at[0]:04}-{at[1]:02}-{at[2]:02}T{at[3]:02}:{at[4]:02}:{at[5]:02}Z"


def _modified(one: Listed) -> str | None:
    if one.facts is None:
        return None
    at = time.gmtime(clamped(int(one.facts.st_mtime)))
    day, month = DAYS[at[6]], MONTHS[at[1] - 1]
    return f"{day}, {at[2]:02} {month} {at[0]:04} {at[3]:02}:{at[4]:02}:{at[5]:02} GMT"


def _type(one: Listed) -> str | None:
    if one.folder:
        return None
    ending = one.name[one.name.rfind(".") :].lower()  # 10,000 names: pathlib would cost a third
    return TYPES.get(ending, (Kind.FILE, BYTES))[1]


def _etag(one: Listed) -> str | None:
    return None if one.folder or one.facts is None else f'"{etag_of(one.facts)}"'


def _size(one: Listed) -> str | None:
    return None if one.folder or one.facts is None else str(one.facts.st_size)


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


_LOCK_ENTRY = (
    "<D:lockentry><D:lockscope><D:{}/></D:lockscope>"
    "<D:locktype><D:write/></D:locktype></D:lockentry>"
)
_LOCKS = _LOCK_ENTRY.format("exclusive") + _LOCK_ENTRY.format("shared")

PROPERTIES: Mapping[str, Reader] = MappingProxyType(
    {
        f"{DAV}resourcetype": lambda one: "<D:collection/>" if one.folder else "",
        f"{DAV}creationdate": _created,
        f"{DAV}getcontentlength": _size,
        f"{DAV}getcontenttype": _type,
        f"{DAV}quota-used-bytes": lambda one: _number(one.disk.used),
        f"{DAV}quota-available-bytes": lambda one: _number(one.disk.available),
        f"{DAV}getlastmodified": _modified,
        f"{DAV}displayname": lambda one: escape(NOT_XML.sub("\ufffd", one.name)),
        f"{DAV}getetag": _etag,
        f"{DAV}lockdiscovery": lambda one: one.locks if one.lockable else None,
        f"{DAV}supportedlock": lambda one: _LOCKS if one.lockable else None,
    }
)
"""By name, in the order in which ``allprop`` tells them."""


@dataclass(frozen=True, slots=True)
class Element:
    """A property that was asked for: its element, and how it is read (None: nobody has it)."""

    opening: str
    closing: str
    empty: str
    read: Reader | None


@dataclass(frozen=True, slots=True)
class Question:
    """What a PROPFIND wants of each entry: ``elements``, by their names alone, or with values.

    ``complains`` says whether what an entry does not have is told as 404.
    """

    elements: Sequence[Element]
    values: bool = True
    complains: bool = True

    def answer(self, one: Listed) -> str:
        """The ``response`` element of one entry."""
        found, missing = [], []
        for element in self.elements:
            value = element.read(one) if element.read is not None else None
            if value is None:
                missing.append(element.empty)
            elif value and self.values:
                found.append(f"{element.opening}{value}{element.closing}")
            else:
                found.append(element.empty)
        text = f"<D:response><D:href>{one.href}</D:href>"
        if found or not (missing and self.complains):
            text += _propstat(found, "200 OK")
        if missing and self.complains:
            text += _propstat(missing, "404 Not Found")
        return f"{text}</D:response>\n"


def _propstat(elements: Sequence[str], status: str) -> str:
    inner = "".join(elements)
    return (
        f"<D:propstat><D:prop>{inner}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"
    )


def read_question(body: Any) -> Question:
    """What the XML of a PROPFIND asks for; ``allprop`` where there is none (None).

    Raises :class:`DAVError` 400 for another body, and for more than 100 properties.
    """
    if body is None:
        return _all_of(PROPERTIES, complains=False)
    if body.tag != f"{DAV}propfind":
        raise DAVError(400, "The body is no propfind.")
    parts = {part.tag: part for part in body if isinstance(part.tag, str)}
    asked = parts.keys() & {f"{DAV}allprop", f"{DAV}propname", f"{DAV}prop"}
    if len(asked) != 1:
        raise DAVError(400, "Ask for one of allprop, propname and prop.")
    if f"{DAV}propname" in asked:
        return _all_of(PROPERTIES, complains=False, values=False)
    if f"{DAV}allprop" in asked:
        more = _names(parts.get(f"{DAV}include", ()))
        return _all_of({**PROPERTIES, **dict.fromkeys(more)}, complains=False)
    return _all_of(_names(parts[f"{DAV}prop"]), complains=True)


def _names(parts: Iterable[Any]) -> list[str]:
    names = list(dict.fromkeys(part.tag for part in parts if isinstance(part.tag, str)))
    if len(names) > MOST or sum(map(len, names)) > LONGEST:
        raise DAVError(400, f"At most {MOST} properties, whose names have {LONGEST} characters.")
    return names


def _all_of(names: Iterable[str], complains: bool, values: bool = True) -> Question:
    return Question([_element(name) for name in names], values, complains)


def _element(name: str) -> Element:
    """The element of a property, "{namespace}name" or "name"."""
    namespace, _, local = name.rpartition("}")
    namespace = namespace.removeprefix("{")
    tag, declared = local, f" xmlns={quoteattr(namespace)}"
    if namespace == "DAV:":
        tag, declared = f"D:{local}", ""
    opening = f"<{tag}{declared}"
    return Element(f"{opening}>", f"</{tag}>", f"{opening}/>", PROPERTIES.get(name))
