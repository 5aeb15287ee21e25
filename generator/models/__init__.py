"""Model files: index, loading, and caches in memory."""
