"""The index's SQLite file. It can be made again from the trees: a broken one is thrown away."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

VERSION = 2
BUSY_SECONDS = 10.0
CACHE_KIB = 16_000
LOG_BYTES = 32 * 2**20

SCHEMA = """
CREATE TABLE IF NOT EXISTS roots (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE,
    hidden TEXT NOT NULL            -- what the rows below were judged by
);
CREATE TABLE IF NOT EXISTS folders (
    id INTEGER PRIMARY KEY, root INTEGER NOT NULL,
    path TEXT NOT NULL,             -- names joined by "/", "" for the root itself
    UNIQUE (root, path)
);
CREATE TABLE IF NOT EXISTS names (  -- of models, LoRAs and samplers that pictures tell of
    id INTEGER PRIMARY KEY, what TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (what, name)
);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    size INTEGER,                   -- bytes; NULL: a folder
    changed INTEGER NOT NULL,       -- nanoseconds since 1970
    inode INTEGER NOT NULL,
    sorted TEXT NOT NULL,           -- the name's natural order
    unread INTEGER NOT NULL,        -- 1: a picture that was not yet asked how it was made
    width INTEGER, height INTEGER, seed INTEGER,
    model INTEGER, sampler INTEGER, -- in names
    UNIQUE (folder, name)
);
CREATE INDEX IF NOT EXISTS files_changed ON files (changed);
CREATE INDEX IF NOT EXISTS files_unread ON files (unread) WHERE unread;
CREATE TABLE IF NOT EXISTS loras (
    lora INTEGER NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (lora, file)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS loras_of ON loras (file);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    name, prompt, told,             -- told: model, LoRAs, sampler, seed
    tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);
CREATE VIRTUAL TABLE IF NOT EXISTS unwanted USING fts5 (
    negative, tokenize = "unicode61 remove_diacritics 2"
);
"""

log = logging.getLogger(__name__)


def prepare(path: Path) -> None:
    """Make the file, anew where it is broken or of another version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _make(path)
    except sqlite3.DatabaseError as error:
        log.warning("The index of files %s is made anew: %s", path, error)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        _make(path)
    path.chmod(0o600)


def _make(path: Path) -> None:
    with closing(connect(path)) as rows:
        found = rows.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, VERSION):
            raise sqlite3.DatabaseError(f"its version is {found}, this Easel writes {VERSION}")
        rows.execute("PRAGMA journal_mode = WAL")
        rows.executescript(SCHEMA)
        rows.execute(f"PRAGMA user_version = {VERSION}")
        rows.execute("SELECT count(*) FROM (SELECT 1 FROM files LIMIT 1)").fetchone()


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit for one thread at a time."""
    rows = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    rows.execute("PRAGMA synchronous = NORMAL")
    rows.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    rows.execute("PRAGMA temp_store = MEMORY")
    rows.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    return rows
