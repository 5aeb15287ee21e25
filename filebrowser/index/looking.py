"""Compares folders with the index, and asks pictures how they were made. The disk is the truth."""

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from filebrowser.errors import BadPath, FileError
from filebrowser.gate import DEEPEST, Place, check_name, hidden_in, locate, open_place
from filebrowser.index import rows as books
from filebrowser.index.rows import Known, Made, Seen
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
    count. A folder that is gone takes all below it along; a whole tree that is away, or a folder
    that cannot be read for a moment (``OSError``), stays as it is known.
    """
    found = _listed(place)
    if found is None:
        yield from _forget(rows, tree, place) if place.names else ()
        return
    with writing(rows):
        folder = books.folder_id(rows, tree, "/".join(place.names))
        known = books.known_in(rows, folder)
    folders = {one.name for one in found if one.kind is Kind.FOLDER}
    for name, (_, one) in known.items():
        if one.kind is Kind.FOLDER and name not in folders:
            yield from _forget(rows, tree, Place(place.root, (*place.names, name)))
    for _ in _write(rows, folder, found, known):
        yield place, False
    if len(place.names) < DEEPEST - 1:
        for name in folders:
            yield Place(place.root, (*place.names, name)), name not in known


def _write(
    rows: sqlite3.Connection, folder: int, found: Sequence[Seen], known: Known
) -> Iterator[None]:
    """Forget the files that are gone, note those that differ, a batch at each step."""
    gone = known.keys() - {one.name for one in found}
    fresh = [one for one in found if one.name not in known or known[one.name][1] != one]
    with writing(rows):
        books.drop(rows, [known[name][0] for name in gone])
    for start in range(0, len(fresh), BATCH):
        with writing(rows):
            books.put(rows, folder, fresh[start : start + BATCH], known)
        yield


def _forget(rows: sqlite3.Connection, tree: int, place: Place) -> Iterator[tuple[Place, bool]]:
    """Forget what lay at a place that is no folder any more."""
    for folder in books.folders_below(rows, tree, "/".join(place.names)):
        with writing(rows):
            books.drop_folder(rows, folder)
        yield place, False


def _listed(place: Place) -> list[Seen] | None:
    """The files and folders in a folder that have names to ask for; no dotted ones, no links.

    None where the gate has no folder there for anybody, whoever said to look.
    """
    try:
        folder = open_place(
            locate(place.text, (place.root,)), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        )
    except FileError:
        return None
    away = hidden_in(place)
    try:
        with os.scandir(folder) as listing:
            return list(_shown(listing, away))
    finally:
        os.close(folder)


def _shown(listing: Iterable["os.DirEntry[str]"], away: Callable[[str], object]) -> Iterator[Seen]:
    for count, entry in enumerate(listing):
        if count % BATCH == 0:
            time.sleep(BREATH)
        if entry.name[0] != "." and not away(entry.name) and _fit(entry.name):
            seen = _seen(entry)
            if seen is not None:
                yield seen


def _fit(name: str) -> bool:
    try:
        check_name(name)
    except BadPath:
        return False
    return True


def _seen(entry: "os.DirEntry[str]") -> Seen | None:
    """An entry, None where it is neither a file nor a folder, or gone since."""
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    if stat.S_IFMT(facts.st_mode) not in SHOWN:
        return None
    size = facts.st_size if stat.S_ISREG(facts.st_mode) else None
    # A folder's time changes with each file in it; it would be written anew each time.
    changed = facts.st_mtime_ns if size is not None else 0
    inode = facts.st_ino if facts.st_ino < 2**63 else facts.st_ino - 2**64
    return Seen(entry.name, kind_by_mode(entry.name, facts.st_mode), size, changed, inode)


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
