"""From a path of WebDAV to what it means for the visit of the request."""

import stat
from typing import Any
from urllib.parse import quote

from filebrowser.dav.entries import DESK, Desk, facts_of
from filebrowser.dav.errors import translated
from filebrowser.dav.files import File, Placeholder, SideFile
from filebrowser.dav.folders import Folder, SideFolder, Trees, is_dropped, side_file
from filebrowser.dav.locks import Locks
from filebrowser.dav.side_files import is_side_file
from filebrowser.errors import BadPath, FileError, NotAFile, NotHere
from filebrowser.gate import Place, find_place
from filebrowser.visit import Right, check_rights

MAKING = frozenset({"PUT", "LOCK", "MKCOL"})
"""Methods that ask for the folder in which a name is to be made."""


def entry_at(path: str, environ: dict[str, Any]) -> File | Folder | Trees | SideFolder | None:
    """What a path of WebDAV means for the visit of the request; None for nothing. Right: view.

    What is on the disk comes first, then what is announced, then what is there by its lock.
    Raises 400 for what is no path and 403 without the right.
    """
    desk: Desk = environ[DESK]
    with translated():
        check_rights(desk.visit, [Right.VIEW])
        if not path.strip("/"):
            return Trees("/", environ)
        try:
            place = find_place(path, desk.visit.roots)
            facts = facts_of(place)
        except BadPath:
            if not is_side_file(path):
                raise
            return _side_entry(path, environ)
        except (NotHere, NotAFile):
            return _entry_in_memory(path, environ)
    kind = Folder if stat.S_ISDIR(facts.st_mode) else File
    return kind(f"/{place.text}", environ, place, facts)


def _entry_in_memory(path: str, environ: dict[str, Any]) -> File | SideFolder | None:
    """What is there without a file: a placeholder, or a desktop's own while it is locked."""
    if is_side_file(path):
        return _side_entry(path, environ)
    desk: Desk = environ[DESK]
    try:
        place = find_place(path, desk.visit.roots)
    except FileError:
        return None
    if not place.names:
        return None
    path, rules = f"/{place.text}", desk.uploads.rules
    locked = _locked_since(path, environ)
    if is_dropped(Place(place.root, place.names[:-1]), place.names[-1], rules):
        return None if locked is None else side_file(path, environ, locked)
    announced = desk.placeholders.find(place)
    if announced is not None:
        return Placeholder(path, environ, place, announced.shown)
    if locked is None or not rules.is_weights(place):
        return None
    return Placeholder(path, environ, place, locked)


def _side_entry(path: str, environ: dict[str, Any]) -> SideFile | SideFolder | None:
    asked = environ["PATH_INFO"].strip("/")
    if path.strip("/") != asked and environ["REQUEST_METHOD"] in MAKING:
        return SideFolder(path, environ)
    locked = _locked_since(path, environ)
    return None if locked is None else side_file(path, environ, locked)


def _locked_since(path: str, environ: dict[str, Any]) -> int | None:
    locks: Locks = environ["wsgidav.provider"].lock_manager.storage
    return locks.since(quote(path))
