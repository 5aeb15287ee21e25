"""Boards: pictures that a user put together, with a name, a cover and a note; in one SQLite file.

A picture on a board is known by its stamp, as in :mod:`webapp.gallery.ratings`; its path is where
it was last seen. A board has at most one link, for people without a credential, who may give stars.
"""

import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filebrowser.database import FileDatabase, FileDatabaseSchema
from filebrowser.errors import NotHere
from filebrowser.index.search_query import FileStamp
from webapp.errors import Refused

MAX_BOARDS = 200  # of one user
MAX_BOARD_PICTURES = 500
MAX_VISITOR_STARS = 20_000  # of one board
ID_BYTES = 16

SCHEMA = """
CREATE TABLE IF NOT EXISTS boards (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, note TEXT NOT NULL,
    cover_changed INTEGER, cover_size INTEGER, -- the cover's stamp; NULL: the first picture
    made REAL NOT NULL,
    link TEXT UNIQUE                -- NULL: not shared
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS boards_of ON boards (owner, made);
CREATE TABLE IF NOT EXISTS pictures (
    board TEXT NOT NULL, changed INTEGER NOT NULL, size INTEGER NOT NULL,
    path TEXT NOT NULL,             -- where it was last seen
    place INTEGER NOT NULL,         -- order on the board
    PRIMARY KEY (board, changed, size)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS visitor_stars (
    board TEXT NOT NULL, changed INTEGER NOT NULL, size INTEGER NOT NULL, visitor TEXT NOT NULL,
    PRIMARY KEY (board, changed, size, visitor)
) WITHOUT ROWID;
"""
LAYOUT = FileDatabaseSchema(SCHEMA, version=1, durable=True)


class TooManyOnBoards(Refused):
    """There are as many boards, pictures on one, or stars of visitors, as there may be."""

    status = 409


@dataclass(frozen=True, slots=True)
class BoardPicture:
    """A picture on a board. ``visitor_stars`` were given through the link."""

    stamp: FileStamp
    path: str
    visitor_stars: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    """A board without its pictures."""

    id: str
    owner: str
    name: str
    note: str
    cover: FileStamp | None
    made: float  # seconds since 1970
    link: str | None
    count: int = 0


def _board_of(row: Sequence[Any]) -> Board:
    """The board of a row of :meth:`BoardStore._read`'s query."""
    board, owner, name, note, cover_changed, cover_size, made, link, count = row
    cover = None if cover_changed is None else (cover_changed, cover_size)
    return Board(board, owner, name, note, cover, made, link, count)


class BoardStore:
    """The boards in the file ``path``; threads and processes may use it at once."""

    def __init__(self, path: Path, shared: bool = False) -> None:
        self._database = FileDatabase(path, replace(LAYOUT, shared=shared))
        self._database.call(lambda rows: None)  # damage shows at the start

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def boards_of(self, owner: str) -> Sequence[Board]:
        """A user's boards, the latest first."""
        return self._read("owner = ? ORDER BY made DESC", owner)

    def get(self, owner: str, board: str) -> Board:
        """A board of this user. Raises :class:`NotHere` for others' as for unknown ones."""
        return self._one("owner = ? AND id = ?", owner, board)

    def by_link(self, link: str) -> Board:
        """The board that this link leads to. Raises :class:`NotHere`."""
        return self._one("link = ?", link)

    def _one(self, condition: str, *values: object) -> Board:
        found = self._read(condition, *values)
        if not found:
            raise NotHere("There is no such board.")
        return found[0]

    def _read(self, condition: str, *values: object) -> Sequence[Board]:
        query = (
            "SELECT id, owner, name, note, cover_changed, cover_size, made, link,"
            " (SELECT count(*) FROM pictures WHERE board = id)"
            f" FROM boards WHERE {condition}"
        )
        rows = self._database.call(lambda rows: rows.execute(query, values).fetchall())
        return [_board_of(row) for row in rows]

    def create(self, owner: str, name: str, note: str) -> Board:
        """A new board without pictures. Raises :class:`TooManyOnBoards`."""
        board = Board(secrets.token_urlsafe(ID_BYTES), owner, name, note, None, time.time(), None)

        def insert(rows: sqlite3.Connection) -> None:
            count = "SELECT count(*) FROM boards WHERE owner = ?"
            if rows.execute(count, (owner,)).fetchone()[0] >= MAX_BOARDS:
                raise TooManyOnBoards(f"{MAX_BOARDS} boards are there already; delete some first.")
            rows.execute(
                "INSERT INTO boards (id, owner, name, note, made) VALUES (?, ?, ?, ?, ?)",
                (board.id, owner, name, note, board.made),
            )

        self._database.call(insert)
        return board

    def update(self, board: Board) -> None:
        """Write a board's name, note, cover and link."""
        changed, size = board.cover or (None, None)
        query = (
            "UPDATE boards SET name = ?, note = ?, cover_changed = ?, cover_size = ?, link = ?"
            " WHERE id = ?"
        )
        values = (board.name, board.note, changed, size, board.link, board.id)
        self._database.call(lambda rows: rows.execute(query, values))

    def delete(self, board: Board) -> None:
        """Delete a board; its pictures stay where they are."""

        def delete(rows: sqlite3.Connection) -> None:
            for table, key in (("boards", "id"), ("pictures", "board"), ("visitor_stars", "board")):
                rows.execute(f"DELETE FROM {table} WHERE {key} = ?", (board.id,))

        self._database.call(delete)

    def pictures_of(self, board: Board) -> Sequence[BoardPicture]:
        """The board's pictures in their order."""
        query = (
            "SELECT p.changed, p.size, p.path, (SELECT count(*) FROM visitor_stars s WHERE"
            " s.board = p.board AND s.changed = p.changed AND s.size = p.size)"
            " FROM pictures p WHERE p.board = ? ORDER BY p.place"
        )
        rows = self._database.call(lambda rows: rows.execute(query, (board.id,)).fetchall())
        return [BoardPicture((row[0], row[1]), row[2], row[3]) for row in rows]

    def add_pictures(self, board: Board, pictures: Iterable[BoardPicture]) -> None:
        """Add pictures at the end; those that are there already get their path alone.

        Raises :class:`TooManyOnBoards`.
        """

        def insert(rows: sqlite3.Connection) -> None:
            last = "SELECT coalesce(max(place), 0), count(*) FROM pictures WHERE board = ?"
            place, _ = rows.execute(last, (board.id,)).fetchone()
            rows.executemany(
                "INSERT INTO pictures (board, changed, size, path, place) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET path = excluded.path",
                [
                    (board.id, *picture.stamp, picture.path, place + number)
                    for number, picture in enumerate(pictures, 1)
                ],
            )
            if rows.execute(last, (board.id,)).fetchone()[1] > MAX_BOARD_PICTURES:
                raise TooManyOnBoards(f"A board holds at most {MAX_BOARD_PICTURES} pictures.")

        self._database.call(insert)

    def remove_pictures(self, board: Board, stamps: Iterable[FileStamp]) -> None:
        """Take pictures, and the stars that visitors gave them here, off the board."""
        values = [(board.id, *stamp) for stamp in stamps]

        def delete(rows: sqlite3.Connection) -> None:
            for table in ("pictures", "visitor_stars"):
                rows.executemany(
                    f"DELETE FROM {table} WHERE board = ? AND changed = ? AND size = ?", values
                )

        self._database.call(delete)

    def move_pictures(self, board: Board, paths: Mapping[FileStamp, str]) -> None:
        """Note where pictures are now."""
        query = "UPDATE pictures SET path = ? WHERE board = ? AND changed = ? AND size = ?"
        values = [(path, board.id, *stamp) for stamp, path in paths.items()]
        self._database.call(lambda rows: rows.executemany(query, values))

    def toggle_star(self, board: Board, stamp: FileStamp, visitor: str) -> None:
        """Give a picture the visitor's star, or take it back. Raises :class:`TooManyOnBoards`."""
        values = (board.id, *stamp, visitor)

        def toggle(rows: sqlite3.Connection) -> None:
            gone = rows.execute(
                "DELETE FROM visitor_stars"
                " WHERE board = ? AND changed = ? AND size = ? AND visitor = ?",
                values,
            ).rowcount
            if gone:
                return
            count = "SELECT count(*) FROM visitor_stars WHERE board = ?"
            if rows.execute(count, (board.id,)).fetchone()[0] >= MAX_VISITOR_STARS:
                raise TooManyOnBoards("This board has as many stars as it may have.")
            rows.execute("INSERT INTO visitor_stars VALUES (?, ?, ?, ?)", values)

        self._database.call(toggle)

    def stars_of(self, board: Board, visitor: str) -> set[FileStamp]:
        """The pictures to which this visitor gave a star."""
        query = "SELECT changed, size FROM visitor_stars WHERE board = ? AND visitor = ?"
        return set(
            self._database.call(lambda rows: rows.execute(query, (board.id, visitor)).fetchall())
        )
