"""Directory listings: entries, sort orders, kinds of files."""
