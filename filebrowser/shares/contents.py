"""Contents of a shared folder, by page."""

import os
import stat
from dataclasses import dataclass

from filebrowser.access.gate import Place, hidden_name_matcher
from filebrowser.names import encode_name


@dataclass(frozen=True, slots=True)
class SharedEntry:
    """One name in a folder."""

    name: str
    is_folder: bool
    size: int  # bytes


def entries_of(
    place: Place, fd: int, offset: int, count: int
) -> tuple[int, tuple[SharedEntry, ...]]:
    """How many entries the open folder ``found`` at ``place`` has, and ``count`` from ``offset``.

    Folders come first, then by name whatever the case; odd names are written out. Left out is what
    the gate would not open: links, pipes and hidden names.
    """
    is_hidden = hidden_name_matcher(place)
    with os.scandir(fd) as names:
        ordinary = [
            (not entry.is_dir(follow_symlinks=False), entry.name.casefold(), entry.name)
            for entry in names
            if _is_openable(entry) and not is_hidden(entry.name)
        ]
    page = sorted(ordinary)[offset : offset + count]
    return len(ordinary), tuple(_read_entry(fd, name) for _, _, name in page)


def _is_openable(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)


def _read_entry(fd: int, name: str) -> SharedEntry:
    try:
        facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:  # gone since the folder was read
        return SharedEntry(encode_name(name), False, 0)
    return SharedEntry(encode_name(name), stat.S_ISDIR(facts.st_mode), facts.st_size)
