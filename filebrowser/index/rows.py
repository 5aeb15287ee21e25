"""What is written to the index: files as they come, change and go, and what pictures tell.

Every function works inside a transaction of its caller.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from filebrowser.index.texts import spread, storable, with_parts
from filebrowser.kinds import Kind
from filebrowser.natural import keys_of
from filebrowser.pictures.told import Told

LARGEST = 2**63 - 1  # that SQLite keeps
BATCH = 500  # ids in one statement
DIGITS = 20  # of numbers in names that are in order by value


@dataclass(frozen=True, slots=True)
class Seen:
    """One name of a folder as the disk has it. ``size`` is None for a folder."""

    name: str
    kind: Kind
    size: int | None
    changed: int  # nanoseconds since 1970
    inode: int


@dataclass(frozen=True, slots=True)
class Made:
    """What was read from a picture; all None of one that cannot be read."""

    told: Told
    width: int | None = None
    height: int | None = None


Known = Mapping[str, tuple[int, Seen]]
"""Names of a folder as the index has them, with their ids."""


def folder_id(rows: sqlite3.Connection, root: int, path: str) -> int:
    """The id of a folder, which is noted where it is new."""
    rows.execute("INSERT OR IGNORE INTO folders (root, path) VALUES (?, ?)", (root, path))
    query = "SELECT id FROM folders WHERE root = ? AND path = ?"
    return int(rows.execute(query, (root, path)).fetchone()[0])


def known_folder(rows: sqlite3.Connection, root: int, path: str) -> int | None:
    """The id of a folder; None where it is not known."""
    query = "SELECT id FROM folders WHERE root = ? AND path = ?"
    found = rows.execute(query, (root, path)).fetchone()
    return int(found[0]) if found else None


def known_in(rows: sqlite3.Connection, folder: int, names: Collection[str] | None = None) -> Known:
    """What the index has of a folder, or of some names in it."""
    query = "SELECT id, name, kind, size, changed, inode FROM files WHERE folder = ?"
    if names is not None:
        query += f" AND name IN ({','.join('?' * len(names))})"
    found = rows.execute(query, (folder, *(names or ())))
    return {row[1]: (row[0], Seen(row[1], Kind(row[2]), *row[3:])) for row in found}


def put(rows: sqlite3.Connection, folder: int, seen: Sequence[Seen], known: Known) -> None:
    """Note files that are new or changed. What a picture told before it changed is forgotten."""
    drop(rows, [known[one.name][0] for one in seen if one.name in known])
    for one, key in zip(seen, keys_of([one.name for one in seen], DIGITS), strict=True):
        unread = one.kind is Kind.IMAGE
        cursor = rows.execute(
            "INSERT INTO files (folder, name, kind, size, changed, inode, sorted, unread)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (folder, one.name, one.kind.value, one.size, one.changed, one.inode, key, unread),
        )
        rows.execute(
            "INSERT INTO words (rowid, name, prompt, told) VALUES (?, ?, '', '')",
            (cursor.lastrowid, with_parts(one.name)),
        )


def drop(rows: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Forget files."""
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        marks = ",".join("?" * len(some))
        rows.execute(f"DELETE FROM words WHERE rowid IN ({marks})", some)
        rows.execute(f"DELETE FROM unwanted WHERE rowid IN ({marks})", some)
        rows.execute(f"DELETE FROM loras WHERE file IN ({marks})", some)
        rows.execute(f"DELETE FROM files WHERE id IN ({marks})", some)


def folders_below(rows: sqlite3.Connection, root: int, path: str) -> list[int]:
    """The ids of a folder and of all below it."""
    found = rows.execute(
        "SELECT id FROM folders WHERE root = :root AND (path = :path OR :path = ''"
        " OR (path >= :path || '/' AND path < :path || '0'))",  # "0" follows "/"
        {"root": root, "path": path},
    )
    return [row[0] for row in found]


def drop_folder(rows: sqlite3.Connection, folder: int) -> None:
    """Forget one folder and the files in it."""
    ids = [row[0] for row in rows.execute("SELECT id FROM files WHERE folder = ?", (folder,))]
    drop(rows, ids)
    rows.execute("DELETE FROM folders WHERE id = ?", (folder,))


def tell(rows: sqlite3.Connection, file: int, made: Made) -> None:
    """Note what a picture told; nothing where it is gone from the index."""
    told = made.told
    model, sampler = (
        _name_id(rows, what, name)
        for what, name in (("model", told.model), ("sampler", told.sampler))
    )
    seed = told.seed if told.seed is not None and abs(told.seed) <= LARGEST else None
    changed = rows.execute(
        "UPDATE files SET unread = 0, width = ?, height = ?, seed = ?, model = ?, sampler = ?"
        " WHERE id = ?",
        (made.width, made.height, seed, model, sampler, file),
    ).rowcount
    if not changed or told == Told():
        return
    rest = (told.model, *told.loras, told.sampler, "" if told.seed is None else str(told.seed))
    (name,) = rows.execute("SELECT name FROM words WHERE rowid = ?", (file,)).fetchone()
    rows.execute("DELETE FROM words WHERE rowid = ?", (file,))
    rows.execute(
        "INSERT INTO words (rowid, name, prompt, told) VALUES (?, ?, ?, ?)",
        (file, name, spread(told.prompt), with_parts(" ".join(filter(None, rest)))),
    )
    if told.negative:
        rows.execute("DELETE FROM unwanted WHERE rowid = ?", (file,))
        rows.execute(
            "INSERT INTO unwanted (rowid, negative) VALUES (?, ?)", (file, spread(told.negative))
        )
    loras = {_name_id(rows, "lora", name) for name in told.loras if name}
    rows.executemany("INSERT OR IGNORE INTO loras VALUES (?, ?)", ((one, file) for one in loras))


def _name_id(rows: sqlite3.Connection, what: str, name: str) -> int | None:
    if not name:
        return None
    name = storable(name)
    rows.execute("INSERT OR IGNORE INTO names (what, name) VALUES (?, ?)", (what, name))
    query = "SELECT id FROM names WHERE what = ? AND name = ?"
    return int(rows.execute(query, (what, name)).fetchone()[0])


def keep_roots(rows: sqlite3.Connection, roots: Mapping[str, Collection[str]]) -> dict[str, int]:
    """The ids of the trees at these paths. What others hold, or was judged otherwise, is forgotten.

    ``roots``: the path of each tree, and what is hidden in it.
    """
    wanted = {path: "\n".join(sorted(hidden)) for path, hidden in roots.items()}
    for number, path, hidden in rows.execute("SELECT id, path, hidden FROM roots").fetchall():
        if wanted.get(path) != hidden:
            for folder in folders_below(rows, number, ""):
                drop_folder(rows, folder)
            rows.execute("DELETE FROM roots WHERE id = ?", (number,))
    rows.executemany("INSERT OR IGNORE INTO roots (path, hidden) VALUES (?, ?)", wanted.items())
    return dict(rows.execute("SELECT path, id FROM roots").fetchall())


def unread(rows: sqlite3.Connection, most: int) -> Iterable[tuple[int, int, str, str, int, int]]:
    """Pictures that were not asked yet: id, root, folder's path, name, time of change, inode."""
    return rows.execute(
        "SELECT f.id, d.root, d.path, f.name, f.changed, f.inode FROM files f"
        " JOIN folders d ON d.id = f.folder WHERE f.unread ORDER BY f.id DESC LIMIT ?",
        (most,),
    ).fetchall()
