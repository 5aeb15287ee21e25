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

MIGRATIONS = {1: ANSWERS_GET_AN_INDEX}
