"""How the queue's file of an earlier version becomes one of the next: SQL by version.

There is a step from every version, so that what waits in a file is never lost.
"""

ANSWERS_GET_AN_INDEX = """
CREATE TABLE IF NOT EXISTS answered (  -- the first files of version 1 have none
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, tags TEXT NOT NULL
);
ALTER TABLE answered RENAME TO answered_of_1;
CREATE TABLE answered (
    "index" INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    tags TEXT NOT NULL
);
INSERT INTO answered (id, owner, tags)
SELECT a.id, COALESCE(o.owner, ''), COALESCE(o.tags, '{}')
FROM answers a LEFT JOIN answered_of_1 o USING (id) ORDER BY a.made_at, a."index";
DROP TABLE answered_of_1;
"""

FRAMES_GET_A_COST = """
DROP INDEX IF EXISTS frames_waiting;
DROP TABLE IF EXISTS ledger;  -- whose turn it is is counted anew
CREATE TABLE IF NOT EXISTS workloads (
    frame INTEGER PRIMARY KEY, work REAL NOT NULL, predicted_seconds REAL NOT NULL,
    weight REAL NOT NULL, body_bytes INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS holdings (
    owner TEXT NOT NULL, kind TEXT NOT NULL, frames INTEGER NOT NULL, body_bytes INTEGER NOT NULL,
    PRIMARY KEY (owner, kind)
) WITHOUT ROWID;
INSERT OR IGNORE INTO workloads  -- what they will take is not known
SELECT "index", 0, 1, 1, LENGTH(body) FROM frames;
INSERT OR REPLACE INTO holdings
SELECT owner, kind, COUNT(*), SUM(LENGTH(body)) FROM frames GROUP BY owner, kind;
"""

ENTRIES_ARE_COUNTED_BY_OWNER = """
DELETE FROM errands WHERE worker = 'service';  -- a notice, which has its own table now: said anew
CREATE TABLE IF NOT EXISTS entries (  -- files of version 1 have none
    "index" INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, request_id TEXT NOT NULL,
    owner TEXT NOT NULL, scope TEXT NOT NULL, path TEXT NOT NULL, priority INTEGER NOT NULL,
    tags TEXT NOT NULL, message TEXT NOT NULL, put_at REAL NOT NULL,
    held_until REAL NOT NULL DEFAULT 0, leased_until REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, admitted INTEGER NOT NULL DEFAULT 0, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS entry_owners (
    queue TEXT NOT NULL, owner TEXT NOT NULL, length INTEGER NOT NULL, PRIMARY KEY (queue, owner)
) WITHOUT ROWID;
INSERT OR REPLACE INTO entry_owners
SELECT queue, owner, COUNT(*) FROM entries GROUP BY queue, owner;
"""

MIGRATIONS = {1: ANSWERS_GET_AN_INDEX, 2: FRAMES_GET_A_COST, 3: ENTRIES_ARE_COUNTED_BY_OWNER}
