"""What a shared folder holds, a page at a time."""

import os
import stat
from dataclasses import dataclass

from filebrowser.gate import Place, hidden_in
from filebrowser.names import show_name


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder."""

    name: str
    folder: bool
    size: int  # bytes


def entries_of(place: Place, found: int, offset: int, count: int) -> tuple[int, tuple[Entry, ...]]:
    """How many entries the open folder ``found`` at ``place`` has, and ``count`` from ``offset``.

    Folders come first, then by name whatever the case; odd names are written out. Left out is what
    the gate would not open: links, pipes and hidden names.
    """
    hidden = hidden_in(place)
    with os.scandir(found) as names:
        ordinary = [
            (not entry.is_dir(follow_symlinks=False), entry.name.casefold(), entry.name)
            for entry in names
            if _opens(entry) and not hidden(entry.name)
        ]
    page = sorted(ordinary)[offset : offset + count]
    return len(ordinary), tuple(_entry(found, name) for _, _, name in page)


def _opens(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)


def _entry(found: int, name: str) -> Entry:
    try:
        facts = os.stat(name, dir_fd=found, follow_symlinks=False)
    except FileNotFoundError:  # gone since the folder was read
        return Entry(show_name(name), False, 0)
    return Entry(show_name(name), stat.S_ISDIR(facts.st_mode), facts.st_size)
