"""Reconciles the index with folders on the disk, and reads facts of pictures."""

import os
import sqlite3
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from filebrowser.errors import BadPath, FileError
from filebrowser.gate import DEEPEST, Place, check_name, hidden_in, locate, open_place
from filebrowser.index import rows as books
from filebrowser.index.rows import Known, Made, Seen
from filebrowser.kinds import Kind, kind_by_mode
from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.pictures.opening import opened
from filebrowser.pictures.told import Teller, Told

BATCH = 200  # files in one transaction
SHOWN = (stat.S_IFREG, stat.S_IFDIR)
Look = Callable[[], os.stat_result]


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
    yield from _bring_up(rows, (tree, folder), place, found, known)


def compare_names(
    rows: sqlite3.Connection, tree: int, place: Place, names: Collection[str]
) -> Iterator[tuple[Place, bool]]:
    """As :func:`compare`, of some names in a folder; of all where it is not known, or gone."""
    folder = books.known_folder(rows, tree, "/".join(place.names))
    found = _listed(place, names) if folder is not None else None
    if folder is None or found is None:
        yield from compare(rows, tree, place)
        return
    known = books.known_in(rows, folder, names)
    yield from _bring_up(rows, (tree, folder), place, found, known)


def _bring_up(
    rows: sqlite3.Connection,
    where: tuple[int, int],
    place: Place,
    found: Sequence[Seen],
    known: Known,
) -> Iterator[tuple[Place, bool]]:
    """Write down what differs between what was ``found`` and what was ``known`` of a folder."""
    tree, folder = where
    folders = {one.name for one in found if one.kind is Kind.FOLDER}
    for name, (_, one) in known.items():
        if one.kind is Kind.FOLDER and name not in folders:
            yield from _forget(rows, tree, Place(place.root, (*place.names, name)))
    for _ in _write(rows, folder, found, known):
        yield place, False
    if len(place.names) < DEEPEST - 1:
        for name in folders:
            new = name not in known or known[name][1].kind is not Kind.FOLDER
            yield Place(place.root, (*place.names, name)), new


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


def _listed(place: Place, names: Collection[str] | None = None) -> list[Seen] | None:
    """The files and folders in a folder that have names to ask for; no dotted ones, no links.

    Only those of ``names``, where some are given. None where the gate has no folder there for
    anybody, whoever said to look.
    """
    try:
        folder = open_place(
            locate(place.text, (place.root,)), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        )
    except FileError:
        return None
    away = hidden_in(place)
    try:
        look = partial(os.stat, dir_fd=folder, follow_symlinks=False)
        if names is not None:
            return list(_shown(((name, partial(look, name)) for name in names), away))
        with os.scandir(folder) as listing:
            return list(_shown(((one.name, partial(look, one.name)) for one in listing), away))
    finally:
        os.close(folder)


def _shown(looks: Iterable[tuple[str, Look]], away: Callable[[str], object]) -> Iterator[Seen]:
    for name, look in looks:
        if name[0] != "." and not away(name) and _fit(name):
            seen = _seen(name, look)
            if seen is not None:
                yield seen


def _fit(name: str) -> bool:
    try:
        check_name(name)
    except BadPath:
        return False
    return True


def _seen(name: str, look: Look) -> Seen | None:
    """What is under a name, None where it is neither a file nor a folder, or gone since."""
    try:
        facts = look()
    except OSError:
        return None
    if stat.S_IFMT(facts.st_mode) not in SHOWN:
        return None
    size = facts.st_size if stat.S_ISREG(facts.st_mode) else None
    # A folder's time changes with each file in it; it would be written anew each time.
    changed = facts.st_mtime_ns if size is not None else 0
    inode = facts.st_ino if facts.st_ino < 2**63 else facts.st_ino - 2**64
    return Seen(name, kind_by_mode(name, facts.st_mode), size, changed, inode)


def ask(
    place: Place, changed: int, teller: Teller, memory: MemoryBudget | None = None
) -> Made | None:
    """What the picture at ``place`` tells, None where it is another one by now."""
    try:
        file = open_place(place)
    except (FileError, OSError):
        return None
    try:
        if os.fstat(file).st_mtime_ns != changed:
            return None
        with opened(file, memory, patiently=True) as image:
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
