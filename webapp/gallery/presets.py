"""Presets: whole forms of the page that a user keeps under names, with thumbnails; in one SQLite
file.

What stands in a form is the page's business; here it is JSON.
"""

import secrets
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from filebrowser.database import FileDatabase, FileDatabaseSchema
from filebrowser.errors import NotHere
from webapp.errors import Refused

PRESETS_FILE = "presets.db"
MAX_PRESETS = 200  # of one user
ID_BYTES = 16

SCHEMA = """
CREATE TABLE IF NOT EXISTS presets (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL,
    form TEXT NOT NULL,             -- JSON
    picture BLOB,                   -- WebP; NULL: none
    changed REAL NOT NULL,          -- unix seconds
    UNIQUE (owner, name)
) WITHOUT ROWID;
"""
LAYOUT = FileDatabaseSchema(SCHEMA, version=1, durable=True)
READ = "SELECT id, owner, name, changed, picture IS NOT NULL FROM presets WHERE"


class TooManyPresets(Refused):
    """The user has as many presets as one may have."""

    status = 409


class PresetNameTaken(Refused):
    """Another preset of the user's has this name."""

    status = 409


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset without its form and picture."""

    id: str
    owner: str
    name: str
    changed: float  # seconds since 1970
    has_picture: bool


@dataclass(frozen=True, slots=True)
class PresetChange:
    """What is written; None: as it is. An empty picture: none."""

    name: str | None = None
    form: str | None = None
    picture: bytes | None = None


class PresetStore:
    """The presets in the file ``path``; threads and processes may use it at once."""

    def __init__(self, path: Path, shared: bool = False) -> None:
        self._database = FileDatabase(path, replace(LAYOUT, shared=shared))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def presets_of(self, owner: str) -> Sequence[Preset]:
        """A user's presets, the one that was changed last first."""
        return self._read("owner = ? ORDER BY changed DESC, name", owner)

    def get(self, owner: str, preset: str) -> Preset:
        """A preset of this user. Raises :class:`NotHere` for others' as for unknown ones."""
        found = self._read("owner = ? AND id = ?", owner, preset)
        if not found:
            raise NotHere("There is no such preset.")
        return found[0]

    def form_of(self, preset: Preset) -> str:
        """Its form, as JSON. Raises :class:`NotHere`."""
        return str(self._column("form", preset))

    def picture_of(self, preset: Preset) -> bytes:
        """Its picture. Raises :class:`NotHere` where it has none."""
        picture = self._column("picture", preset)
        if not isinstance(picture, bytes):
            raise NotHere("The preset has no picture.")
        return picture

    def create(self, owner: str, name: str, form: str, picture: bytes) -> Preset:
        """A new preset. Raises :class:`TooManyPresets`, :class:`PresetNameTaken`."""
        preset = Preset(secrets.token_urlsafe(ID_BYTES), owner, name, time.time(), bool(picture))

        def insert(rows: sqlite3.Connection) -> None:
            count = "SELECT count(*) FROM presets WHERE owner = ?"
            if rows.execute(count, (owner,)).fetchone()[0] >= MAX_PRESETS:
                raise TooManyPresets(f"{MAX_PRESETS} presets are there already; delete some first.")
            _check_name(rows, preset, name)
            rows.execute(
                "INSERT INTO presets (id, owner, name, form, picture, changed)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (preset.id, owner, name, form, picture or None, preset.changed),
            )

        self._database.call(insert)
        return preset

    def update(self, preset: Preset, change: PresetChange) -> None:
        """Write what changes. Raises :class:`PresetNameTaken`."""
        columns = {"name": change.name, "form": change.form, "picture": change.picture}
        values = {name: value or None for name, value in columns.items() if value is not None}

        def write(rows: sqlite3.Connection) -> None:
            if change.name is not None:
                _check_name(rows, preset, change.name)
            for column, value in {**values, "changed": time.time()}.items():
                rows.execute(f"UPDATE presets SET {column} = ? WHERE id = ?", (value, preset.id))

        self._database.call(write)

    def delete(self, preset: Preset) -> None:
        """Delete a preset."""
        query = "DELETE FROM presets WHERE id = ?"
        self._database.call(lambda rows: rows.execute(query, (preset.id,)))

    def _read(self, condition: str, *values: object) -> Sequence[Preset]:
        query = f"{READ} {condition}"
        rows = self._database.call(lambda rows: rows.execute(query, values).fetchall())
        return [Preset(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]

    def _column(self, column: str, preset: Preset) -> object:
        query = f"SELECT {column} FROM presets WHERE id = ?"
        row = self._database.call(lambda rows: rows.execute(query, (preset.id,)).fetchone())
        if row is None:
            raise NotHere("There is no such preset.")
        value: object = row[0]
        return value


def _check_name(rows: sqlite3.Connection, preset: Preset, name: str) -> None:
    """Raises :class:`PresetNameTaken` where another preset of the owner's has the name."""
    query = "SELECT 1 FROM presets WHERE owner = ? AND name = ? AND id <> ?"
    if rows.execute(query, (preset.owner, name, preset.id)).fetchone():
        raise PresetNameTaken(
            f"name: there is a preset {name!r} already; choose another name, or change that one."
        )
