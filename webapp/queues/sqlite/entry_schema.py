"""Tables of the entry queues, in the same file as the frames."""

ENTRY_SCHEMA = """
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
CREATE TABLE IF NOT EXISTS entry_owners (
    queue TEXT NOT NULL,
    owner TEXT NOT NULL,
    length INTEGER NOT NULL,                -- kept by triggers, as that of the queue
    PRIMARY KEY (queue, owner)
) WITHOUT ROWID;
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
CREATE TRIGGER IF NOT EXISTS entry_owned AFTER INSERT ON entries BEGIN
    INSERT INTO entry_owners VALUES (NEW.queue, NEW.owner, 1)
        ON CONFLICT (queue, owner) DO UPDATE SET length = length + 1;
END;
CREATE TRIGGER IF NOT EXISTS entry_disowned AFTER DELETE ON entries BEGIN
    UPDATE entry_owners SET length = length - 1 WHERE queue = OLD.queue AND owner = OLD.owner;
    DELETE FROM entry_owners WHERE queue = OLD.queue AND owner = OLD.owner AND length <= 0;
END;
CREATE TRIGGER IF NOT EXISTS entry_owned_elsewhere AFTER UPDATE OF queue ON entries BEGIN
    UPDATE entry_owners SET length = length - 1 WHERE queue = OLD.queue AND owner = OLD.owner;
    DELETE FROM entry_owners WHERE queue = OLD.queue AND owner = OLD.owner AND length <= 0;
    INSERT INTO entry_owners VALUES (NEW.queue, NEW.owner, 1)
        ON CONFLICT (queue, owner) DO UPDATE SET length = length + 1;
END;
"""
