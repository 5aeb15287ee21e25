-- The tables of queue.db in version 3, as the service wrote them before the notice had its own.
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
CREATE TABLE IF NOT EXISTS answers (
    id TEXT PRIMARY KEY,
    "index" INTEGER NOT NULL,       -- of the frame
    status INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    made_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS answered (
    "index" INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the sink, in the order of answers
    id TEXT NOT NULL UNIQUE,        -- of an answer that is kept
    owner TEXT NOT NULL,            -- its frame's, as the tags
    tags TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deaths (
    id TEXT PRIMARY KEY,            -- of a frame that workers died of
    times INTEGER NOT NULL,
    how TEXT NOT NULL               -- how the last of them ended
);
CREATE INDEX IF NOT EXISTS answers_made ON answers (made_at);
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
CREATE TABLE IF NOT EXISTS worker_facts (
    worker TEXT PRIMARY KEY,
    facts TEXT NOT NULL             -- JSON object: version, models_folder, joined
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

CREATE TABLE IF NOT EXISTS entries (
    "index" INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    request_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    scope TEXT NOT NULL,
    path TEXT NOT NULL,
    priority INTEGER NOT NULL,
    tags TEXT NOT NULL,             -- JSON object
    message TEXT NOT NULL,
    put_at REAL NOT NULL,           -- unix seconds, here and below
    held_until REAL NOT NULL DEFAULT 0,     -- a get has it
    leased_until REAL NOT NULL DEFAULT 0,   -- the service makes a frame of it
    attempts INTEGER NOT NULL DEFAULT 0,    -- at making that frame
    admitted INTEGER NOT NULL DEFAULT 0,    -- 1: the frame is there
    data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_in_order ON entries (queue, priority DESC, "index");
CREATE INDEX IF NOT EXISTS entries_by_index ON entries (queue, "index");
CREATE INDEX IF NOT EXISTS entries_by_request ON entries (request_id, queue);
CREATE INDEX IF NOT EXISTS entries_held ON entries (queue, held_until) WHERE held_until > 0;
CREATE INDEX IF NOT EXISTS entries_to_admit
    ON entries (queue, priority DESC, "index") WHERE admitted = 0 AND queue = 'input';
CREATE TABLE IF NOT EXISTS entry_queues (
    queue TEXT PRIMARY KEY,
    length INTEGER NOT NULL DEFAULT 0,      -- kept by triggers: counting 100,000 rows takes long
    closed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS entry_consumers (
    queue TEXT NOT NULL,
    consumers TEXT NOT NULL,        -- the group
    name TEXT NOT NULL,
    session TEXT NOT NULL,          -- of the connection that counts
    owner TEXT,                     -- NULL: sees everybody's entries
    tags TEXT NOT NULL,             -- JSON object
    start INTEGER NOT NULL,
    window INTEGER NOT NULL,
    auto_commit INTEGER NOT NULL,
    seen_at REAL NOT NULL,
    left_at REAL,                   -- NULL: connected
    stopping INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, consumers, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry_deliveries (
    consumers TEXT NOT NULL,
    "index" INTEGER NOT NULL,
    queue TEXT NOT NULL,
    name TEXT NOT NULL,             -- who has it; "": given back, or consumed
    times INTEGER NOT NULL,
    consumed INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (consumers, "index")
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_deliveries_by_name ON entry_deliveries (queue, consumers, name);
CREATE INDEX IF NOT EXISTS entry_deliveries_by_index ON entry_deliveries ("index");
CREATE TRIGGER IF NOT EXISTS entry_added AFTER INSERT ON entries BEGIN
    INSERT OR IGNORE INTO entry_queues (queue) VALUES (NEW.queue);
    UPDATE entry_queues SET length = length + 1 WHERE queue = NEW.queue;
END;
CREATE TRIGGER IF NOT EXISTS entry_removed AFTER DELETE ON entries BEGIN
    UPDATE entry_queues SET length = length - 1 WHERE queue = OLD.queue;
    DELETE FROM entry_deliveries WHERE "index" = OLD."index";
END;
CREATE TRIGGER IF NOT EXISTS entry_moved AFTER UPDATE OF queue ON entries BEGIN
    UPDATE entry_queues SET length = length - 1 WHERE queue = OLD.queue;
    INSERT OR IGNORE INTO entry_queues (queue) VALUES (NEW.queue);
    UPDATE entry_queues SET length = length + 1 WHERE queue = NEW.queue;
    DELETE FROM entry_deliveries WHERE "index" = OLD."index";
END;

CREATE INDEX IF NOT EXISTS frames_heads
    ON frames (worker, priority, owner, checkpoint, "index", put_at);
CREATE INDEX IF NOT EXISTS frames_owner ON frames (owner);
CREATE INDEX IF NOT EXISTS frames_leased ON frames (expires) WHERE expires IS NOT NULL;
CREATE INDEX IF NOT EXISTS frames_delivered ON frames (deliveries) WHERE deliveries > 0;
CREATE TABLE IF NOT EXISTS workloads (
    frame INTEGER PRIMARY KEY,      -- its index; missing for one that another version put
    work REAL NOT NULL,             -- megapixel-steps
    predicted_seconds REAL NOT NULL,
    weight REAL NOT NULL,           -- of its owner's plan
    body_bytes INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS holdings (
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    frames INTEGER NOT NULL,        -- waiting and leased ones
    body_bytes INTEGER NOT NULL,
    PRIMARY KEY (owner, kind)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS frames_gone AFTER DELETE ON frames
WHEN EXISTS (SELECT 1 FROM workloads WHERE frame = OLD."index") BEGIN
    UPDATE holdings SET frames = frames - 1, body_bytes = body_bytes
        - (SELECT body_bytes FROM workloads WHERE frame = OLD."index")
        WHERE owner = OLD.owner AND kind = OLD.kind;
    DELETE FROM holdings WHERE owner = OLD.owner AND kind = OLD.kind AND frames <= 0;
    DELETE FROM workloads WHERE frame = OLD."index";
END;
CREATE TABLE IF NOT EXISTS paces (
    kind TEXT NOT NULL,
    checkpoint TEXT NOT NULL,       -- '' for any
    seconds REAL NOT NULL,          -- GPU seconds a megapixel-step
    learned_at REAL NOT NULL,
    PRIMARY KEY (kind, checkpoint)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (
    priority INTEGER NOT NULL,      -- of the class, see scheduler.py
    owner TEXT NOT NULL,
    deficit REAL NOT NULL,          -- GPU seconds
    round INTEGER NOT NULL,
    age_override_at REAL NOT NULL,
    PRIMARY KEY (priority, owner)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS turns_rounds ON turns (priority, round);
PRAGMA user_version = 3;
