"""The index's SQLite file. It can be made again from the trees: a broken one is put aside."""

import sqlite3
from pathlib import Path

from filebrowser.database import FileDatabaseSchema, connect_file, open_database

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


def prepare_database(path: Path) -> None:
    """Make the file, anew where it is broken or of another version."""
    open_database(path, FileDatabaseSchema(SCHEMA, VERSION, BUSY_SECONDS)).close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit for one thread at a time."""
    connection = connect_file(path, BUSY_SECONDS, autocommit=True)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    return connection
