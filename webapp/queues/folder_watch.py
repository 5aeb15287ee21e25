"""Notices that the queue's folder was removed or replaced under a running process.

Each process goes on with the file that it opened; one that starts later opens the new one. Then
they speak to each other no more, and every request waits for ever. So each looks, and ends or
opens anew. No Flask, no torch.
"""

import threading
from collections.abc import Callable

from webapp.queues.contracts.queue import Queue

CHECK_SECONDS = 1.0  # seconds between looks
LOST_CHECKS = 3  # one after another that must find the queue lost: a folder may come back whole


class QueueWatch:
    """Reports a queue as lost after several checks in a row found it so."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._times_lost = 0

    def check(self) -> str:
        """Why the queue is lost for good; "" while it is there, or may come back."""
        why = self.queue.loss_reason()
        self._times_lost = self._times_lost + 1 if why else 0
        return why if self._times_lost >= LOST_CHECKS else ""


class QueueWatchThread(threading.Thread):
    """Looks at a store until it is lost, and calls ``act`` with the reason.

    At each look, until ``act`` returns True: there may be nothing to go on with yet. A thread of
    its own: on a dead mount a look may never return.
    """

    def __init__(
        self, queue: Queue, act: Callable[[str], bool], every: float = CHECK_SECONDS
    ) -> None:
        super().__init__(name="queue-watch", daemon=True)
        self.watch = QueueWatch(queue)
        self.act = act
        self.every = every
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until it is lost or we are stopped."""
        while not self._ended.wait(self.every):
            why = self.watch.check()
            if why and self.act(why):
                return

    def stop(self) -> None:
        """End the thread at its next look."""
        self._ended.set()
