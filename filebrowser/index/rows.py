"""Writes index rows: files as they are created, changed and deleted, and facts of pictures.

Every function works inside a transaction of its caller.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filebrowser.access.gate import Place
from filebrowser.index.fts_text import separate_cjk, to_storable, with_word_parts
from filebrowser.listing.file_kinds import FileKind
from filebrowser.listing.natural_sort import natural_keys
from filebrowser.pictures.picture_facts import PictureFacts

MAX_SQLITE_INT = 2**63 - 1  # that SQLite keeps
MAX_BATCH_IDS = 500  # ids in one statement
SORT_KEY_DIGITS = 20  # of numbers in names that are in order by value


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """One name of a folder as the disk has it. ``size`` is None for a folder."""

    name: str
    kind: FileKind
    size: int | None
    modified_ns: int  # nanoseconds since 1970
    inode: int


@dataclass(frozen=True, slots=True)
class ScannedPicture:
    """What was read from a picture; all None of one that cannot be read."""

    facts: PictureFacts
    width: int | None = None
    height: int | None = None


def find_root(place: Place, roots: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """The path of an indexed tree, and the names below it: a caller's may lie in one that is."""
    if str(place.root.path) in roots:
        return str(place.root.path), place.names
    path = Path(place.root.path, *place.names)
    holding = (root for root in roots if path.is_relative_to(root))
    return next(((root, path.relative_to(root).parts) for root in holding), ("", ()))


KnownFiles = Mapping[str, tuple[int, ScannedFile]]
"""Names of a folder as the index has them, with their ids."""


def ensure_folder(connection: sqlite3.Connection, root: int, path: str) -> int:
    """The id of a folder, which is noted where it is new."""
    connection.execute("INSERT OR IGNORE INTO folders (root, path) VALUES (?, ?)", (root, path))
    query = "SELECT id FROM folders WHERE root = ? AND path = ?"
    return int(connection.execute(query, (root, path)).fetchone()[0])


def find_folder(connection: sqlite3.Connection, root: int, path: str) -> int | None:
    """The id of a folder; None where it is not known."""
    query = "SELECT id FROM folders WHERE root = ? AND path = ?"
    row = connection.execute(query, (root, path)).fetchone()
    return int(row[0]) if row else None


def is_listed(connection: sqlite3.Connection, root: int, path: str) -> bool:
    """Whether the folder above ``path`` is known to hold a folder of that name."""
    above, _, name = path.rpartition("/")
    query = (
        "SELECT 1 FROM files f JOIN folders d ON d.id = f.folder"
        " WHERE d.root = ? AND d.path = ? AND f.name = ? AND f.kind = ?"
    )
    values = (root, above, name, FileKind.FOLDER.value)
    return connection.execute(query, values).fetchone() is not None


def unlisted_folders(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """Root and path of folders that none above is known to hold, as after an end in the middle."""
    return connection.execute(
        "SELECT root, path FROM folders WHERE path != '' AND (root, path) NOT IN"
        " (SELECT d.root, ltrim(d.path || '/' || f.name, '/') FROM files f"
        " JOIN folders d ON d.id = f.folder WHERE f.kind = ?)",
        (FileKind.FOLDER.value,),
    ).fetchall()


def known_files(
    connection: sqlite3.Connection, folder: int, names: Collection[str] | None = None
) -> KnownFiles:
    """What the index has of a folder, or of some names in it."""
    query = "SELECT id, name, kind, size, changed, inode FROM files WHERE folder = ?"
    if names is not None:
        query += f" AND name IN ({','.join('?' * len(names))})"
    cursor = connection.execute(query, (folder, *(names or ())))
    return {row[1]: (row[0], ScannedFile(row[1], FileKind(row[2]), *row[3:])) for row in cursor}


def insert_files(
    connection: sqlite3.Connection, folder: int, files: Sequence[ScannedFile], known: KnownFiles
) -> None:
    """Note files that are new or changed. What a picture told before it changed is forgotten."""
    delete_files(connection, [known[one.name][0] for one in files if one.name in known])
    for one, key in zip(
        files, natural_keys([one.name for one in files], SORT_KEY_DIGITS), strict=True
    ):
        is_unread = one.kind is FileKind.IMAGE
        cursor = connection.execute(
            "INSERT INTO files (folder, name, kind, size, changed, inode, sorted, unread)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                folder,
                one.name,
                one.kind.value,
                one.size,
                one.modified_ns,
                one.inode,
                key,
                is_unread,
            ),
        )
        connection.execute(
            "INSERT INTO words (rowid, name, prompt, told) VALUES (?, ?, '', '')",
            (cursor.lastrowid, with_word_parts(one.name)),
        )


def delete_files(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Forget files."""
    for start in range(0, len(ids), MAX_BATCH_IDS):
        some = ids[start : start + MAX_BATCH_IDS]
        marks = ",".join("?" * len(some))
        connection.execute(f"DELETE FROM words WHERE rowid IN ({marks})", some)
        connection.execute(f"DELETE FROM unwanted WHERE rowid IN ({marks})", some)
        connection.execute(f"DELETE FROM loras WHERE file IN ({marks})", some)
        connection.execute(f"DELETE FROM files WHERE id IN ({marks})", some)


def folders_below(connection: sqlite3.Connection, root: int, path: str) -> list[int]:
    """The ids of a folder and of all below it."""
    cursor = connection.execute(
        "SELECT id FROM folders WHERE root = :root AND (path = :path OR :path = ''"
        " OR (path >= :path || '/' AND path < :path || '0'))",  # "0" follows "/"
        {"root": root, "path": path},
    )
    return [row[0] for row in cursor]


def delete_folder(connection: sqlite3.Connection, folder: int) -> None:
    """Forget one folder and the files in it."""
    ids = [row[0] for row in connection.execute("SELECT id FROM files WHERE folder = ?", (folder,))]
    delete_files(connection, ids)
    connection.execute("DELETE FROM folders WHERE id = ?", (folder,))


def save_picture_facts(connection: sqlite3.Connection, file: int, picture: ScannedPicture) -> None:
    """Note what a picture told; nothing where it is gone from the index."""
    facts = picture.facts
    model, sampler = (
        _name_id(connection, what, name)
        for what, name in (("model", facts.model), ("sampler", facts.sampler))
    )
    seed = facts.seed if facts.seed is not None and abs(facts.seed) <= MAX_SQLITE_INT else None
    changed = connection.execute(
        "UPDATE files SET unread = 0, width = ?, height = ?, seed = ?, model = ?, sampler = ?"
        " WHERE id = ?",
        (picture.width, picture.height, seed, model, sampler, file),
    ).rowcount
    if not changed or facts == PictureFacts():
        return
    rest = (facts.model, *facts.loras, facts.sampler, "" if facts.seed is None else str(facts.seed))
    (name,) = connection.execute("SELECT name FROM words WHERE rowid = ?", (file,)).fetchone()
    connection.execute("DELETE FROM words WHERE rowid = ?", (file,))
    connection.execute(
        "INSERT INTO words (rowid, name, prompt, told) VALUES (?, ?, ?, ?)",
        (file, name, separate_cjk(facts.prompt), with_word_parts(" ".join(filter(None, rest)))),
    )
    if facts.negative:
        connection.execute("DELETE FROM unwanted WHERE rowid = ?", (file,))
        connection.execute(
            "INSERT INTO unwanted (rowid, negative) VALUES (?, ?)",
            (file, separate_cjk(facts.negative)),
        )
    loras = {_name_id(connection, "lora", name) for name in facts.loras if name}
    connection.executemany(
        "INSERT OR IGNORE INTO loras VALUES (?, ?)", ((one, file) for one in loras)
    )


def _name_id(connection: sqlite3.Connection, what: str, name: str) -> int | None:
    if not name:
        return None
    name = to_storable(name)
    connection.execute("INSERT OR IGNORE INTO names (what, name) VALUES (?, ?)", (what, name))
    query = "SELECT id FROM names WHERE what = ? AND name = ?"
    return int(connection.execute(query, (what, name)).fetchone()[0])


def sync_roots(
    connection: sqlite3.Connection, roots: Mapping[str, Collection[str]]
) -> dict[str, int]:
    """The ids of the trees at these paths. What others hold, or was judged otherwise, is forgotten.

    ``roots``: the path of each tree, and what is hidden in it.
    """
    wanted = {path: "\n".join(sorted(hidden)) for path, hidden in roots.items()}
    for number, path, hidden in connection.execute("SELECT id, path, hidden FROM roots").fetchall():
        if wanted.get(path) != hidden:
            for folder in folders_below(connection, number, ""):
                delete_folder(connection, folder)
            connection.execute("DELETE FROM roots WHERE id = ?", (number,))
    connection.executemany(
        "INSERT OR IGNORE INTO roots (path, hidden) VALUES (?, ?)", wanted.items()
    )
    return dict(connection.execute("SELECT path, id FROM roots").fetchall())


def unread_pictures(
    connection: sqlite3.Connection, most: int
) -> Iterable[tuple[int, int, str, str, int, int]]:
    """Pictures that were not asked yet: id, root, folder's path, name, time of change, inode."""
    return connection.execute(
        "SELECT f.id, d.root, d.path, f.name, f.changed, f.inode FROM files f"
        " JOIN folders d ON d.id = f.folder WHERE f.unread ORDER BY f.id DESC LIMIT ?",
        (most,),
    ).fetchall()
