"""Recursive walk below a folder: links are not followed, hidden names are skipped."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from filebrowser.errors import FileError, TooMuch
from filebrowser.gate import DEEPEST, Place, hidden_in, open_place

MOST_WALKED = 1_000_000  # files and folders


@dataclass(frozen=True, slots=True)
class Found:
    """One entry below the folder where the walk began."""

    place: Place
    facts: os.stat_result

    @property
    def folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.facts.st_mode)

    @property
    def file(self) -> bool:
        """Whether it is an ordinary file."""
        return stat.S_ISREG(self.facts.st_mode)


def walk(start: Place, most: int = MOST_WALKED) -> Iterator[Found]:
    """Everything below the folder ``start``, a folder before what it holds, names in order.

    What vanishes meanwhile or cannot be read is left out;
    links and special files are told and not opened. Raises :class:`TooMuch` after ``most`` finds.
    """
    waiting, count = [start], 0
    while waiting:
        inner: list[Place] = []
        for found in _below(waiting.pop()):
            count += 1
            if count > most:
                raise TooMuch(f"{start.text!r} holds more than {most} files and folders.")
            yield found
            if found.folder and len(found.place.names) < DEEPEST:
                inner.append(found.place)
        waiting.extend(reversed(inner))


def _below(place: Place) -> list[Found]:
    try:
        folder = open_place(place, os.O_RDONLY | os.O_DIRECTORY)
    except (FileError, OSError):
        return []
    away = hidden_in(place)
    try:
        names = sorted(name for name in os.listdir(folder) if not away(name))
        return [found for name in names if (found := _found(folder, place, name))]
    finally:
        os.close(folder)


def _found(folder: int, place: Place, name: str) -> Found | None:
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return Found(Place(place.root, (*place.names, name)), facts)
