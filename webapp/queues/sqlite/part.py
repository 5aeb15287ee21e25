"""What the parts of the SQLite store have in common: the file, and who waits at it."""

from collections.abc import Callable

from webapp.queues.notifier import Notifier
from webapp.queues.sqlite.database import QueueDatabase


class StorePart:
    """A part of the store that works on one open file."""

    def __init__(self, database: QueueDatabase) -> None:
        self.database = database


class FramePart(StorePart):
    """A part that stores frames or answers and wakes who waits for them.

    ``clock`` tells unix seconds; an answer waits ``answer_seconds`` for its reader.
    """

    def __init__(
        self,
        database: QueueDatabase,
        notifier: Notifier,
        clock: Callable[[], float],
        answer_seconds: float,
    ) -> None:
        super().__init__(database)
        self.notifier = notifier
        self.clock = clock
        self.answer_seconds = answer_seconds

    def oldest_kept_answer(self) -> float:
        """When the oldest answer was made that is still given out."""
        return self.clock() - self.answer_seconds
