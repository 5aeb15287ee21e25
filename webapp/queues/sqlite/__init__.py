"""The queue store of one machine, in one SQLite file."""
