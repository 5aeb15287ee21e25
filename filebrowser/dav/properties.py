"""WebDAV properties of files and folders, and their XML."""

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from wsgidav.dav_error import DAVError

from filebrowser.file_response import etag_of
from filebrowser.listing.file_kinds import OCTET_STREAM, TYPES_BY_SUFFIX, FileKind
from filebrowser.resources import clamp_time

MAX_PROPERTIES = 100  # properties of one question
MAX_NAMES_LENGTH = 8192  # characters of all their names: each is repeated for each entry
DAV = "{DAV:}"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Bytes of the disk below a folder; None for files, which tell none."""

    used: int | None = None
    available: int | None = None


@dataclass(frozen=True, slots=True)
class PropfindEntry:
    """One entry of an answer, as the disk had it.

    ``href`` is encoded; ``facts`` is None for the top, where the trees lie; ``locks`` is XML.
    """

    name: str
    href: str
    is_folder: bool
    facts: os.stat_result | None
    is_lockable: bool
    disk: DiskSpace
    locks: str = ""


PropertyReader = Callable[[PropfindEntry], str | None]
"""The content of a property's element as XML; None where an entry does not have it."""


def _creation_date(one: PropfindEntry) -> str | None:
    if one.facts is None:
        return None
    at = time.gmtime(clamp_time(int(one.facts.st_ctime)))
    return f"{at[0]:04}-{at[1]:02}-{at[2]:02}T{at[3]:02}:{at[4]:02}:{at[5]:02}Z"


def _last_modified(one: PropfindEntry) -> str | None:
    if one.facts is None:
        return None
    at = time.gmtime(clamp_time(int(one.facts.st_mtime)))
    day, month = DAYS[at[6]], MONTHS[at[1] - 1]
    return f"{day}, {at[2]:02} {month} {at[0]:04} {at[3]:02}:{at[4]:02}:{at[5]:02} GMT"


def _type(one: PropfindEntry) -> str | None:
    if one.is_folder:
        return None
    ending = one.name[one.name.rfind(".") :].lower()  # 10,000 names: pathlib would cost a third
    return TYPES_BY_SUFFIX.get(ending, (FileKind.FILE, OCTET_STREAM))[1]


def _etag_of(one: PropfindEntry) -> str | None:
    return None if one.is_folder or one.facts is None else f'"{etag_of(one.facts)}"'


def _content_length(one: PropfindEntry) -> str | None:
    return None if one.is_folder or one.facts is None else str(one.facts.st_size)


def _to_text(value: int | None) -> str | None:
    return None if value is None else str(value)


_LOCK_ENTRY = (
    "<D:lockentry><D:lockscope><D:{}/></D:lockscope>"
    "<D:locktype><D:write/></D:locktype></D:lockentry>"
)
_LOCKS = _LOCK_ENTRY.format("exclusive") + _LOCK_ENTRY.format("shared")

PROPERTIES: Mapping[str, PropertyReader] = MappingProxyType(
    {
        f"{DAV}resourcetype": lambda one: "<D:collection/>" if one.is_folder else "",
        f"{DAV}creationdate": _creation_date,
        f"{DAV}getcontentlength": _content_length,
        f"{DAV}getcontenttype": _type,
        f"{DAV}quota-used-bytes": lambda one: _to_text(one.disk.used),
        f"{DAV}quota-available-bytes": lambda one: _to_text(one.disk.available),
        f"{DAV}getlastmodified": _last_modified,
        f"{DAV}displayname": lambda one: escape(NOT_XML.sub("\ufffd", one.name)),
        f"{DAV}getetag": _etag_of,
        f"{DAV}lockdiscovery": lambda one: one.locks if one.is_lockable else None,
        f"{DAV}supportedlock": lambda one: _LOCKS if one.is_lockable else None,
    }
)
"""By name, in the order in which ``allprop`` tells them."""


@dataclass(frozen=True, slots=True)
class PropertyElement:
    """A property that was asked for: its element, and how it is read (None: nobody has it)."""

    opening: str
    closing: str
    empty: str
    read: PropertyReader | None


@dataclass(frozen=True, slots=True)
class PropfindQuery:
    """What a PROPFIND wants of each entry: ``elements``, by their names alone, or with values.

    ``complains`` says whether what an entry does not have is told as 404.
    """

    elements: Sequence[PropertyElement]
    values: bool = True
    reports_missing: bool = True

    def format_response(self, one: PropfindEntry) -> str:
        """The ``response`` element of one entry."""
        present, missing = [], []
        for element in self.elements:
            value = element.read(one) if element.read is not None else None
            if value is None:
                missing.append(element.empty)
            elif value and self.values:
                present.append(f"{element.opening}{value}{element.closing}")
            else:
                present.append(element.empty)
        text = f"<D:response><D:href>{one.href}</D:href>"
        if present or not (missing and self.reports_missing):
            text += _propstat(present, "200 OK")
        if missing and self.reports_missing:
            text += _propstat(missing, "404 Not Found")
        return f"{text}</D:response>\n"


def _propstat(elements: Sequence[str], status: str) -> str:
    inner = "".join(elements)
    return (
        f"<D:propstat><D:prop>{inner}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"
    )


def read_propfind(body: Any) -> PropfindQuery:
    """What the XML of a PROPFIND asks for; ``allprop`` where there is none (None).

    Raises :class:`DAVError` 400 for another body, and for more than 100 properties.
    """
    if body is None:
        return _make_query(PROPERTIES, reports_missing=False)
    if body.tag != f"{DAV}propfind":
        raise DAVError(400, "The body is no propfind.")
    parts = {part.tag: part for part in body if isinstance(part.tag, str)}
    kinds = parts.keys() & {f"{DAV}allprop", f"{DAV}propname", f"{DAV}prop"}
    if len(kinds) != 1:
        raise DAVError(400, "Ask for one of allprop, propname and prop.")
    if f"{DAV}propname" in kinds:
        return _make_query(PROPERTIES, reports_missing=False, values=False)
    if f"{DAV}allprop" in kinds:
        more = _property_names(parts.get(f"{DAV}include", ()))
        return _make_query({**PROPERTIES, **dict.fromkeys(more)}, reports_missing=False)
    return _make_query(_property_names(parts[f"{DAV}prop"]), reports_missing=True)


def _property_names(parts: Iterable[Any]) -> list[str]:
    names = list(dict.fromkeys(part.tag for part in parts if isinstance(part.tag, str)))
    if len(names) > MAX_PROPERTIES or sum(map(len, names)) > MAX_NAMES_LENGTH:
        raise DAVError(
            400,
            f"At most {MAX_PROPERTIES} properties, whose names have {MAX_NAMES_LENGTH} characters.",
        )
    return names


def _make_query(names: Iterable[str], reports_missing: bool, values: bool = True) -> PropfindQuery:
    return PropfindQuery([_make_element(name) for name in names], values, reports_missing)


def _make_element(name: str) -> PropertyElement:
    """The element of a property, "{namespace}name" or "name"."""
    namespace, _, local = name.rpartition("}")
    namespace = namespace.removeprefix("{")
    tag, declared = local, f" xmlns={quoteattr(namespace)}"
    if namespace == "DAV:":
        tag, declared = f"D:{local}", ""
    opening = f"<{tag}{declared}"
    return PropertyElement(f"{opening}>", f"</{tag}>", f"{opening}/>", PROPERTIES.get(name))
