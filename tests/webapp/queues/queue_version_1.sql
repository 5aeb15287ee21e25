-- The tables of queue.db in version 1, as the service wrote them before answers had an index.
CREATE TABLE IF NOT EXISTS frames (
    "index" INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    priority INTEGER NOT NULL,
    tags TEXT NOT NULL,             -- JSON object
    put_at REAL NOT NULL,           -- unix seconds, here and below
    deliveries INTEGER NOT NULL DEFAULT 0,
    worker TEXT,                    -- who holds the lease; NULL: waiting
    token TEXT,
    leased_at REAL,
    expires REAL,
    body BLOB NOT NULL              -- last, so that reading the rest does not page through it
);
CREATE INDEX IF NOT EXISTS frames_waiting
    ON frames (worker, owner, priority, checkpoint, "index", put_at);
CREATE TABLE IF NOT EXISTS answers (
    id TEXT PRIMARY KEY,
    "index" INTEGER NOT NULL,       -- of the frame
    status INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    made_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS answered (
    id TEXT PRIMARY KEY,            -- of an answer that is kept
    owner TEXT NOT NULL,            -- its frame's, as the tags
    tags TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deaths (
    id TEXT PRIMARY KEY,            -- of a frame that workers died of
    times INTEGER NOT NULL,
    how TEXT NOT NULL               -- how the last of them ended
);
CREATE INDEX IF NOT EXISTS answers_made ON answers (made_at);
CREATE TABLE IF NOT EXISTS ledger (
    owner TEXT PRIMARY KEY,
    gpu_seconds REAL NOT NULL,      -- as they counted at as_of
    as_of REAL NOT NULL,
    rode_at REAL NOT NULL DEFAULT 0 -- when age last overrode the order for this owner
);
CREATE TABLE IF NOT EXISTS sightings (
    job TEXT PRIMARY KEY,
    progress TEXT NOT NULL,         -- JSON object
    started_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    preview_id INTEGER NOT NULL DEFAULT 0,
    preview BLOB
);
CREATE TABLE IF NOT EXISTS stops (
    job TEXT PRIMARY KEY,
    stop TEXT NOT NULL,
    asked_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS workers (
    worker TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    state TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    job TEXT NOT NULL,
    memory TEXT NOT NULL,           -- JSON object
    seen_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS tallies (
    name TEXT NOT NULL,
    labels TEXT NOT NULL,           -- JSON object, keys in order
    value REAL NOT NULL,
    PRIMARY KEY (name, labels)
);
CREATE TABLE IF NOT EXISTS standings (
    worker TEXT PRIMARY KEY,
    plugins TEXT NOT NULL           -- JSON object
);
CREATE TABLE IF NOT EXISTS errands (
    worker TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    verb TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    asked_at REAL NOT NULL
);
PRAGMA user_version = 1;
