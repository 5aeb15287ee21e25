"""Stars and rejects of pictures, each user's own, in one SQLite file.

A picture is known by its last change and its size, which stay when it is renamed, moved, thrown
away and restored; so no rating has to follow a path. A copy has the rating of its original.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from filebrowser.database import FileDatabase, FileDatabaseSchema
from filebrowser.index.search_query import FileStamp
from webapp.errors import Refused

MAX_STARS = 5
MAX_RATINGS = 100_000  # of one user
MAX_PER_STATEMENT = 400  # stamps

SCHEMA = """
CREATE TABLE IF NOT EXISTS ratings (
    owner TEXT NOT NULL, changed INTEGER NOT NULL, size INTEGER NOT NULL,
    stars INTEGER NOT NULL, rejected INTEGER NOT NULL,
    PRIMARY KEY (owner, changed, size)
) WITHOUT ROWID;
"""
LAYOUT = FileDatabaseSchema(SCHEMA, version=1, durable=True)


class TooManyRatings(Refused):
    """The user has as many ratings as one may have."""

    status = 409


@dataclass(frozen=True, slots=True)
class Rating:
    """What a user thinks of a picture; 0 stars: none given."""

    stars: int = 0
    rejected: bool = False


NO_RATING = Rating()


class RatingStore:
    """The ratings in the file ``path``; threads and processes may use it at once."""

    def __init__(self, path: Path, shared: bool = False) -> None:
        self._database = FileDatabase(path, replace(LAYOUT, shared=shared))
        self._database.call(lambda rows: None)  # damage shows at the start

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def ratings_of(self, owner: str, stamps: Iterable[FileStamp]) -> Mapping[FileStamp, Rating]:
        """The user's ratings of these pictures, as far as they have one."""
        wanted = list(dict.fromkeys(stamps))
        found: dict[FileStamp, Rating] = {}
        for start in range(0, len(wanted), MAX_PER_STATEMENT):
            found |= self._read(owner, wanted[start : start + MAX_PER_STATEMENT])
        return found

    def _read(self, owner: str, stamps: list[FileStamp]) -> dict[FileStamp, Rating]:
        marks = ", ".join(["(?, ?)"] * len(stamps))
        query = (
            "SELECT changed, size, stars, rejected FROM ratings"
            f" WHERE owner = ? AND (changed, size) IN (VALUES {marks})"
        )
        values = [owner, *(number for stamp in stamps for number in stamp)]
        rows = self._database.call(lambda rows: rows.execute(query, values).fetchall())
        return {(row[0], row[1]): Rating(row[2], bool(row[3])) for row in rows}

    def starred(self, owner: str, least: int) -> Collection[FileStamp]:
        """Pictures with at least so many stars from this user."""
        return self._stamps("owner = ? AND stars >= ?", owner, least)

    def rejected(self, owner: str) -> Collection[FileStamp]:
        """Pictures that this user rejected."""
        return self._stamps("owner = ? AND rejected", owner)

    def _stamps(self, condition: str, *values: object) -> Collection[FileStamp]:
        query = f"SELECT changed, size FROM ratings WHERE {condition}"
        return self._database.call(lambda rows: rows.execute(query, values).fetchall())

    def rate(
        self, owner: str, stamps: Collection[FileStamp], stars: int | None, rejected: bool | None
    ) -> Mapping[FileStamp, Rating]:
        """Give these pictures stars, or reject them; None leaves either as it is.

        Returns their ratings. Raises :class:`TooManyRatings`.
        """
        before = self.ratings_of(owner, stamps)
        after = {stamp: _changed(before.get(stamp, NO_RATING), stars, rejected) for stamp in stamps}
        self._database.call(lambda rows: _write(rows, owner, after))
        return after


def _write(rows: sqlite3.Connection, owner: str, ratings: Mapping[FileStamp, Rating]) -> None:
    gone = [(owner, *stamp) for stamp, rating in ratings.items() if rating == NO_RATING]
    kept = [
        (owner, *stamp, rating.stars, rating.rejected)
        for stamp, rating in ratings.items()
        if rating != NO_RATING
    ]
    rows.executemany("DELETE FROM ratings WHERE owner = ? AND changed = ? AND size = ?", gone)
    rows.executemany("INSERT OR REPLACE INTO ratings VALUES (?, ?, ?, ?, ?)", kept)
    count = rows.execute("SELECT count(*) FROM ratings WHERE owner = ?", (owner,)).fetchone()[0]
    if kept and count > MAX_RATINGS:
        raise TooManyRatings(
            f"{MAX_RATINGS:,} pictures have stars or are rejected already; take some back."
        )


def _changed(rating: Rating, stars: int | None, rejected: bool | None) -> Rating:
    return Rating(
        rating.stars if stars is None else stars,
        rating.rejected if rejected is None else rejected,
    )
