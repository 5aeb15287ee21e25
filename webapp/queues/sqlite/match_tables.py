"""The tables of the match rule: what frames cost and hold, how fast jobs go, whose turn it is."""

MATCH_TABLES = """
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
CREATE TABLE IF NOT EXISTS sharings (
    frame INTEGER PRIMARY KEY,      -- its index; missing for one whose owner nothing bounds
    sharing TEXT NOT NULL           -- see sharing.py
);
CREATE TRIGGER IF NOT EXISTS frames_unshared AFTER DELETE ON frames BEGIN
    DELETE FROM sharings WHERE frame = OLD."index";
END;
CREATE TABLE IF NOT EXISTS shares (
    frame INTEGER PRIMARY KEY,      -- index of a leased one
    token TEXT NOT NULL,            -- of its lease
    seconds REAL NOT NULL           -- of the device so far, as its worker told with a renewal
);
CREATE TRIGGER IF NOT EXISTS frames_share_gone AFTER DELETE ON frames BEGIN
    DELETE FROM shares WHERE frame = OLD."index";
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
"""
