"""Routes of files: saved pictures by URL, and the file browser."""
