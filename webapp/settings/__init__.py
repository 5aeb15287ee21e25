"""Flags, options, the data directory's layout and first start."""
