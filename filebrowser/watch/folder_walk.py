"""Walks the folders of a tree for a watcher, each once, by its own name before that of a link."""

import os
from collections.abc import Iterator
from errno import EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM
from pathlib import Path

ABSENT_ERRNOS = frozenset({ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG})
"""Errors of one path, not of the disk: it is gone, not ours to see, or a link that leads to itself.
"""

Entries = list["os.DirEntry[str]"]


def walk_folders(root: Path, links: bool = True) -> Iterator[tuple[Path, Entries]]:
    """Each folder at and below ``root`` with its entries; hidden ones are passed over.

    Links to folders are entered where ``links`` is true, after all folders that are reached without
    them: what lies in the tree goes by its own name. No folder is entered twice, so loops end.
    Raises OSError where the disk does not answer.
    """
    waiting, linked = [str(root)], list[str]()
    visited: set[tuple[int, int]] = set()
    while waiting or linked:
        place = (waiting or linked).pop()
        try:
            status = os.stat(place)
            with os.scandir(place) as listing:
                entries = [each for each in listing if not each.name.startswith(".")]
        except OSError as error:
            if error.errno not in ABSENT_ERRNOS:
                raise
            continue
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        yield Path(place), entries
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif links and entry.is_symlink():
                linked.append(entry.path)


def linked_folders(root: Path) -> Iterator[Path]:
    """The links below ``root``, nested ones too, by which :func:`walk_folders` enters folders."""
    for place, _ in walk_folders(root):
        if place != root and place.is_symlink():
            yield place
