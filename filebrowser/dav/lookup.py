"""Resolves a WebDAV path for the request's ``FileAccess``."""

import stat
from typing import Any
from urllib.parse import quote

from filebrowser.access.file_access import Right, check_rights
from filebrowser.access.gate import Place, find_place, stat_place
from filebrowser.dav.entries import CONTEXT_KEY, DavContext
from filebrowser.dav.errors import translate_errors
from filebrowser.dav.files import DavFile, PlaceholderFile, SideFile
from filebrowser.dav.folders import DavFolder, DavRoots, SideFolder, is_ignored_name, make_side_file
from filebrowser.dav.locks import BoundedLockStorage
from filebrowser.dav.side_files import is_side_file
from filebrowser.errors import BadPath, FileError, NotAFile, NotHere

CREATING_METHODS = frozenset({"PUT", "LOCK", "MKCOL"})
"""Methods that ask for the folder in which a name is to be made."""


def entry_at(
    path: str, environ: dict[str, Any]
) -> DavFile | DavFolder | DavRoots | SideFolder | None:
    """The entry at a WebDAV path for the request's ``FileAccess``, or None. Right: view.

    What is on the disk comes first, then what is announced, then what is there by its lock.
    Raises 400 for what is no path and 403 without the right.
    """
    context: DavContext = environ[CONTEXT_KEY]
    with translate_errors():
        check_rights(context.access, [Right.VIEW])
        if not path.strip("/"):
            return DavRoots("/", environ)
        try:
            place = find_place(path, context.access.roots)
            facts = stat_place(place)
        except BadPath:
            if not is_side_file(path):
                raise
            return _side_entry(path, environ)
        except (NotHere, NotAFile):
            return _entry_in_memory(path, environ)
    kind = DavFolder if stat.S_ISDIR(facts.st_mode) else DavFile
    return kind(f"/{place.text}", environ, place, facts)


def _entry_in_memory(path: str, environ: dict[str, Any]) -> DavFile | SideFolder | None:
    """What is there without a file: a placeholder, or a desktop's own while it is locked."""
    if is_side_file(path):
        return _side_entry(path, environ)
    context: DavContext = environ[CONTEXT_KEY]
    try:
        place = find_place(path, context.access.roots)
    except FileError:
        return None
    if not place.names:
        return None
    path, rules = f"/{place.text}", context.uploads.rules
    locked = _locked_since(path, environ)
    if is_ignored_name(Place(place.root, place.names[:-1]), place.names[-1], rules):
        return None if locked is None else make_side_file(path, environ, locked)
    announced = context.placeholders.find(place)
    if announced is not None:
        return PlaceholderFile(path, environ, place, announced.shown_time)
    if locked is None or not rules.is_weights(place):
        return None
    return PlaceholderFile(path, environ, place, locked)


def _side_entry(path: str, environ: dict[str, Any]) -> SideFile | SideFolder | None:
    requested = environ["PATH_INFO"].strip("/")
    if path.strip("/") != requested and environ["REQUEST_METHOD"] in CREATING_METHODS:
        return SideFolder(path, environ)
    locked = _locked_since(path, environ)
    return None if locked is None else make_side_file(path, environ, locked)


def _locked_since(path: str, environ: dict[str, Any]) -> int | None:
    locks: BoundedLockStorage = environ["wsgidav.provider"].lock_manager.storage
    return locks.locked_since(quote(path))
