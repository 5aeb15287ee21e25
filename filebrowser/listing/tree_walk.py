"""Recursive walk below a folder: links are not followed, hidden names are skipped."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from filebrowser.access.gate import MAX_DEPTH, Place, hidden_name_matcher, open_place
from filebrowser.errors import FileError, TooMuch

MAX_WALKED = 1_000_000  # files and folders


@dataclass(frozen=True, slots=True)
class WalkEntry:
    """One entry below the folder where the walk began."""

    place: Place
    facts: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.facts.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is an ordinary file."""
        return stat.S_ISREG(self.facts.st_mode)


def walk(start: Place, most: int = MAX_WALKED) -> Iterator[WalkEntry]:
    """Everything below the folder ``start``, a folder before what it holds, names in order.

    What vanishes meanwhile or cannot be read is left out;
    links and special files are told and not opened. Raises :class:`TooMuch` after ``most``
    finds.
    """
    waiting, count = [start], 0
    while waiting:
        inner: list[Place] = []
        for entry in _entries_in(waiting.pop()):
            count += 1
            if count > most:
                raise TooMuch(f"{start.text!r} holds more than {most} files and folders.")
            yield entry
            if entry.is_folder and len(entry.place.names) < MAX_DEPTH:
                inner.append(entry.place)
        waiting.extend(reversed(inner))


def _entries_in(place: Place) -> list[WalkEntry]:
    try:
        folder = open_place(place, os.O_RDONLY | os.O_DIRECTORY)
    except (FileError, OSError):
        return []
    is_hidden = hidden_name_matcher(place)
    try:
        names = sorted(name for name in os.listdir(folder) if not is_hidden(name))
        return [entry for name in names if (entry := _stat_entry(folder, place, name))]
    finally:
        os.close(folder)


def _stat_entry(folder: int, place: Place, name: str) -> WalkEntry | None:
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return WalkEntry(Place(place.root, (*place.names, name)), facts)
