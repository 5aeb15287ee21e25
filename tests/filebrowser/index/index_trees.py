"""Pictures for the index, and what it knows of a tree."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from filebrowser.access.gate import Root


def write_picture(path: Path, size: tuple[int, int] = (6, 4), **facts: object) -> None:
    """A picture that tells how it was made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngInfo()
    info.add_text("parameters", "\n".join(f"{name}={value}" for name, value in facts.items()))
    Image.new("RGB", size).save(path, pnginfo=info)


def known_to(path: Path) -> set[tuple[object, ...]]:
    """Every file that the database at ``path`` knows, with its full-text rows and without ids.

    Which inode a folder has is of no account: one that was made anew is the same to a search.
    """
    with closing(sqlite3.connect(path)) as rows:
        return set(
            rows.execute(
                "SELECT d.path, f.name, f.kind, f.size, f.changed,"
                " CASE f.kind WHEN 'folder' THEN 0 ELSE f.inode END, f.sorted, f.width,"
                " f.seed, m.name, w.name, w.prompt, w.told, u.negative,"
                " (SELECT group_concat(name, ',') FROM (SELECT n.name FROM loras l"
                "  JOIN names n ON n.id = l.lora WHERE l.file = f.id ORDER BY n.name))"
                " FROM files f JOIN folders d ON d.id = f.folder"
                " LEFT JOIN names m ON m.id = f.model"
                " LEFT JOIN words w ON w.rowid = f.id LEFT JOIN unwanted u ON u.rowid = f.id"
            )
        )


def orphans_in(path: Path) -> int:
    """Rows of the database that belong to no file."""
    with closing(sqlite3.connect(path)) as rows:
        return sum(
            rows.execute(
                f"SELECT count(*) FROM {table} WHERE {key} NOT IN (SELECT id FROM files)"
            ).fetchone()[0]
            for table, key in (("words", "rowid"), ("unwanted", "rowid"), ("loras", "file"))
        ) + int(
            rows.execute(
                "SELECT count(*) FROM files WHERE folder NOT IN (SELECT id FROM folders)"
            ).fetchone()[0]
        )


def visible_names(root: Root) -> set[str]:
    """Paths below the root of ordinary files and folders without a dot."""
    found: set[str] = set()
    for place, folders, files in os.walk(root.path):
        folders[:] = [name for name in folders if name[0] != "."]
        for name in (*folders, *files):
            path = Path(place, name)
            if name[0] != "." and not path.is_symlink() and (path.is_file() or path.is_dir()):
                found.add(str(path.relative_to(root.path)))
        folders[:] = [name for name in folders if not Path(place, name).is_symlink()]
    return found
