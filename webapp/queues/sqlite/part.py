"""What the parts of the SQLite store have in common: the file."""

from webapp.queues.sqlite.database import QueueDatabase


class StorePart:
    """A part of the store that works on one open file."""

    def __init__(self, database: QueueDatabase) -> None:
        self.database = database
