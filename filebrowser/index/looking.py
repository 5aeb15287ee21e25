"""Compares folders with the index, and asks pictures how they were made. The disk is the truth."""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from filebrowser.errors import BadPath, FileError
from filebrowser.gate import DEEPEST, Place, check_name, hidden_in, locate, open_place
from filebrowser.index import rows as books
from filebrowser.index.rows import Made, Seen
from filebrowser.kinds import Kind, kind_by_mode
from filebrowser.pictures.opening import opened
from filebrowser.pictures.told import Teller, Told

BATCH = 200  # files in one transaction
BREATH = 0.001  # seconds a batch: a folder of 100,000 files must not hold up those who ask for it
SHOWN = (stat.S_IFREG, stat.S_IFDIR)


@contextmanager
def writing(rows: sqlite3.Connection) -> Iterator[None]:
    """A transaction: all of the block or nothing."""
    rows.execute("BEGIN IMMEDIATE")
    try:
        yield
        rows.execute("COMMIT")
    except BaseException:
        if rows.in_transaction:
            rows.execute("ROLLBACK")
        raise


def compare(rows: sqlite3.Connection, tree: int, place: Place) -> Iterator[tuple[Place, bool]]:
    """Bring the index's picture of one folder up to date, a batch at each step.

    Yields the folders in it, with whether each is new; the place itself between batches does not
    count. A folder that is gone takes all below it along.
    """
    path = "/".join(place.names)
    found = list(_entries(place)) if _told(place) else []
    if not found and not _is_folder(place):
        yield from _forget(rows, tree, place)
        return
    with writing(rows):
        folder = books.folder_id(rows, tree, path)
        known = books.known_in(rows, folder)
    there = {one.name for one in found}
    gone = [(number, one) for name, (number, one) in known.items() if name not in there]
    fresh = [one for one in found if one.name not in known or known[one.name][1] != one]
    for _, one in gone:
        if one.kind is Kind.FOLDER:
            yield from _forget(rows, tree, Place(place.root, (*place.names, one.name)))
    with writing(rows):
        books.drop(rows, [number for number, _ in gone])
    for start in range(0, len(fresh), BATCH):
        with writing(rows):
            books.put(rows, folder, fresh[start : start + BATCH], known)
        yield place, False
    if len(place.names) < DEEPEST - 1:
        for one in found:
            if one.kind is Kind.FOLDER:
                yield Place(place.root, (*place.names, one.name)), one.name not in known


def _forget(rows: sqlite3.Connection, tree: int, place: Place) -> Iterator[tuple[Place, bool]]:
    """Forget what lay at a place that is no folder any more."""
    for folder in books.folders_below(rows, tree, "/".join(place.names)):
        with writing(rows):
            books.drop_folder(rows, folder)
        yield place, False


def _told(place: Place) -> bool:
    """Whether the gate lets anybody ask for it, whoever said to look there."""
    try:
        locate(place.text, (place.root,))
    except FileError:
        return False
    return True


def _is_folder(place: Place) -> bool:
    if not _told(place):
        return False
    try:
        os.close(open_place(place, os.O_RDONLY | os.O_DIRECTORY))
    except (FileError, OSError):
        return False
    return True


def _entries(place: Place) -> Iterator[Seen]:
    """The files and folders in a folder that have names to ask for; no dotted ones, no links."""
    try:
        folder = open_place(place, os.O_RDONLY | os.O_DIRECTORY)
    except (FileError, OSError):
        return
    away = hidden_in(place)
    try:
        with os.scandir(folder) as listing:
            for count, entry in enumerate(listing):
                if count % BATCH == 0:
                    time.sleep(BREATH)
                if entry.name[0] != "." and not away(entry.name) and _fit(entry.name):
                    with suppress(OSError):  # gone since
                        facts = entry.stat(follow_symlinks=False)
                        if stat.S_IFMT(facts.st_mode) in SHOWN:
                            yield _seen(entry.name, facts)
    finally:
        os.close(folder)


def _fit(name: str) -> bool:
    try:
        check_name(name)
    except BadPath:
        return False
    return True


def _seen(name: str, facts: os.stat_result) -> Seen:
    size = facts.st_size if stat.S_ISREG(facts.st_mode) else None
    # A folder's time changes with each file in it; it would be written anew each time.
    changed = facts.st_mtime_ns if size is not None else 0
    inode = facts.st_ino if facts.st_ino < 2**63 else facts.st_ino - 2**64
    return Seen(name, kind_by_mode(name, facts.st_mode), size, changed, inode)


def ask(place: Place, changed: int, teller: Teller) -> Made | None:
    """What the picture at ``place`` tells, None where it is another one by now."""
    try:
        file = open_place(place)
    except (FileError, OSError):
        return None
    try:
        if os.fstat(file).st_mtime_ns != changed:
            return None
        with opened(file) as image:
            return Made(teller(image), *image.size)
    except FileError:
        return Made(Told())  # damaged or too large: it has a name, and tells nothing
    finally:
        os.close(file)


def note(rows: sqlite3.Connection, told: Sequence[tuple[int, Made]]) -> None:
    """Write down what pictures told."""
    with writing(rows):
        for number, made in told:
            books.tell(rows, number, made)
