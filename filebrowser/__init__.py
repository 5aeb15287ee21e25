"""Files of the data directory: what changed on disk, and (later) browsing and uploads."""
