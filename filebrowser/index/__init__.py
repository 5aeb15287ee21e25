"""Search index: files of all roots and the generation facts of pictures, in SQLite with FTS5."""
