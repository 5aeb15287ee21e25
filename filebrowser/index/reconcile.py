"""Reconciles the index with folders on the disk, and reads facts of pictures."""

import os
import sqlite3
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from filebrowser.access.gate import (
    MAX_DEPTH,
    Place,
    check_name,
    hidden_name_matcher,
    open_place,
    parse_path,
)
from filebrowser.errors import BadPath, FileError
from filebrowser.index import rows as index_rows
from filebrowser.index.rows import KnownFiles, ScannedFile, ScannedPicture
from filebrowser.listing.file_kinds import FileKind, kind_by_mode
from filebrowser.pictures.image_open import open_image
from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.pictures.picture_facts import FactsReader, PictureFacts

BATCH = 200  # files in one transaction
INDEXED_TYPES = (stat.S_IFREG, stat.S_IFDIR)
StatCall = Callable[[], os.stat_result]


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction: all of the block or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def reconcile_folder(
    connection: sqlite3.Connection, tree: int, place: Place
) -> Iterator[tuple[Place, bool]]:
    """Bring the index's picture of one folder up to date, a batch at each step.

    Yields the folders in it, with whether each is new; the place itself between batches does not
    count. A folder that is gone takes all below it along; a whole tree that is away, or a folder
    that cannot be read for a moment (``OSError``), stays as it is known.
    """
    scanned = _scan_folder(place)
    if scanned is None:
        yield from _forget_folder(connection, tree, place) if place.names else ()
        return
    with transaction(connection):
        folder = index_rows.ensure_folder(connection, tree, "/".join(place.names))
        known = index_rows.known_files(connection, folder)
    yield from _update_folder(connection, (tree, folder), place, scanned, known)


def reconcile_names(
    connection: sqlite3.Connection, tree: int, place: Place, names: Collection[str]
) -> Iterator[tuple[Place, bool]]:
    """As :func:`reconcile_folder`, of some names in a folder; of all where it is not known, or
    gone.
    """
    folder = index_rows.find_folder(connection, tree, "/".join(place.names))
    scanned = _scan_folder(place, names) if folder is not None else None
    if folder is None or scanned is None:
        yield from reconcile_folder(connection, tree, place)
        return
    known = index_rows.known_files(connection, folder, names)
    yield from _update_folder(connection, (tree, folder), place, scanned, known)


def _update_folder(
    connection: sqlite3.Connection,
    root_and_folder: tuple[int, int],
    place: Place,
    scanned: Sequence[ScannedFile],
    known: KnownFiles,
) -> Iterator[tuple[Place, bool]]:
    """Write down what differs between what was ``found`` and what was ``known`` of a folder."""
    tree, folder = root_and_folder
    folders = {one.name for one in scanned if one.kind is FileKind.FOLDER}
    for name, (_, one) in known.items():
        if one.kind is FileKind.FOLDER and name not in folders:
            yield from _forget_folder(connection, tree, Place(place.root, (*place.names, name)))
    for _ in _write_changes(connection, folder, scanned, known):
        yield place, False
    if len(place.names) < MAX_DEPTH - 1:
        for name in folders:
            new = name not in known or known[name][1].kind is not FileKind.FOLDER
            yield Place(place.root, (*place.names, name)), new


def _write_changes(
    connection: sqlite3.Connection, folder: int, scanned: Sequence[ScannedFile], known: KnownFiles
) -> Iterator[None]:
    """Forget the files that are gone, note those that differ, a batch at each step."""
    gone = known.keys() - {one.name for one in scanned}
    fresh = [one for one in scanned if one.name not in known or known[one.name][1] != one]
    with transaction(connection):
        index_rows.delete_files(connection, [known[name][0] for name in gone])
    for start in range(0, len(fresh), BATCH):
        with transaction(connection):
            index_rows.insert_files(connection, folder, fresh[start : start + BATCH], known)
        yield


def _forget_folder(
    connection: sqlite3.Connection, tree: int, place: Place
) -> Iterator[tuple[Place, bool]]:
    """Forget what lay at a place that is no folder any more."""
    for folder in index_rows.folders_below(connection, tree, "/".join(place.names)):
        with transaction(connection):
            index_rows.delete_folder(connection, folder)
        yield place, False


def _scan_folder(place: Place, names: Collection[str] | None = None) -> list[ScannedFile] | None:
    """The files and folders in a folder that have names to ask for; no dotted ones, no links.

    Only those of ``names``, where some are given. None where the gate has no folder there for
    anybody, whoever said to look.
    """
    try:
        folder = open_place(
            parse_path(place.text, (place.root,)), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        )
    except FileError:
        return None
    is_hidden = hidden_name_matcher(place)
    try:
        stat_in_folder = partial(os.stat, dir_fd=folder, follow_symlinks=False)
        if names is not None:
            return list(
                _scan_names(((name, partial(stat_in_folder, name)) for name in names), is_hidden)
            )
        with os.scandir(folder) as listing:
            return list(
                _scan_names(
                    ((one.name, partial(stat_in_folder, one.name)) for one in listing), is_hidden
                )
            )
    finally:
        os.close(folder)


def _scan_names(
    stat_calls: Iterable[tuple[str, StatCall]], is_hidden: Callable[[str], object]
) -> Iterator[ScannedFile]:
    for name, stat_call in stat_calls:
        if name[0] != "." and not is_hidden(name) and _is_valid_name(name):
            scanned = _scan_file(name, stat_call)
            if scanned is not None:
                yield scanned


def _is_valid_name(name: str) -> bool:
    try:
        check_name(name)
    except BadPath:
        return False
    return True


def _scan_file(name: str, stat_call: StatCall) -> ScannedFile | None:
    """What is under a name, None where it is neither a file nor a folder, or gone since."""
    try:
        facts = stat_call()
    except OSError:
        return None
    if stat.S_IFMT(facts.st_mode) not in INDEXED_TYPES:
        return None
    size = facts.st_size if stat.S_ISREG(facts.st_mode) else None
    # A folder's time changes with each file in it; it would be written anew each time.
    changed = facts.st_mtime_ns if size is not None else 0
    inode = facts.st_ino if facts.st_ino < 2**63 else facts.st_ino - 2**64
    return ScannedFile(name, kind_by_mode(name, facts.st_mode), size, changed, inode)


def read_picture(
    place: Place, changed: int, read_facts: FactsReader, memory: MemoryBudget | None = None
) -> ScannedPicture | None:
    """What the picture at ``place`` tells, None where it is another one by now."""
    try:
        file = open_place(place)
    except (FileError, OSError):
        return None
    try:
        if os.fstat(file).st_mtime_ns != changed:
            return None
        with open_image(file, memory, patiently=True) as image:
            return ScannedPicture(read_facts(image), *image.size)
    except FileError:
        return ScannedPicture(
            PictureFacts()
        )  # damaged or too large: it has a name, and tells nothing
    finally:
        os.close(file)


def save_pictures(
    connection: sqlite3.Connection, pictures: Sequence[tuple[int, ScannedPicture]]
) -> None:
    """Write down what pictures told."""
    with transaction(connection):
        for number, picture in pictures:
            index_rows.save_picture_facts(connection, number, picture)
