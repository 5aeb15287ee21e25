"""A thread that reads the next job's checkpoint from the disk while the worker draws."""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence

from generator.errors import GeneratorError
from webapp.queues.contracts.queue import Queue
from webapp.queues.errors import QueueError

LOOK_SECONDS = 0.5  # between looks at the queue
BLOCKS_A_LOOK = 16  # of a file, between looks whether it is still the next
LOWEST_PRIORITY = 19  # niceness of the thread

ReadAhead = Callable[[str, Callable[[], bool]], bool]
"""Read the checkpoint of that name until told to end; whether it was read whole."""


class Prefetcher(threading.Thread):
    """Looks at what waits while a job runs. ``loaded`` are the checkpoints in memory, the running
    job's among them; None while no job runs.
    """

    def __init__(
        self,
        queue: Queue,
        loaded: Callable[[], Sequence[str] | None],
        read_ahead: ReadAhead,
        log: logging.Logger,
    ) -> None:
        super().__init__(name="prefetch", daemon=True)
        self._queue = queue
        self._loaded = loaded
        self._read_ahead = read_ahead
        self._log = log
        self._stopped = threading.Event()
        self._last = ""  # read, or tried, last

    def run(self) -> None:
        """Look twice a second, below everything else."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        while not self._stopped.wait(LOOK_SECONDS):
            self.look()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self.join()

    def look(self) -> None:
        """Read what waits next, unless it was the last that was read."""
        try:
            name = self._next()
            if not name or name == self._last:
                return
            self._last = name
            looks = iter(range(1 << 62))

            def is_cancelled() -> bool:
                due = next(looks) % BLOCKS_A_LOOK == BLOCKS_A_LOOK - 1
                return self._stopped.is_set() or (due and self._next() != name)

            if self._read_ahead(name, is_cancelled):
                self._log.info("%s was read ahead for the next job", name)
        except (QueueError, sqlite3.Error, OSError, GeneratorError) as error:
            self._log.info("nothing was read ahead: %s", error)  # the job itself will tell why

    def _next(self) -> str:
        """The checkpoint to read now, "" for none."""
        loaded = self._loaded()
        if loaded is None:
            return ""
        name = self._queue.next_checkpoint(loaded)
        return "" if name in loaded else name
